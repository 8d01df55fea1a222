"""Clusters against labels; the clusters never saw the labels, so there is nothing to train."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from triptych.clustering.agreement import ami, ari, entropy, hungarian_accuracy, nmi, purity
from triptych.clustering.kmeans import kmeans
from triptych.clustering.whiten import Whitening
from triptych.errors import UserError
from triptych.evaluate import bootstrap
from triptych.evaluate.evaluator import (
    Examples,
    Floats,
    Measure,
    Outcome,
    interval_protocol,
)
from triptych.evaluate.folds import Strings

DRAWS = 500
COMPONENTS, STARTS = 64, 4

METRICS: dict[str, Callable[..., float]] = {
    "nmi": nmi,
    "ami": ami,
    "ari": ari,
    "purity": purity,
    "purity_mean_of_clusters": lambda found, truth: purity(found, truth, weighted=False),
    "entropy": entropy,
    "entropy_mean_of_clusters": lambda found, truth: entropy(found, truth, weighted=False),
    "hungarian_accuracy": hungarian_accuracy,
}

SIGNED = ("ami", "ari")  # below 0 where chance would agree better
IN_NATS = ("entropy", "entropy_mean_of_clusters")


def compare(
    clusters: NDArray[np.int64], labels: Strings, groups: Strings, seed: int, draws: int = DRAWS
) -> Outcome:
    """Score ``clusters`` [N] against ``labels`` [N]; clips of cluster -1 are left out, counted."""
    placed = clusters >= 0
    if not placed.any():
        raise UserError(
            f"none of the {len(clusters)} labelled clips is in a cluster; run `triptych cluster` "
            "on these embeddings first"
        )
    found, sources = clusters[placed], groups[placed]
    # As numbers: every draw sorts them for every measure.
    classes, truth = np.unique(labels[placed], return_inverse=True)
    if len(classes) == 1:
        raise UserError(
            f"labels: all {len(truth)} clips are {str(classes[0])!r}, so there is nothing that "
            "clusters could tell apart; give labels of two classes or more"
        )
    measures = [
        Measure(metric, *_interval(metric, found, truth, sources, seed, draws), len(found))
        for metric in METRICS
    ]
    protocol = {
        "n": len(found),
        "n_without_cluster": int(np.count_nonzero(~placed)),
        "n_clusters": len(np.unique(found)),
        "n_classes": len(classes),
        "nmi": "arithmetic mean of the entropies; ami likewise, less what chance gives",
        "purity": "over clips; *_mean_of_clusters: each cluster in use counts once",
        "entropy": "nats; of the labels within a cluster",
        "hungarian": "one cluster for one class; clips of what stays unmatched count as wrong",
        **interval_protocol(sources, draws),
        "interval_place": "spread of the draws about their mean, laid around the value",
    }
    names = np.where(placed, clusters.astype(str), "")
    return Outcome(measures, names, protocol)


def cluster_features(features: Floats, count: int, seed: int) -> NDArray[np.int64]:
    """``count`` clusters of ``features`` [N, D]: k-means on whitened features of unit length."""
    units = Whitening.fit(features, COMPONENTS).apply(features)
    labels: NDArray[np.int64] = kmeans(units, count, seed=seed, starts=STARTS).labels
    return labels


@dataclass(frozen=True)
class FeatureClusters:
    """As many clusters of the features as there are classes, against the labels.

    All labelled examples are clustered, whatever fold or part they are of: no label is seen.
    """

    draws: int = DRAWS
    name: str = "clusters"

    def __call__(self, examples: Examples, seed: int) -> Outcome:
        """Evaluate; ``predictions`` are cluster numbers, "" where there is no vector."""
        usable = examples.usable()
        classes = len(np.unique(usable.labels))
        clusters = cluster_features(usable.features, classes, seed)
        outcome = compare(clusters, usable.labels, usable.groups, seed, self.draws)
        every = np.full(len(examples.labels), "", dtype=object)
        every[examples.present] = outcome.predictions
        protocol = {
            "clusters": "k-means, as many clusters as classes, of all labelled clips",
            "normalisation": f"whitened to at most {COMPONENTS} directions, unit length",
            "starts": STARTS,
            "n_without_vector": int(np.count_nonzero(~examples.present)),
            **outcome.protocol,
        }
        return Outcome(outcome.measures, every.astype(str), protocol)


def bounds(metric: str, classes: int) -> tuple[float, float]:
    """The least and the most that a measure can be; ``classes`` is how many labels there are."""
    if metric in IN_NATS:
        return 0.0, math.log(classes)
    return (-1.0, 1.0) if metric in SIGNED else (0.0, 1.0)


def _interval(
    metric: str,
    found: NDArray[np.int64],
    truth: NDArray[np.int64],
    groups: Strings,
    seed: int,
    draws: int,
) -> bootstrap.Interval:
    score = METRICS[metric]
    drawn = bootstrap.agreement(lambda rows: score(found[rows], truth[rows]), groups, seed, draws)
    lowest, highest = bounds(metric, len(np.unique(truth)))
    # Laid around the value, an interval may reach beyond what the measure can be.
    return bootstrap.Interval(drawn.value, max(drawn.low, lowest), min(drawn.high, highest))
