"""A ResNet of 0.3 million parameters on log-mel spectrograms, for CPUs."""

from __future__ import annotations

from triptych.encoders.audio_resnet import AudioResNet
from triptych.encoders.encoder import AudioInput
from triptych.encoders.log_mel import LogMel, MelScale


def build(clip: AudioInput | None = None) -> AudioResNet:
    """Features of 256 numbers: mean and maximum over time of 128 channels."""
    clip = clip or AudioInput()
    scale = MelScale.of_rate(clip.sample_rate)
    return AudioResNet(clip, LogMel(scale), (16, 32, 64, 128), (1, 1, 1, 1), both=True)
