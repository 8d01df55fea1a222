"""CDC: all modalities learn from one clustering of their features side by side."""

from __future__ import annotations

from triptych.methods.method import Cluster, Method, Teach, several

JOINT = "joint"


def method(modalities: tuple[str, ...]) -> Method:
    """Concatenation deep clustering (Alwassel et al., 2020, section 3).

    Each modality's features are L2-normalised before they are joined, so that their lengths do not
    decide; those that vary more still count for more. A clip that lacks a modality is in no joint
    cluster and teaches nobody.
    """
    several("cdc", modalities)
    return Method(
        name="cdc",
        modalities=modalities,
        clusters=(Cluster(JOINT, of=modalities),),
        teaches=tuple(Teach(cluster=JOINT, student=student) for student in modalities),
    )
