"""What single clusters hold: counts of labels, purity and entropy, and what chance would give."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import entr

Numbers = NDArray[np.int64]
Floats = NDArray[np.float64]

DRAWS = 1000


@dataclass(frozen=True)
class Chance:
    """What shuffled labels give clusters of the same sizes, means over the shuffles."""

    purity: Floats  # (k,): the share of the most frequent label; 0 of an empty cluster
    purest: float  # of the clusters that are ranked, that with the highest purity
    least_pure: float  # and that with the lowest


def tally(clusters: Numbers, labels: Numbers, k: int, classes: int) -> Numbers:
    """Clips of each label in each cluster, (k, classes), from numbers (clips,) of both."""
    flat = np.bincount(clusters * classes + labels, minlength=k * classes)
    return flat.reshape(k, classes).astype(np.int64)


def purities(counts: Numbers) -> Floats:
    """The share of the most frequent label in each cluster, (k,); 0 of an empty one."""
    return np.asarray(counts.max(1) / np.maximum(counts.sum(1), 1), np.float64)


def entropies(counts: Numbers) -> Floats:
    """Entropy in nats of the labels in each cluster, (k,); 0 of an empty one."""
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    return np.asarray(entr(shares).sum(1), np.float64)


def least_size(clips: int, k: int, fewest: int = 5) -> int:
    """How many clips a cluster needs to be ranked: half of the mean size, at least ``fewest``.

    A cluster of one clip is pure by accident, one of three easily so.
    """
    return max(fewest, -(-clips // (2 * k)))


def by_chance(
    counts: Numbers, ranked: NDArray[np.bool_], *, seed: int, draws: int = DRAWS
) -> Chance:
    """Shuffle the labels ``draws`` times over clusters of the sizes in ``counts`` (k, classes).

    A cluster then is a random draw of its size, without replacement, from all clips. ``ranked``
    (k,) says which clusters compete for the highest and the lowest purity: the highest of many is
    high by chance alone, which the mean of one cluster does not show.
    """
    k, classes = counts.shape
    clusters = np.repeat(np.arange(k), counts.sum(1))
    labels = np.repeat(np.arange(classes), counts.sum(0))
    draw = np.random.default_rng(seed)
    total, highest, lowest = np.zeros(k), 0.0, 0.0
    some = bool(ranked.any())
    for _ in range(draws):
        found = purities(tally(clusters, draw.permutation(labels), k, classes))
        total += found
        if some:
            highest += found[ranked].max()
            lowest += found[ranked].min()
    return Chance(total / draws, highest / draws, lowest / draws)
