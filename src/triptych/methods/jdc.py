"""JDC: one clustering of all modalities' projections, and one head on all of them."""

from __future__ import annotations

from triptych.methods.method import Cluster, Method, Teach, several

JOINT = "joint"
WIDTH = 512  # of each projection: 1024 -> 512 in the paper, which has two of them


def method(modalities: tuple[str, ...]) -> Method:
    """Joint deep clustering (Rai et al., 2020, section 3.2.2).

    A linear layer behind every encoder gives 512 numbers, half of the paper's features. They are
    clustered side by side, each L2-normalised before, of which the paper says nothing; one head on
    all of them as they are learns the clusters, so that its gradient reaches every encoder. The
    layers learn with the encoders and outlive the head. A clip that lacks a modality is in no joint
    cluster and teaches nobody. (The release of JDC cannot run, and no table reports it.)
    """
    several("jdc", modalities)
    return Method(
        name="jdc",
        modalities=modalities,
        clusters=(Cluster(JOINT, of=modalities, projected=True),),
        teaches=(Teach(cluster=JOINT, student=modalities),),
        projection=WIDTH,
    )
