"""MC3-18 in torchvision's shape: 11,490,240 parameters, 11,695,440 with its classifier.

Only the stem and the first stage look along time, and nothing strides it.
"""

from __future__ import annotations

from triptych.encoders.encoder import VideoInput
from triptych.encoders.video_resnet import FLAT, FULL, TORCHVISION_CLIP, VideoResNet, full_stem

PUBLISHED = "MC3-18 weights of torchvision"


def build(clip: VideoInput | None = None) -> VideoResNet:
    """Features of 512 numbers; 16 frames of 112x112 at 15 per second unless ``clip`` says else."""
    kinds = [FULL, FLAT, FLAT, FLAT]
    return VideoResNet(clip or TORCHVISION_CLIP.input(), full_stem(), kinds)
