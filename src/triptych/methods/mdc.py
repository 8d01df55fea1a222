"""MDC: each modality learns from its own clusters and from those of the others."""

from __future__ import annotations

from triptych.methods.method import Cluster, Method, Teach, several


def method(modalities: tuple[str, ...]) -> Method:
    """Multi-head deep clustering (Alwassel et al., 2020, section 3): a head for every clustering.

    All terms weigh the same. With three modalities, which are ours, each encoder has three heads.
    """
    several("mdc", modalities)
    return Method(
        name="mdc",
        modalities=modalities,
        clusters=tuple(Cluster(name, of=(name,)) for name in modalities),
        teaches=tuple(
            Teach(cluster=teacher, student=student)
            for student in modalities
            for teacher in modalities
        ),
    )
