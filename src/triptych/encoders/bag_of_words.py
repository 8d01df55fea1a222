"""The bag-of-words text encoder of Rai et al. (2020), section 3.1.2: a two-layer perceptron."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from triptych.encoders.encoder import Encoder, TextOptions
from triptych.encoders.text import WordInput, build_vocabulary
from triptych.errors import UserError


class BagOfWords(Encoder):
    """Binary word vectors (clips, vocabulary) to features (clips, ``dim``).

    The release's sizes are 300 -> 1024 -> 512 with ReLU and dropout 0.5 between.
    """

    modality = "text"
    input: WordInput

    def __init__(self, words: WordInput, hidden: int = 1024, dim: int = 512) -> None:
        super().__init__()
        if not words.vocabulary:
            raise UserError(
                "text encoder: the vocabulary is empty, no clip has words; "
                "leave text out with modalities=video,audio"
            )
        self.input = words
        self.dim = dim
        self.layers = nn.Sequential(
            nn.Linear(len(words.vocabulary), hidden),
            nn.ReLU(),
            nn.Dropout(0.5),
            nn.Linear(hidden, dim),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Features (clips, dim) before any ReLU, as the release clusters them."""
        # A long caption would otherwise be a long vector: the angle is what the words say.
        scale = x.sum(1, keepdim=True).clamp(min=1).rsqrt()
        return self.layers(x * scale)  # type: ignore[no-any-return]


def read(model: str, texts: Sequence[str], options: TextOptions) -> WordInput:
    """The most frequent words of ``texts``, the captions that are trained on."""
    del model
    return WordInput(build_vocabulary(texts, options.vocabulary))


def build(words: WordInput) -> BagOfWords:
    """The paper's sizes; ``words`` carries the vocabulary."""
    return BagOfWords(words)
