"""3D ResNet-34, shortcuts of type B, as the weights of 2020: 63,513,536 parameters."""

from __future__ import annotations

from triptych.encoders.encoder import VideoInput
from triptych.encoders.resnet3d import CLIP, ResNet3d

PUBLISHED = "3D ResNet-34 weights of 3D-ResNets-PyTorch (2020)"


def build(clip: VideoInput | None = None) -> ResNet3d:
    """Features of 512 numbers; 16 frames of 112x112 at 25 per second unless ``clip`` says else."""
    return ResNet3d(clip or CLIP.input(), (3, 4, 6, 3), "B")
