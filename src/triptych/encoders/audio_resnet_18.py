"""ResNet-18 on log-mel spectrograms, as XDC's audio encoder: 11.2 million parameters."""

from __future__ import annotations

from triptych.encoders.audio_resnet import AudioResNet
from triptych.encoders.encoder import AudioInput
from triptych.encoders.log_mel import LogMel, MelScale


def build(clip: AudioInput | None = None) -> AudioResNet:
    """Features of 512 numbers; 2 s of sound, 40 mel bands (Alwassel et al., 2020)."""
    clip = clip or AudioInput(seconds=2.0)
    scale = MelScale.of_rate(clip.sample_rate, bands=40)
    return AudioResNet(clip, LogMel(scale), (64, 128, 256, 512), (2, 2, 2, 2), both=False)
