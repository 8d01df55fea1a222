"""How well two labellings of the same clips agree. Labels may be ids or names; shapes are [N]."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import linear_sum_assignment
from scipy.special import entr
from sklearn.metrics import (
    adjusted_mutual_info_score,
    adjusted_rand_score,
    normalized_mutual_info_score,
)
from sklearn.metrics.cluster import contingency_matrix

Counts = NDArray[np.int64]


def contingency(clusters: ArrayLike, labels: ArrayLike) -> Counts:
    """Counts [clusters in use, labels in use] of clips in each pair."""
    counts: Counts = contingency_matrix(*_pair(clusters, labels))
    return counts


def nmi(clusters: ArrayLike, labels: ArrayLike) -> float:
    """Mutual information over the arithmetic mean of the two entropies: 0 to 1.

    Two labellings that are both constant agree: 1.
    """
    return min(_scikit(normalized_mutual_info_score, clusters, labels), 1.0)


def ami(clusters: ArrayLike, labels: ArrayLike) -> float:
    """NMI less what chance gives, arithmetic mean (Vinh, Epps and Bailey 2010): 0 by chance."""
    return _scikit(adjusted_mutual_info_score, clusters, labels)


def ari(clusters: ArrayLike, labels: ArrayLike) -> float:
    """Rand index less what chance gives (Hubert and Arabie 1985): 0 by chance, 1 when equal."""
    return _scikit(adjusted_rand_score, clusters, labels)


def purity(clusters: ArrayLike, labels: ArrayLike, *, weighted: bool = True) -> float:
    """Share of each cluster's commonest label, averaged over clips, or over clusters in use."""
    counts = contingency(clusters, labels)
    shares = counts.max(1) / counts.sum(1)
    return float(np.average(shares, weights=counts.sum(1) if weighted else None))


def entropy(clusters: ArrayLike, labels: ArrayLike, *, weighted: bool = True) -> float:
    """Entropy in nats of the labels in a cluster, averaged over clips, or over clusters in use."""
    counts = contingency(clusters, labels)
    sizes = counts.sum(1)
    each = entr(counts / sizes[:, None]).sum(1)
    return float(np.average(each, weights=sizes if weighted else None))


def hungarian_accuracy(clusters: ArrayLike, labels: ArrayLike) -> float:
    """Share of clips right under the best one-to-one match of clusters to labels.

    With more clusters than labels the clips of unmatched clusters count as wrong; with fewer, the
    clips of unmatched labels do.
    """
    counts = contingency(clusters, labels)
    matched: tuple[Any, Any] = linear_sum_assignment(counts, maximize=True)
    return float(counts[matched].sum() / counts.sum())


def _scikit(score: Any, clusters: ArrayLike, labels: ArrayLike) -> float:
    left, right = _pair(clusters, labels)
    with warnings.catch_warnings():
        # Clusters of one or two clips are no fault here, though they make scikit-learn ask whether
        # this is a regression.
        warnings.simplefilter("ignore", UserWarning)
        return float(score(left, right))


def _pair(clusters: ArrayLike, labels: ArrayLike) -> tuple[NDArray[Any], NDArray[Any]]:
    left, right = np.asarray(clusters), np.asarray(labels)
    if left.shape != right.shape or left.ndim != 1 or not len(left):
        raise ValueError(f"labellings must be [N] with N > 0, not {left.shape} and {right.shape}")
    return left, right
