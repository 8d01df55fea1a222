"""Randomness without hidden state: each use derives its seed from the run's seed and its place.

A resumed run draws what the unbroken one would have drawn because nothing has to be remembered.
"""

from __future__ import annotations

import hashlib


def derive(seed: int, *place: str | int) -> int:
    """A seed in [0, 2**63) for one use, e.g. ``derive(seed, "crop", epoch, clip)``."""
    text = repr((seed, *place)).encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little") >> 1
