"""Word vectors as in MCN's release (Chen et al., ICCV 2021), where that differs.

Words keep their case, hold digits and underscores and may repeat; function words stay. Texts are
filled up with vectors of zeros, and these join the maximum, so that no feature of a text of fewer
words than ``longest`` is below the ReLU of the layer's bias. A text without any known word, there a
text of nothing but padding, counts as lacking here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from triptych.encoders.encoder import Encoded, TextOptions
from triptych.encoders.word_vectors import WANTED, VectorInput, WordVectors, find, padded

__all__ = ["WANTED", "build", "find", "read"]

WORD = re.compile(r"[\w']+")


@dataclass(frozen=True)
class ReleasedInput(VectorInput):
    """Words as the release cuts them, always ``longest`` rows for a text."""

    folded: ClassVar[bool] = False

    @staticmethod
    def cut(text: str) -> list[str]:
        """Runs of letters, digits, underscores and apostrophes, as they stand."""
        return WORD.findall(text)

    def encode(self, text: str) -> Encoded:
        """The rows of the first ``longest`` words of ``text`` that have a vector."""
        rows = [self._rows[word] for word in self.cut(text) if word in self._rows]
        return np.array(rows[: self.longest], np.int32)

    def batch(self, texts: Sequence[Encoded]) -> npt.NDArray[np.int64]:
        """Padded on the right to (texts, ``longest``)."""
        return padded(texts, self.longest)


class ReleasedWordVectors(WordVectors):
    """With padding in the maximum."""

    input: ReleasedInput
    padding_counts = True


def read(model: str, texts: Sequence[str], options: TextOptions) -> ReleasedInput:
    """The words of ``texts`` that have a vector in ``model``, and its most frequent others."""
    return ReleasedInput.of(model, texts, options)


def build(words: ReleasedInput, model: str = "") -> ReleasedWordVectors:
    """With the vectors of ``model``; without one, of zeros."""
    encoder = ReleasedWordVectors(words)
    if model:
        encoder.fill(find(model))
    return encoder
