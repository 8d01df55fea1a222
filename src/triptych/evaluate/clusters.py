"""Clusters against labels; the clusters never saw the labels, so there is nothing to train."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from triptych.clustering.agreement import ami, ari, entropy, hungarian_accuracy, nmi, purity
from triptych.errors import UserError
from triptych.evaluate import bootstrap
from triptych.evaluate.evaluator import Measure, Outcome, interval_protocol
from triptych.evaluate.folds import Strings

DRAWS = 500

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
    lowest, highest = (-1.0, 1.0) if metric in SIGNED else (0.0, 1.0)
    if metric in IN_NATS:
        highest = math.log(len(np.unique(truth)))
    # Laid around the value, an interval may reach beyond what the measure can be.
    return bootstrap.Interval(drawn.value, max(drawn.low, lowest), min(drawn.high, highest))
