"""Words: cutting text into tokens, the vocabulary, and the binary bag of words.

Rai et al. (2020), section 3.1.2: each narration is a binary vector over the most frequent words of
the training captions. Their code cut and lowercased when it built the vocabulary but not when it
looked words up; here both go through `tokens`.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

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


def encode(text: str, vocabulary: Sequence[str]) -> npt.NDArray[np.float32]:
    """1 where a word of the vocabulary occurs in ``text``, else 0; shape (len(vocabulary),)."""
    present = set(tokens(text))
    return np.array([word in present for word in vocabulary], np.float32)
