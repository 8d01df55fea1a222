"""The spectrogram of DAVEnet (Harwath et al., ECCV 2018), as AVLnet and MCN made it.

It is not ``LogMel`` with other numbers: the mean of the sound is taken off, high frequencies are
raised, the window is Hamming's, and levels are in decibels below the loudest one.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from triptych.encoders.log_mel import MelScale, mel_filters

EMPHASIS = 0.97
RANGE = 80.0  # dB below the loudest level at which all is cut off
LEAST = 1e-10  # power of a band
TO_DECIBELS = 10 / math.log(10)


class RelativeMel(nn.Module):
    """Waveforms (clips, samples) to log-mel power (clips, 1, bands, frames), and frames of sound.

    Windows of 25 ms every 10 ms, centred on samples 0, hop, 2 hop ..., the ends mirrored. Window
    and filters are saved with a model's weights.
    """

    def __init__(self, sample_rate: int, bands: int = 40) -> None:
        super().__init__()
        self.hop = round(0.010 * sample_rate)
        self.fft = round(0.025 * sample_rate)
        scale = MelScale(
            sample_rate, self.fft, self.fft, self.hop, bands, low=20.0, high=sample_rate / 2
        )
        self.register_buffer("window", torch.hamming_window(self.fft, periodic=False))
        self.register_buffer("filters", torch.from_numpy(mel_filters(scale)).float())

    @property
    def least(self) -> int:
        """The fewest samples it takes: the mirrored end of the first frame needs so many."""
        return self.fft // 2 + 1

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Natural logarithms, in float32 whatever the autocast, and how many frames have sound.

        Zeros at the end of a clip are no sound: int64 (clips,) frames are centred before them, at
        least one.
        """
        with torch.autocast(x.device.type, enabled=False):
            x = x.float()
            place = torch.arange(1, x.shape[1] + 1, device=x.device)
            length = torch.where(x != 0, place, 0).amax(1).clamp(min=1)
            sounds = place <= length[:, None]
            x = (x - x.sum(1, keepdim=True) / length[:, None]) * sounds
            x = torch.cat([x[:, :1], x[:, 1:] - EMPHASIS * x[:, :-1]], 1) * sounds
            window = self.get_buffer("window")
            spectrum = torch.stft(x, self.fft, self.hop, window=window, return_complex=True)
            power = self.get_buffer("filters") @ spectrum.abs().square()
            return power.clamp(min=LEAST).log().unsqueeze(1), 1 + length // self.hop


def below_loudest(x: Tensor) -> Tensor:
    """Natural logarithms of power (clips, 1, bands, frames) to dB below each clip's highest."""
    with torch.autocast(x.device.type, enabled=False):
        x = TO_DECIBELS * (x - x.amax((1, 2, 3), keepdim=True))
        return F.threshold(x, -RANGE, -RANGE)
