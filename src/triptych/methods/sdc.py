"""SDC: each modality learns from its own clusters (DeepCluster on video, sound or words)."""

from __future__ import annotations

from triptych.methods.method import Cluster, Method, Teach


def method(modalities: tuple[str, ...]) -> Method:
    """Single-modality deep clustering of every modality, side by side (XDC's baseline)."""
    return Method(
        name="sdc",
        modalities=modalities,
        clusters=tuple(Cluster(name, of=(name,)) for name in modalities),
        teaches=tuple(Teach(cluster=name, student=name) for name in modalities),
    )
