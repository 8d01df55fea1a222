"""DAVEnet with a quarter of the channels, 2.8 million parameters, for CPUs."""

from __future__ import annotations

from triptych.encoders.davenet import CLIP, Davenet
from triptych.encoders.encoder import AudioInput


def build(clip: AudioInput | None = None) -> Davenet:
    """Features of 256 numbers; 10 s of sound at 16 kHz unless ``clip`` says else."""
    return Davenet(clip or CLIP, (32, 64, 128, 256))
