"""3D ResNet-34, shortcuts of type A, as the weights of 2017: 63,339,712 parameters."""

from __future__ import annotations

from triptych.encoders.encoder import VideoInput
from triptych.encoders.resnet3d import CLIP, ResNet3d

PUBLISHED = "3D ResNet-34 weights of 3D-ResNets-PyTorch (2017)"


def build(clip: VideoInput | None = None) -> ResNet3d:
    """Features of 512 numbers; 16 frames of 112x112 at 25 per second unless ``clip`` says else."""
    return ResNet3d(clip or CLIP.input(), (3, 4, 6, 3), "A")
