"""I3D on RGB: 12,287,264 parameters, 12,697,264 with its classifier, pixels in [-1, 1]."""

from __future__ import annotations

from triptych.encoders.encoder import VideoInput
from triptych.encoders.inflated import CLIP, I3d
from triptych.encoders.pixels import Preprocessing

PUBLISHED = "I3D weights of pytorch-i3d"
PIXELS = Preprocessing(scale=2 / 255, mean=(1.0, 1.0, 1.0))


def build(clip: VideoInput | None = None) -> I3d:
    """Features of 1024 numbers; 64 frames of 224x224 at 25 per second unless ``clip`` says else."""
    return I3d(clip or CLIP.input(), PIXELS)
