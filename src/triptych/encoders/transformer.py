"""Any published language model as the encoder of text, through `transformers`.

Rai et al. (2020), section 3.1.2: the first 512 subwords go through the model, and the vectors of
all of them are averaged into one for the text.
"""

from __future__ import annotations

from torch import Tensor, nn

from triptych.encoders.encoder import Encoder
from triptych.encoders.language_model import draw_network, folder_of, load_network, read_input
from triptych.encoders.subwords import SubwordInput

MODEL = ""  # the name of the encoder says it: transformer:MODEL


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


def read(model: str) -> SubwordInput:
    """The subwords of ``model``, a folder or the name of a published model."""
    return read_input(folder_of(model))


def build(subwords: SubwordInput, model: str = "") -> Transformer:
    """With the weights of ``model``, a folder or a name; without one, with random weights."""
    if model:
        network = load_network(folder_of(model), subwords.longest)
    else:
        network = draw_network(subwords.config)
    return Transformer(subwords, network)
