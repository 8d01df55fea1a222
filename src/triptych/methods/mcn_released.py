"""MCN as its authors' program trains it, where that differs from their paper."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from typing import TYPE_CHECKING

from triptych.methods.mcn import FUSED, contrast, reconstructions, towards_centroids
from triptych.methods.method import Cluster, Joint, Method, Online, Pair, Step, Teach, several

if TYPE_CHECKING:
    from torch import Tensor

RECONSTRUCTION = 50.0


def method(modalities: tuple[str, ...]) -> Method:
    """What the released code does; its sizes and schedule are the recipe mcn_released_howto100m.

    Rows go to the centroid of the largest cosine, though the loss compares products of vectors of
    any length; a cluster that is left empty becomes a zero and stays one; every epoch begins from
    random rows. Until the queue is full a batch is clustered alone, and the queue takes one half of
    a file's clips. Sound has its gate before it is widened.
    """
    several("mcn_released", modalities)
    released = Online(cosine=True, reseed=False, early=False, anew=True, half=True)
    return Method(
        name="mcn_released",
        modalities=modalities,
        clusters=(Cluster(FUSED, of=modalities, over="queue", online=released),),
        teaches=tuple(Teach(cluster=FUSED, student=name) for name in modalities),
        pairs=tuple(Pair(one, other) for one, other in combinations(modalities, 2)),
        joint=Joint(
            ("margin softmax", "centroids / number of modalities", "reconstruction x 50"),
            margin=0.001,
            narrow=tuple(name for name in modalities if name == "audio"),
            rebuilds="features",
        ),
        loss=loss,
        heads="keep",
    )


def loss(step: Step) -> Mapping[str, Tensor]:
    """The margin works in the centroid's term too, a third of which counts.

    What is rebuilt are the features that the heads get, which are drawn to what is made of them;
    the squared error is a mean over their numbers, fifty-fold.
    """
    return {
        **contrast(step),
        **towards_centroids(step, everywhere=True, weight=1 / len(step.method.modalities)),
        **reconstructions(step, mean=True, weight=RECONSTRUCTION),
    }
