"""Log-mel spectrograms as the first layer of an audio encoder, so that a model keeps its scale."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from triptych.errors import UserError


@dataclass(frozen=True)
class MelScale:
    """How a spectrogram is made. Lengths in samples, frequencies in hertz.

    Window and filters are saved with a model's weights. ``formula`` is "slaney" (linear below
    1 kHz, triangles of unit area) or "htk" (2595 log10(1 + f/700), triangles of unit height). The
    two are not interchangeable.
    """

    sample_rate: int = 16_000
    fft: int = 512
    window: int = 400
    hop: int = 160
    bands: int = 64
    low: float = 50.0
    high: float = 8_000.0
    formula: Literal["slaney", "htk"] = "slaney"
    floor: float = 1e-6  # added to the power before the logarithm

    @classmethod
    def of_rate(cls, sample_rate: int, bands: int = 64) -> MelScale:
        """Windows of 25 ms every 10 ms, bands up to half of ``sample_rate``."""
        window = round(0.025 * sample_rate)
        fft = 1 << (window - 1).bit_length()
        hop = round(0.010 * sample_rate)
        return cls(sample_rate, fft, window, hop, bands, high=sample_rate / 2)


class LogMel(nn.Module):
    """Waveforms (clips, samples) in [-1, 1] to log-mel power (clips, 1, bands, frames)."""

    def __init__(self, scale: MelScale) -> None:
        super().__init__()
        if scale.high > scale.sample_rate / 2:
            raise UserError(
                f"mel scale: high={scale.high:g} Hz is above half the sample rate of "
                f"{scale.sample_rate} Hz; lower it"
            )
        filters = mel_filters(scale)
        empty = int((filters.max(axis=1) == 0).sum())
        if empty:
            raise UserError(
                f"mel scale: {empty} of {scale.bands} bands are narrower than the "
                f"{scale.sample_rate / scale.fft:.1f} Hz of a frequency bin and would stay empty; "
                "take fewer bands or a longer fft"
            )
        self.scale = scale
        self.register_buffer("window", torch.hann_window(scale.window))
        self.register_buffer("filters", torch.from_numpy(filters).float())

    @property
    def least(self) -> int:
        """The fewest samples it takes: the mirrored end of the first frame needs so many."""
        return self.scale.fft // 2 + 1

    def forward(self, x: Tensor) -> Tensor:
        """Natural logarithm of mel-band power plus the floor, in float32 whatever the autocast.

        Frames are centred on samples 0, hop, 2 hop ...; the ends are mirrored.
        """
        with torch.autocast(x.device.type, enabled=False):
            spectrum = torch.stft(
                x.float(),
                self.scale.fft,
                self.scale.hop,
                self.scale.window,
                self.get_buffer("window"),
                center=True,
                return_complex=True,
            )
            power = spectrum.abs().square()
            mel = self.get_buffer("filters") @ power
            return torch.log(mel + self.scale.floor).unsqueeze(1)


def mel_filters(scale: MelScale) -> npt.NDArray[np.float64]:
    """Triangular filters over FFT bins, shape (bands, fft // 2 + 1)."""
    to_mel, to_hertz = (hz_to_slaney, slaney_to_hz)
    if scale.formula == "htk":
        to_mel, to_hertz = (hz_to_htk, htk_to_hz)
    mels = np.linspace(to_mel(np.array(scale.low)), to_mel(np.array(scale.high)), scale.bands + 2)
    edges = to_hertz(mels)[:, None]
    bins = np.fft.rfftfreq(scale.fft, 1 / scale.sample_rate)[None]
    left, centre, right = edges[:-2], edges[1:-1], edges[2:]
    rising = (bins - left) / (centre - left)
    falling = (right - bins) / (right - centre)
    filters = np.maximum(0.0, np.minimum(rising, falling))
    return filters * 2 / (right - left) if scale.formula == "slaney" else filters


def hz_to_htk(hertz: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The mel scale of HTK: 2595 log10(1 + f / 700)."""
    return 2595 * np.log10(1 + hertz / 700)


def htk_to_hz(mel: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The inverse of ``hz_to_htk``."""
    return 700 * (10 ** (mel / 2595) - 1)


# Slaney's Auditory Toolbox (1998): 200/3 Hz a mel up to 1 kHz, then 27 mels for a factor of 6.4.
LINEAR = 200 / 3
CORNER = 1000 / LINEAR
STEP = np.log(6.4) / 27


def hz_to_slaney(hertz: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The mel scale of Slaney's Auditory Toolbox."""
    return np.where(
        hertz < 1000, hertz / LINEAR, CORNER + np.log(np.maximum(hertz, 1) / 1000) / STEP
    )


def slaney_to_hz(mel: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The inverse of ``hz_to_slaney``."""
    return np.where(mel < CORNER, mel * LINEAR, 1000 * np.exp(STEP * (mel - CORNER)))
