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
LUMA = (0.299, 0.587, 0.114)


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
    """Random colours, the same for all frames of a clip, which may lose its colours first.

    Frames (clips, frames, height, width, 3), float in 0..255, in training only. Contrast is a
    factor about the clip's mean, brightness one of everything, saturation one about the grey of
    each pixel, each uniform within its amount of 1; hue turns the circle of colours by up to its
    amount either way. Saturation and hue come before, between or after the others in an order that
    every clip draws; brightness and contrast give the same in either order.
    """

    def __init__(
        self,
        brightness: float,
        contrast: float,
        saturation: float = 0.0,
        hue: float = 0.0,
        grey: float = 0.0,
    ) -> None:
        super().__init__()
        self.brightness, self.contrast = brightness, contrast
        self.saturation, self.hue, self.grey = saturation, hue, grey

    def forward(self, x: Tensor) -> Tensor:
        """The same shape; values may leave 0..255 by the amounts, nothing is clipped above."""
        if not self.training:
            return x
        draws = 2 * torch.rand(2, len(x), 1, 1, 1, 1, device=x.device) - 1
        bright, contrast = 1 + self.brightness * draws[0], 1 + self.contrast * draws[1]
        if self.grey:
            lost = torch.rand(len(x), 1, 1, 1, 1, device=x.device) < self.grey
            x = torch.where(lost, luma(x), x)
        if not (self.saturation or self.hue):
            return _lit(x, bright, contrast)
        more = 2 * torch.rand(2, len(x), device=x.device) - 1
        saturate, turn = 1 + self.saturation * more[0], self.hue * more[1]
        first = torch.rand(len(x), 4).argsort(1).tolist()
        return torch.stack(
            [
                self._in_order(clip, first[i], bright[i], contrast[i], saturate[i], turn[i])
                for i, clip in enumerate(x)
            ]
        )

    def _in_order(
        self,
        clip: Tensor,
        order: list[int],
        bright: Tensor,
        contrast: Tensor,
        saturation: Tensor,
        turn: Tensor,
    ) -> Tensor:
        one = torch.ones_like(bright)
        steps = (
            lambda x: _lit(x[None], bright[None], one[None])[0],
            lambda x: _lit(x[None], one[None], contrast[None])[0],
            lambda x: torch.lerp(luma(x), x, saturation) if self.saturation else x,
            lambda x: turned(x, turn) if self.hue else x,
        )
        for place in order:
            clip = steps[place](clip)
        return clip


def _lit(x: Tensor, bright: Tensor, contrast: Tensor) -> Tensor:
    mean = x.mean((1, 2, 3, 4), keepdim=True)
    return x.mul(bright * contrast).add_(mean * bright * (1 - contrast))


def luma(x: Tensor) -> Tensor:
    """The grey of every pixel (ITU-R BT.601), three times: (..., 3) RGB to the same shape."""
    return (x * x.new_tensor(LUMA)).sum(-1, keepdim=True).expand_as(x)


def turned(x: Tensor, turn: Tensor) -> Tensor:
    """Pixels (..., 3) RGB with their hue moved by ``turn`` of the circle; 1 is once around.

    Through HSV, in which value and saturation stay as they are; what is below 0 counts as 0.
    """
    x = x.clamp(min=0)
    value, least = x.amax(-1, keepdim=True), x.amin(-1, keepdim=True)
    spread = (value - least).clamp(min=1e-6)
    red, green, blue = x[..., 0:1], x[..., 1:2], x[..., 2:3]
    hue = torch.where(
        value == red,
        (green - blue) / spread,
        torch.where(value == green, 2 + (blue - red) / spread, 4 + (red - green) / spread),
    )
    # Each colour is at its height over a third of the circle and falls linearly on both sides.
    place = (x.new_tensor([5.0, 3.0, 1.0]) + hue + 6 * turn) % 6
    return value - (value - least) * torch.minimum(place, 4 - place).clamp(0, 1)


def install(encoders: Mapping[str, Encoder], wanted: Augmentation) -> None:
    """Give the encoders their random changes; those of text have none."""
    for name, encoder in encoders.items():
        if name == "audio" and (wanted.gain or wanted.mask_bands or wanted.mask_frames):
            encoder.augment = SpecAugment(wanted.gain, wanted.mask_bands, wanted.mask_frames)
        colours = (
            wanted.brightness,
            wanted.contrast,
            wanted.saturation,
            wanted.hue,
            wanted.grey,
        )
        if name == "video" and any(colours):
            encoder.augment = ColourJitter(*colours)
        encoder.augment.train(encoder.training)
