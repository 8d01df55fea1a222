"""Encoders of features that a frozen network has made and stored: they leave them as they are."""

from __future__ import annotations

from torch import Tensor

from triptych.encoders.encoder import Encoder, FeatureInput


class Stored(Encoder):
    """Features as they are stored; nothing to learn. ``clip`` says which."""

    input: FeatureInput

    def __init__(self, clip: FeatureInput) -> None:
        super().__init__()
        self.input = clip
        self.dim = clip.dim

    def forward(self, x: Tensor) -> Tensor:
        """The same numbers, (clips, dim)."""
        return x


class StoredVideo(Stored):
    """Stored features of pictures."""

    modality = "video"


class StoredAudio(Stored):
    """Stored features of sound."""

    modality = "audio"
