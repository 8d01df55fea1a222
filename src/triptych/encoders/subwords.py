"""Subwords: text as the numbers that a published language model was trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from triptych.encoders.encoder import Encoded, TextInput


@dataclass(frozen=True)
class SubwordInput(TextInput):
    """Subwords as the encoder wants them: int64 of shape (texts, subwords of the longest).

    Shorter texts are filled up with ``padding``, which no text holds. ``tokenizer`` and ``config``
    are the contents of the model's tokenizer.json and config.json, so that a checkpoint needs
    neither its folder nor a network.
    """

    tokenizer: str
    config: str
    padding: int
    unknown_id: int | None  # what a letter becomes that the tokenizer has never seen
    longest: int = 512  # subwords of a text; what comes later is cut off

    @cached_property
    def _tokenizer(self) -> Any:
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_str(self.tokenizer)
        tokenizer.no_padding()
        tokenizer.enable_truncation(self.longest)
        tokenizer.encode_special_tokens = True  # a caption that says "<pad>" is no padding
        return tokenizer

    @cached_property
    def _silent(self) -> frozenset[int]:
        """What stands around every text, and what every unseen letter becomes."""
        around = self._tokenizer.encode("").ids
        return frozenset(around if self.unknown_id is None else [*around, self.unknown_id])

    def encode(self, text: str) -> Encoded:
        """The first ``longest`` subwords, with those that open and close a text."""
        ids = self._tokenizer.encode(text).ids if text.strip() else []
        return np.array([] if self._silent.issuperset(ids) else ids, np.int32)

    def batch(self, texts: Sequence[Encoded]) -> npt.NDArray[np.int64]:
        """Padded on the right to the longest of ``texts``; shape (texts, 1 or more)."""
        longest = max((len(ids) for ids in texts), default=0)
        padded = np.full((len(texts), max(longest, 1)), self.padding, np.int64)
        for row, ids in zip(padded, texts, strict=True):
            row[: len(ids)] = ids
        return padded

    def unknown(self, text: str) -> list[str]:
        """None: any word is made of subwords."""
        del text
        return []

    def refusal(self, text: str) -> str:
        """That there is nothing to read in ``text``."""
        return f"{text!r} holds nothing that the model can read; give some words"
