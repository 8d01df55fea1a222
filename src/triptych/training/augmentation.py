"""What training changes at random in the clips that an encoder sees, beside window and crop.

Clusters of a small collection are soon known by heart; an encoder that never sees a clip twice in
the same form has to learn what the clips of a cluster have in common.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from triptych.encoders.encoder import Encoder
from triptych.training.recipe import Augmentation

MASKS = 2  # of each kind, as in SpecAugment's policies LD and SM


class SpecAugment(nn.Module):
    """Random loudness, and masks over bands and frames (Park et al., Interspeech 2019, section 2).

    Log-mel power (clips, 1, bands, frames) in natural logarithms, in training only. Every clip
    has its own gain, uniform within ``gain`` dB either way, and ``MASKS`` masks of each kind, their
    widths uniform up to the share ``bands`` or ``frames`` of the whole; masked is the clip's mean.
    """

    def __init__(self, gain: float, bands: float, frames: float) -> None:
        super().__init__()
        self.gain, self.bands, self.frames = gain, bands, frames

    def forward(self, x: Tensor) -> Tensor:
        """The same shape, perturbed in training and untouched in evaluation."""
        if not self.training:
            return x
        louder = (2 * torch.rand(len(x), 1, 1, 1, device=x.device) - 1) * self.gain
        x = x + louder * (math.log(10) / 10)
        hidden = _masks(x, 2, self.bands) | _masks(x, 3, self.frames)
        return torch.where(hidden, x.mean((2, 3), keepdim=True), x)


def _masks(x: Tensor, axis: int, share: float) -> Tensor:
    """True where one of the masks along ``axis`` lies: (clips, 1, bands, 1) or (.., 1, frames)."""
    length = x.shape[axis]
    place = torch.arange(length, device=x.device)
    width = torch.rand(MASKS, len(x), 1, device=x.device) * share * length
    start = torch.rand(MASKS, len(x), 1, device=x.device) * (length - width)
    hidden = ((place >= start) & (place < start + width)).any(0)
    return hidden[:, None, :, None] if axis == 2 else hidden[:, None, None, :]


class ColourJitter(nn.Module):
    """Random brightness and contrast, the same for all frames of a clip.

    Frames (clips, frames, height, width, 3), float in 0..255, in training only: contrast is a
    factor about the clip's mean, brightness a factor of everything, each uniform within its
    amount of 1.
    """

    def __init__(self, brightness: float, contrast: float) -> None:
        super().__init__()
        self.brightness, self.contrast = brightness, contrast

    def forward(self, x: Tensor) -> Tensor:
        """The same shape; values may leave 0..255 by the amounts, nothing is clipped."""
        if not self.training:
            return x
        draws = 2 * torch.rand(2, len(x), 1, 1, 1, 1, device=x.device) - 1
        bright, contrast = 1 + self.brightness * draws[0], 1 + self.contrast * draws[1]
        mean = x.mean((1, 2, 3, 4), keepdim=True)
        return x.mul(bright * contrast).add_(mean * bright * (1 - contrast))


def install(encoders: Mapping[str, Encoder], wanted: Augmentation) -> None:
    """Give the encoders their random changes; those of text have none."""
    for name, encoder in encoders.items():
        if name == "audio" and (wanted.gain or wanted.mask_bands or wanted.mask_frames):
            encoder.augment = SpecAugment(wanted.gain, wanted.mask_bands, wanted.mask_frames)
        if name == "video" and (wanted.brightness or wanted.contrast):
            encoder.augment = ColourJitter(wanted.brightness, wanted.contrast)
        encoder.augment.train(encoder.training)
