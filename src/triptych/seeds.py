"""Randomness without hidden state: each use derives its seed from the run's seed and its place.

A resumed run draws what the unbroken one would have drawn because nothing has to be remembered.
"""

from __future__ import annotations

import hashlib
import operator


def derive(seed: int, *place: str | int) -> int:
    """A seed in [0, 2**63) for one use, e.g. ``derive(seed, "crop", epoch, clip)``."""
    # A row number from an array is the same place as the plain int, whatever NumPy prints it as.
    plain = (str(part) if isinstance(part, str) else operator.index(part) for part in place)
    text = repr((operator.index(seed), *plain)).encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little") >> 1
