"""How well two labellings of the same clips agree. Labels may be ids or names; shapes are [N].

With C the table of counts, p a row or column share: mutual information, entropies in nats.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import linear_sum_assignment
from scipy.special import gammaln

Counts = NDArray[np.int64]


def contingency(clusters: ArrayLike, labels: ArrayLike) -> Counts:
    """Counts [clusters in use, labels in use] of clips in each pair."""
    left, right = np.asarray(clusters), np.asarray(labels)
    if left.shape != right.shape or left.ndim != 1 or not len(left):
        raise ValueError(f"labellings must be [N] with N > 0, not {left.shape} and {right.shape}")
    first, rows = np.unique(left, return_inverse=True)
    second, columns = np.unique(right, return_inverse=True)
    pairs = np.bincount(rows * len(second) + columns, minlength=len(first) * len(second))
    return pairs.reshape(len(first), len(second)).astype(np.int64)


def nmi(clusters: ArrayLike, labels: ArrayLike) -> float:
    """Mutual information over the arithmetic mean of the two entropies: 0 to 1.

    Two labellings that are both constant agree: 1.
    """
    counts = contingency(clusters, labels)
    if counts.size == 1:
        return 1.0
    return _ratio(_information(counts), _mean_entropy(counts))


def ami(clusters: ArrayLike, labels: ArrayLike) -> float:
    """NMI less what chance gives, arithmetic mean (Vinh, Epps and Bailey 2010): 0 by chance."""
    counts = contingency(clusters, labels)
    if counts.size == 1 or (counts.shape == (counts.sum(),) * 2):
        return 1.0
    chance = _expected_information(counts.sum(1), counts.sum(0))
    above = _mean_entropy(counts) - chance
    # Where chance already reaches the most there can be, rounding must not decide the sign.
    above = max(above, np.finfo(float).eps) if above >= 0 else min(above, -np.finfo(float).eps)
    return float((_information(counts) - chance) / above)


def ari(clusters: ArrayLike, labels: ArrayLike) -> float:
    """Rand index less what chance gives (Hubert and Arabie 1985): 0 by chance, 1 when equal."""
    counts = contingency(clusters, labels)
    both, rows, columns = (_pairs(part) for part in (counts, counts.sum(1), counts.sum(0)))
    chance = rows * columns / max(_pairs(counts.sum()), 1)
    most = (rows + columns) / 2
    return 1.0 if most == chance else float((both - chance) / (most - chance))


def purity(clusters: ArrayLike, labels: ArrayLike, *, weighted: bool = True) -> float:
    """Share of each cluster's commonest label, averaged over clips, or over clusters in use."""
    counts = contingency(clusters, labels)
    shares = counts.max(1) / counts.sum(1)
    return float(np.average(shares, weights=counts.sum(1) if weighted else None))


def entropy(clusters: ArrayLike, labels: ArrayLike, *, weighted: bool = True) -> float:
    """Entropy in nats of the labels in a cluster, averaged over clips, or over clusters in use."""
    counts = contingency(clusters, labels)
    each = [_entropy(row) for row in counts]
    return float(np.average(each, weights=counts.sum(1) if weighted else None))


def hungarian_accuracy(clusters: ArrayLike, labels: ArrayLike) -> float:
    """Share of clips right under the best one-to-one match of clusters to labels.

    With more clusters than labels the clips of unmatched clusters count as wrong; with fewer, the
    clips of unmatched labels do.
    """
    counts = contingency(clusters, labels)
    matched: tuple[Any, Any] = linear_sum_assignment(counts, maximize=True)
    return float(counts[matched].sum() / counts.sum())


def _information(counts: Counts) -> float:
    total = counts.sum()
    rows, columns = np.nonzero(counts)
    joint = counts[rows, columns]
    outer = counts.sum(1)[rows].astype(float) * counts.sum(0)[columns]
    found = np.sum(joint / total * (np.log(joint) + np.log(total) - np.log(outer)))
    return max(float(found), 0.0)


def _entropy(counts: Counts) -> float:
    shares = counts[counts > 0] / counts.sum()
    return max(float(-np.sum(shares * np.log(shares))), 0.0)


def _mean_entropy(counts: Counts) -> float:
    return (_entropy(counts.sum(1)) + _entropy(counts.sum(0))) / 2


def _ratio(part: float, whole: float) -> float:
    return min(part / whole, 1.0) if whole > 0 else 0.0


def _pairs(counts: Counts) -> float:
    wide = np.asarray(counts, dtype=float)
    return float(np.sum(wide * (wide - 1)) / 2)


def _expected_information(rows: Counts, columns: Counts) -> float:
    """Mean mutual information of two random labellings with these sizes (Vinh 2010, eq. 24a)."""
    total = int(rows.sum())
    expected = 0.0
    # Each pair of distinct sizes once: labels come in few sizes, clusters in few more.
    left, left_times = np.unique(rows, return_counts=True)
    right, right_times = np.unique(columns, return_counts=True)
    for a, a_times in zip(left.tolist(), left_times.tolist(), strict=True):
        for b, b_times in zip(right.tolist(), right_times.tolist(), strict=True):
            shared = np.arange(max(1, a + b - total), min(a, b) + 1)
            chance = np.exp(_log_hypergeometric(shared, a, b, total))
            gain = shared / total * (np.log(shared) + np.log(total) - np.log(a) - np.log(b))
            expected += a_times * b_times * float(np.sum(chance * gain))
    return expected


def _log_hypergeometric(shared: Counts, a: int, b: int, total: int) -> NDArray[np.float64]:
    def choose(n: float, k: NDArray[np.int64] | float) -> Any:
        return gammaln(n + 1) - gammaln(np.asarray(k) + 1) - gammaln(n - np.asarray(k) + 1)

    chance: NDArray[np.float64] = (
        choose(a, shared) + choose(total - a, b - shared) - choose(total, b)
    )
    return chance
