"""The spectrogram of python_speech_features, on which SeLaVi trained.

It is not ``LogMel`` with other numbers: samples as 16-bit numbers, pre-emphasis, frames without a
window and from the first sample on, filters whose edges are whole bins, so that some are empty.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from triptych.encoders.log_mel import htk_to_hz, hz_to_htk

EMPHASIS = 0.97
FULL_SCALE = 32_768.0
NOTHING = float(np.finfo(np.float64).eps)  # stands for a power of 0, below any that is not


class LogFilterBank(nn.Module):
    """Waveforms (clips, samples) in [-1, 1] to log power (clips, 1, bands, frames).

    Windows of 20 ms every 10 ms; the bands end at half the sample rate. Filters are saved with a
    model's weights.
    """

    def __init__(self, sample_rate: int, bands: int = 257) -> None:
        super().__init__()
        self.window = math.floor(0.02 * sample_rate + 0.5)
        self.hop = math.floor(0.01 * sample_rate + 0.5)
        self.fft = max(1024, 1 << (self.window - 1).bit_length())
        filters = bin_filters(sample_rate, self.fft, bands)
        self.register_buffer("filters", torch.from_numpy(filters).float())

    @property
    def least(self) -> int:
        """The fewest samples it takes."""
        return self.window

    def forward(self, x: Tensor) -> Tensor:
        """Natural logarithms, in float32 whatever the autocast; the last frame is filled with 0."""
        with torch.autocast(x.device.type, enabled=False):
            x = x.float() * FULL_SCALE
            x = torch.cat([x[:, :1], x[:, 1:] - EMPHASIS * x[:, :-1]], 1)
            steps = -(-(x.shape[1] - self.window) // self.hop)
            x = F.pad(x, (0, steps * self.hop + self.window - x.shape[1]))
            frames = x.unfold(1, self.window, self.hop)
            power = torch.fft.rfft(frames, self.fft).abs().square() / self.fft
            bands = power @ self.get_buffer("filters").T
            bands = torch.where(bands == 0, NOTHING, bands)
            return torch.log(bands).transpose(1, 2).unsqueeze(1)


def bin_filters(sample_rate: int, fft: int, bands: int) -> npt.NDArray[np.float64]:
    """HTK's triangles with edges on whole FFT bins, shape (bands, fft // 2 + 1)."""
    mels = np.linspace(0, hz_to_htk(np.array(sample_rate / 2)), bands + 2)
    edges = np.floor((fft + 1) * htk_to_hz(mels) / sample_rate)[:, None]
    bins = np.arange(fft // 2 + 1)[None]
    left, centre, right = edges[:-2], edges[1:-1], edges[2:]
    # Where two edges are one bin there is no slope between them, and no bin that lies on it.
    rising = (bins - left) / np.maximum(centre - left, 1)
    falling = (right - bins) / np.maximum(right - centre, 1)
    return np.where(
        (bins >= left) & (bins < centre),
        rising,
        np.where((bins >= centre) & (bins < right), falling, 0.0),
    )
