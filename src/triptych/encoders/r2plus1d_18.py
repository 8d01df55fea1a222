"""R(2+1)D-18 in torchvision's shape: 31,300,125 parameters, 31,505,325 with its classifier."""

from __future__ import annotations

from triptych.encoders.encoder import VideoInput
from triptych.encoders.r2plus1d import R2Plus1D
from triptych.encoders.video_resnet import TORCHVISION_CLIP

PUBLISHED = "R(2+1)D-18 weights of torchvision"


def build(clip: VideoInput | None = None) -> R2Plus1D:
    """Features of 512 numbers; 16 frames of 112x112 at 15 per second unless ``clip`` says else."""
    clip = clip or TORCHVISION_CLIP.input()
    return R2Plus1D(clip, (64, 128, 256, 512), (2, 2, 2, 2), stem=45, native=TORCHVISION_CLIP)
