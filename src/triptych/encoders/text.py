"""Words: cutting text into them, the vocabulary, and the binary bag of words.

Rai et al. (2020), section 3.1.2: each narration is a binary vector over the most frequent words of
the training captions. Their code cut and lowercased when it built the vocabulary but not when it
looked words up; here both go through `tokens`.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from triptych.encoders.encoder import Encoded, TextInput
from triptych.encoders.stop_words import STOP_WORDS

# The vowel signs of Indic scripts and loose accents are no letters to Python, but part of a word.
MARKS = "".join(chr(i) for i in range(0x300, 0x10000) if unicodedata.category(chr(i))[0] == "M")
LETTERS = f"[^\\W\\d_][{MARKS}]*"
WORD = re.compile(f"(?:{LETTERS})+(?:'(?:{LETTERS})+)?")


def tokens(text: str) -> list[str]:
    """Lowercased words, in order; whatever is no letter separates words.

    Spellings that look alike are one word: composed or decomposed accents, straight or curly
    apostrophes. Scripts without spaces (Chinese, Thai) are not cut into words.
    """
    plain = unicodedata.normalize("NFKC", text).lower()
    plain = plain.replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")
    return WORD.findall(unicodedata.normalize("NFKC", plain))


def build_vocabulary(texts: Iterable[str], size: int = 300) -> tuple[str, ...]:
    """The ``size`` words that occur in the most texts, function words aside, frequent first.

    Ties go by the alphabet, so that two scans of one collection agree.
    """
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(set(tokens(text)) - STOP_WORDS)
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return tuple(word for word, _ in ranked[:size])


@dataclass(frozen=True)
class WordInput(TextInput):
    """Words as the encoder wants them: float32 0/1 of shape (texts, words of the vocabulary)."""

    vocabulary: tuple[str, ...]

    @cached_property
    def _places(self) -> dict[str, int]:
        return {word: place for place, word in enumerate(self.vocabulary)}

    def encode(self, text: str) -> Encoded:
        """The places in the vocabulary of the words that occur in ``text``, each once, ordered."""
        places = {self._places[word] for word in tokens(text) if word in self._places}
        return np.array(sorted(places), np.int32)

    def batch(self, texts: Sequence[Encoded]) -> npt.NDArray[np.float32]:
        """1 where a text has the word, else 0; shape (texts, words of the vocabulary)."""
        bags = np.zeros((len(texts), len(self.vocabulary)), np.float32)
        for bag, places in zip(bags, texts, strict=True):
            bag[places] = 1
        return bags

    def unknown(self, text: str) -> list[str]:
        """The words of ``text`` that the vocabulary lacks, function words aside."""
        return [
            word for word in tokens(text) if word not in self._places and word not in STOP_WORDS
        ]

    def refusal(self, text: str) -> str:
        """That no word of ``text`` is known, and near ones, or else the most frequent ones."""
        near = [
            match
            for word in tokens(text)
            for match in difflib.get_close_matches(word, self.vocabulary, 2, cutoff=0.7)
        ]
        # Without a near word, the most frequent ones: they show what the videos speak of.
        telling = [word for word in self.vocabulary if word not in STOP_WORDS]
        hint = f"it knows {', '.join(telling[:12])}{'…' if len(telling) > 12 else ''}"
        if near:
            hint = f"did you mean {', '.join(dict.fromkeys(near))}?"
        return f"none of the words of {text!r} is in the model's vocabulary; {hint}"
