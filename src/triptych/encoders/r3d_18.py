"""R3D-18 in torchvision's shape: 33,166,272 parameters, 33,371,472 with its classifier."""

from __future__ import annotations

from triptych.encoders.encoder import VideoInput
from triptych.encoders.video_resnet import FULL, TORCHVISION_CLIP, VideoResNet, full_stem

PUBLISHED = "R3D-18 weights of torchvision"


def build(clip: VideoInput | None = None) -> VideoResNet:
    """Features of 512 numbers; 16 frames of 112x112 at 15 per second unless ``clip`` says else."""
    return VideoResNet(clip or TORCHVISION_CLIP.input(), full_stem(), [FULL] * 4)
