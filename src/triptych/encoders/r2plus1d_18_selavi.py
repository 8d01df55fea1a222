"""R(2+1)D-18 as SeLaVi trained it: torchvision's shape, 31,300,125 parameters, other pixels.

Asano et al., "Labelling Unlabelled Videos from Scratch with Multi-modal Self-supervision", NeurIPS
2020, and its release: all colours with mean .45 and deviation .225, a second of 30 frames.
"""

from __future__ import annotations

from triptych.encoders.encoder import VideoInput
from triptych.encoders.pixels import NativeClip, Preprocessing
from triptych.encoders.r2plus1d import R2Plus1D

PUBLISHED = "R(2+1)D-18 weights of SeLaVi"
PIXELS = Preprocessing(mean=(0.45, 0.45, 0.45), deviation=(0.225, 0.225, 0.225))
CLIP = NativeClip(frames=30, frame_rate=30.0, size=112)


def build(clip: VideoInput | None = None) -> R2Plus1D:
    """Features of 512 numbers; 30 frames of 112x112 at 30 per second unless ``clip`` says else."""
    return R2Plus1D(
        clip or CLIP.input(),
        (64, 128, 256, 512),
        (2, 2, 2, 2),
        stem=45,
        preprocessing=PIXELS,
        native=CLIP,
    )
