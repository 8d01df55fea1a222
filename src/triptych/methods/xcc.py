"""XCC: video learns from its own clusters, and is drawn to the words or sounds of the same clip."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from triptych.methods.method import Cluster, Contrast, Method, Step, Teach, pseudo_labels, several

if TYPE_CHECKING:
    from torch import Tensor

WIDTH = 512  # of the space in which modalities are compared


def method(modalities: tuple[str, ...]) -> Method:
    """Cross-modal contrastive deep clustering (Rai et al., 2020, section 3.2.2, equations 3, 4).

    The first modality, in the paper video, is the anchor: its own clusters are its labels. The
    clusters of the others are nobody's labels; they say which clips are negatives.
    """
    several("xcc", modalities)
    anchor, *others = modalities
    return Method(
        name="xcc",
        modalities=modalities,
        clusters=tuple(Cluster(name, of=(name,)) for name in modalities),
        teaches=(Teach(cluster=anchor, student=anchor),),
        contrasts=tuple(Contrast(anchor, other, apart=other) for other in others),
        projection=WIDTH,
        loss=loss,
    )


def loss(step: Step) -> Mapping[str, Tensor]:
    """Equation 4: alpha cross-entropy + (1 - alpha) triplet, the latter's mean over the pairs."""
    from triptych.objectives.triplet import triplet

    settings, contrasts = step.triplets, step.method.contrasts
    terms = {name: settings.alpha * term for name, term in pseudo_labels(step).items()}
    for contrast in contrasts:
        both = step.present(contrast.anchor) & step.present(contrast.other)
        term = triplet(
            step.projections(contrast.anchor),
            step.projections(contrast.other),
            step.clusters(contrast.apart).masked_fill(~both, -1),
            margin=settings.margin,
            negatives=settings.negatives,
            unit=settings.unit,
        )
        terms[contrast.term] = (1 - settings.alpha) * term / len(contrasts)
    return terms
