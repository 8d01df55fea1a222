"""R(2+1)D-18 in torchvision's shape: 31.3 million parameters without its classifier."""

from __future__ import annotations

from triptych.encoders.encoder import VideoInput
from triptych.encoders.r2plus1d import R2Plus1D


def build(clip: VideoInput | None = None) -> R2Plus1D:
    """Features of 512 numbers; 16 frames of 112x112 at 15 per second unless ``clip`` says else."""
    clip = clip or VideoInput(frames=16, frame_rate=15.0, size=112)
    return R2Plus1D(clip, (64, 128, 256, 512), (2, 2, 2, 2), stem=45)
