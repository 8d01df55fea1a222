"""Does training work? Measures that need no labels, and the alarm when it does not."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from itertools import combinations
from typing import Any

import numpy as np

from triptych.clustering.agreement import nmi
from triptych.clustering.health import effective_rank, size_entropy
from triptych.embeddings.extract import Features
from triptych.errors import UserError
from triptych.state.assignments import Assignment

LEAST_RANK = 1.5
LEAST_ENTROPY = 0.2
NEARLY = 0.8  # of the highest score: NMI of some hundred clips varies so much by chance
RULE = (
    "the last weights whose score reached 80 % of the highest before; the score is the NMI between "
    "the clusterings of different modalities or, with one clustering, between it and the next"
)


class Collapse(UserError):
    """Training has collapsed; the message says how it shows and what to change."""


def examine(
    features: Mapping[str, Features],
    before: Mapping[str, Assignment],
    after: Mapping[str, Assignment],
    inertia: Mapping[str, float],
    compared: Collection[str] | None = None,
) -> dict[str, Any]:
    """Everything measured at a refresh, as JSON; see ``metrics.jsonl`` in docs/files.md.

    ``compared`` names the clusterings whose agreement with each other is measured, None: all.
    Labels that stay, for which ``before`` and ``after`` are the same, agree with themselves, which
    says nothing: they have no ``nmi_previous``, and no inertia is measured again.
    """
    clusterings = {}
    for name, assignment in after.items():
        known = assignment.labels >= 0
        sizes = np.bincount(assignment.labels[known], minlength=len(assignment.centroids))
        clusterings[name] = {
            "k": len(sizes),
            "used": int((sizes > 0).sum()),
            "largest": float(sizes.max() / sizes.sum()),
            "size_entropy": size_entropy(assignment.labels[known], len(sizes)),
            "inertia": inertia.get(name),
            "nmi_previous": None if before is after else _agreement(before.get(name), assignment),
        }
    return {
        "clusterings": clusterings,
        "effective_rank": {
            name: effective_rank(part.values[part.present])
            for name, part in features.items()
            if part.present.any()
        },
        "agreement": {
            f"{one}~{other}": _agreement(after[one], after[other])
            for one, other in combinations(
                [name for name in after if compared is None or name in compared], 2
            )
        },
    }


def _agreement(one: Assignment | None, other: Assignment) -> float | None:
    if one is None:
        return None
    both = (one.labels >= 0) & (other.labels >= 0)
    return float(nmi(one.labels[both], other.labels[both])) if both.sum() > 1 else None


def score(health: Mapping[str, Any]) -> float | None:
    """The label-free score by which the best checkpoint is chosen (``RULE``); None at first."""
    values = [value for value in health["agreement"].values() if value is not None]
    if not health["agreement"]:
        values = [item["nmi_previous"] for item in health["clusterings"].values()]
    return float(np.mean(values)) if values and None not in values else None


def is_best(score: float, highest: float | None) -> bool:
    """Whether weights of this score take the mark from those before (``RULE``)."""
    return highest is None or score >= NEARLY * highest


def alarm(health: Mapping[str, Any], fixed: Collection[str] = ()) -> None:
    """Raise Collapse when the features or the clusters no longer tell clips apart.

    The features of ``fixed`` modalities are what they were before: nothing has collapsed there.
    """
    for name, rank in health["effective_rank"].items():
        if name not in fixed and not rank >= LEAST_RANK:
            raise Collapse(
                f"collapse: the {name} features have effective rank {rank:.2f}, all clips look "
                "alike to the encoder; lower optimisation.rate or raise clustering.k"
            )
    for name, item in health["clusterings"].items():
        if item["size_entropy"] < LEAST_ENTROPY:
            raise Collapse(
                f"collapse: one cluster of {name} holds {item['largest']:.0%} of the clips; "
                "lower optimisation.rate, or set clustering.whiten to spread the features"
            )
