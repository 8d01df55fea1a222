"""A R(2+1)D of 0.8 million parameters for CPUs: one block a stage, a quarter of the widths."""

from __future__ import annotations

from triptych.encoders.encoder import VideoInput
from triptych.encoders.r2plus1d import R2Plus1D


def build(clip: VideoInput | None = None) -> R2Plus1D:
    """Features of 128 numbers from 8 (or 16) frames of 64x64."""
    return R2Plus1D(clip or VideoInput(), (16, 32, 64, 128), (1, 1, 1, 1), stem=12)
