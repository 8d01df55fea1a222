"""ResNet-9 on log filter banks, as SeLaVi's audio encoder: 4,899,520 parameters."""

from __future__ import annotations

from triptych.encoders.audio_resnet import AudioResNet
from triptych.encoders.encoder import AudioInput
from triptych.encoders.log_filter_bank import LogFilterBank

PUBLISHED = "audio ResNet-9 weights of SeLaVi"
CLIP = AudioInput(sample_rate=24_000, seconds=1.0)


def build(clip: AudioInput | None = None) -> AudioResNet:
    """Features of 512 numbers; 1 s of sound at 24 kHz, 257 bands (Asano et al., 2020)."""
    clip = clip or CLIP
    front = LogFilterBank(clip.sample_rate)
    return AudioResNet(
        clip, front, (64, 128, 256, 512), (1, 1, 1, 1), both=False, norm=False, native=CLIP
    )
