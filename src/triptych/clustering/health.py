"""Is a clustering healthy? Figures that need no labels."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

ROWS = 8192


def used_clusters(labels: ArrayLike, k: int) -> int:
    """How many of the ``k`` clusters have at least one clip; ``labels`` [N] in [0, k)."""
    return int(np.count_nonzero(_sizes(labels, k)))


def size_entropy(labels: ArrayLike, k: int) -> float:
    """Entropy of the cluster sizes over log k: 1 when all are equal, 0 when one holds everything.

    The only cluster of k = 1 holds its fair share: 1.
    """
    if k == 1:
        return 1.0
    sizes = _sizes(labels, k)
    shares = sizes[sizes > 0] / sizes.sum()
    return max(float(-np.sum(shares * np.log(shares)) / np.log(k)), 0.0)


def effective_rank(features: NDArray[np.float32]) -> float:
    """exp of the entropy of the singular values' shares of ``features`` [N, D]: 1 to min(N, D).

    Roy and Vetterli 2007, of the matrix as it is, not centred: features that are one constant
    vector plus a little noise have collapsed, and this is then near 1. All zeros give 1.
    """
    gram = np.zeros((features.shape[1],) * 2)
    for start in range(0, len(features), ROWS):
        rows = features[start : start + ROWS].astype(np.float64)
        gram += rows.T @ rows
    values = np.sqrt(np.clip(np.linalg.eigvalsh(gram), 0, None))
    if values.sum() == 0:
        return 1.0
    shares = values[values > 0] / values.sum()
    return float(np.exp(-np.sum(shares * np.log(shares))))


def _sizes(labels: ArrayLike, k: int) -> NDArray[np.int64]:
    found = np.asarray(labels)
    if not len(found) or found.min() < 0 or found.max() >= k:
        raise ValueError(f"labels must be [N] with N > 0 and lie in [0, {k})")
    return np.bincount(found, minlength=k).astype(np.int64)
