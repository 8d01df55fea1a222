"""Any published language model as the encoder of text, through `transformers`.

Rai et al. (2020), section 3.1.2: the first 512 subwords go through the model, and the vectors of
all of them are averaged into one for the text.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from torch import Tensor, nn

from triptych.encoders.encoder import Encoder, TextOptions
from triptych.encoders.language_model import draw_network, folder_of, load_network, read_input
from triptych.encoders.subwords import SubwordInput

MODEL = ""  # the name of the encoder says it: transformer:MODEL
WANTED = "FOLDER or the name of a published one"


class Transformer(Encoder):
    """Subwords (clips, subwords) to features (clips, ``dim``): the mean over a text's subwords.

    ``network`` takes subwords and their mask, and gives ``last_hidden_state`` (clips, subwords,
    dim). The subwords that open and close a text count, padding does not.
    """

    modality = "text"
    input: SubwordInput

    def __init__(self, subwords: SubwordInput, network: nn.Module) -> None:
        super().__init__()
        self.input = subwords
        self.network = network
        self.dim = int(network.config.hidden_size)  # type: ignore[union-attr, arg-type]

    def forward(self, x: Tensor) -> Tensor:
        """Features (clips, dim); zeros for a text that is all padding."""
        mask = x != self.input.padding
        vectors = self.network(input_ids=x, attention_mask=mask.long()).last_hidden_state
        kept = mask[..., None] * vectors.float()
        return kept.sum(1) / mask.sum(1, keepdim=True).clamp(min=1)  # type: ignore[no-any-return]


def find(model: str) -> Path:
    """The folder of ``model``, a folder or a name; UserError where there is none."""
    return folder_of(model)


def read(model: str, texts: Sequence[str], options: TextOptions) -> SubwordInput:
    """The subwords of ``model``, whatever the captions are."""
    del texts, options
    return read_input(find(model))


def build(subwords: SubwordInput, model: str = "") -> Transformer:
    """With the weights of ``model``, a folder or a name; without one, with random weights."""
    if model:
        network = load_network(find(model), subwords.longest)
    else:
        network = draw_network(subwords.config)
    return Transformer(subwords, network)
