"""XDC: each modality learns from the clusters of the others (Alwassel et al., 2020)."""

from __future__ import annotations

from triptych.methods.method import Cluster, Method, Teach, several


def method(modalities: tuple[str, ...]) -> Method:
    """Cross-modal deep clustering of two modalities, or of three: each learns from the other two.

    The paper has two; three are ours, one head for each teacher.
    """
    several("xdc", modalities)
    return Method(
        name="xdc",
        modalities=modalities,
        clusters=tuple(Cluster(name, of=(name,)) for name in modalities),
        teaches=tuple(
            Teach(cluster=teacher, student=student)
            for student in modalities
            for teacher in modalities
            if teacher != student
        ),
    )
