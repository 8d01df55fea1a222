"""MCN: one space in which the modalities of a clip meet, at the centroid of clips like it."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from typing import TYPE_CHECKING

from triptych.methods.method import Cluster, Joint, Method, Pair, Step, Teach, several

if TYPE_CHECKING:
    from torch import Tensor

FUSED = "fused"


def method(modalities: tuple[str, ...]) -> Method:
    """Multimodal Clustering Networks (Chen et al., ICCV 2021) as the paper means them.

    Open there and decided here: docs/methods.md, "One space for all".
    """
    several("mcn", modalities)
    return Method(
        name="mcn",
        modalities=modalities,
        clusters=(Cluster(FUSED, of=modalities, over="queue"),),
        teaches=tuple(Teach(cluster=FUSED, student=name) for name in modalities),
        pairs=tuple(Pair(one, other) for one, other in combinations(modalities, 2)),
        joint=Joint(
            ("margin softmax", "centroids", "reconstruction"),
            margin=0.001,
            unit=True,
            temperature=0.1,
            warmup=0.25,
            rebuilds="embeddings",
        ),
        loss=loss,
        heads="keep",
    )


def loss(step: Step) -> Mapping[str, Tensor]:
    """Equation 1, with the sign of equation 8 such that errors are bad."""
    return {**contrast(step), **towards_centroids(step), **reconstructions(step)}


def contrast(step: Step) -> dict[str, Tensor]:
    """Equation 2: every pair of modalities, among the clips that have both."""
    from triptych.objectives.margin_softmax import margin_softmax

    return {
        pair.term: margin_softmax(step.similarities(pair), step.meeting.margin)
        for pair in step.method.pairs
    }


def towards_centroids(
    step: Step, *, everywhere: bool = False, weight: float = 1.0
) -> dict[str, Tensor]:
    """Equation 7: every modality to the centroid of what its clip is with all it has."""
    from triptych.objectives.centroids import centroid_contrast

    centroids, terms = step.centroids(FUSED), {}
    if centroids is None or not step.meeting.cluster:
        return {}
    for edge in step.method.teaches:
        (student,) = edge.students
        term = centroid_contrast(
            step.embeddings(student),
            centroids,
            step.labels(edge),
            margin=step.meeting.margin,
            everywhere=everywhere,
            temperature=step.meeting.temperature,
        )
        terms[f"{student}_centroid"] = step.meeting.cluster * weight * term
    return terms


def reconstructions(step: Step, *, mean: bool = False, weight: float = 1.0) -> dict[str, Tensor]:
    """Equation 9: of every modality."""
    from triptych.objectives.reconstruction import reconstruction

    if not step.meeting.reconstruct:
        return {}
    return {
        f"{name}_rebuilt": step.meeting.reconstruct
        * weight
        * reconstruction(*step.rebuilt(name), mean=mean)
        for name in step.method.modalities
    }
