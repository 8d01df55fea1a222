"""The count sketch: long vectors to short ones with about the same inner products."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from triptych.descriptors.sample import Floats
from triptych.seeds import derive


@dataclass(frozen=True)
class CountSketch:
    """Each number of a vector is added to, or taken from, one of ``size`` buckets.

    As the program of Tokmakov et al. 2020 draws them: the buckets are random permutations one
    after another, so that their fillings differ by at most one, and half of the signs are
    negative. The program multiplies by a dense float64 matrix [d, size]; this is that matrix, by
    the one entry of each row that is not zero.

    Over seeds, the inner product of two sketches is that of the vectors, but for less than
    1/size of the product of their lengths: balanced signs are a little less than independent.
    """

    size: int
    buckets: NDArray[Any]  # [d], int16 (int32 for sizes beyond 32767), each in [0, size)
    signs: NDArray[np.int8]  # [d], -1 or 1

    @classmethod
    def draw(cls, dim: int, size: int, seed: int) -> CountSketch:
        """The sketch of vectors of ``dim`` numbers to ``size``, decided by ``seed``."""
        random = np.random.default_rng(derive(seed, "count sketch"))
        kind = np.int16 if size <= np.iinfo(np.int16).max else np.int32
        rounds = [random.permutation(size).astype(kind) for _ in range(-(-dim // size))]
        signs = np.ones(dim, np.int8)
        signs[: dim // 2] = -1
        return cls(size, np.concatenate(rounds)[:dim], random.permutation(signs))

    def apply(self, vectors: Floats) -> Floats:
        """Float32 [..., d] to [..., size], added up in float64."""
        flat = vectors.reshape(-1, len(self.buckets))
        out = np.empty((len(flat), self.size), np.float32)
        for row, vector in enumerate(flat):
            out[row] = np.bincount(self.buckets, vector * self.signs, self.size)
        return out.reshape(*vectors.shape[:-1], self.size)
