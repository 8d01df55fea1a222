"""What training changes at random in the clips that an encoder sees, beside window and crop.

Clusters of a small collection are soon known by heart; an encoder that never sees a clip twice in
the same form has to learn what the clips of a cluster have in common.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from triptych.encoders.encoder import Encoder, FeatureInput
from triptych.training.recipe import Augmentation

MASKS = 2  # of each kind, as in SpecAugment's policies LD and SM
# From RGB: the grey of a pixel (ITU-R BT.601), and the two numbers of its colour (FCC NTSC, 1953).
YIQ = ((0.299, 0.587, 0.114), (0.595716, -0.274453, -0.321263), (0.211456, -0.522591, 0.311135))


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
    each pixel, each uniform within its amount of 1; hue turns the colours about the line of greys,
    in YIQ, by up to its amount of a full turn either way. Every clip draws the order of the four.

    Pillow's jitter turns hue in HSV and clips after each step. Here nothing is clipped, so that all
    is linear in a pixel's colours and one pass over the frames does it.
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
        """The same shape; values may leave 0..255 by the amounts."""
        if not self.training:
            return x
        draws = 2 * torch.rand(2, len(x), 1, 1, 1, 1, device=x.device) - 1
        bright, contrast = 1 + self.brightness * draws[0], 1 + self.contrast * draws[1]
        if not (self.saturation or self.hue or self.grey):
            mean = x.mean((1, 2, 3, 4), keepdim=True)
            return x.mul(bright * contrast).add_(mean * bright * (1 - contrast))
        more = torch.rand(3, len(x), device=x.device)
        saturation, turn = 1 + self.saturation * (2 * more[0] - 1), self.hue * (2 * more[1] - 1)
        return recoloured(
            x,
            torch.stack([bright.flatten(), contrast.flatten(), saturation, turn], 1),
            torch.rand(len(x), 4, device=x.device).argsort(1),
            more[2] < self.grey,
        )


def recoloured(x: Tensor, amounts: Tensor, order: Tensor, grey: Tensor) -> Tensor:
    """Clips (clips, frames, height, width, 3) less their colours where ``grey``, then changed.

    ``amounts`` (clips, 4): factors of brightness, contrast and saturation, and the share of a turn
    of hue; ``order`` (clips, 4): when each of them comes; ``grey`` bool (clips,).
    """
    with torch.autocast(x.device.type, enabled=False):
        x = x.float()
        same, to_yiq = torch.eye(3, device=x.device), x.new_tensor(YIQ)
        to_grey, to_rgb = to_yiq[:1].expand(3, 3), torch.linalg.inv(to_yiq)
        means = x.mean((1, 2, 3))[:, :, None]
        matrix = torch.where(grey[:, None, None], to_grey, same)
        offset = torch.zeros_like(means)
        nothing = amounts.new_tensor([1.0, 1.0, 1.0, 0.0])
        for turn in range(4):
            chosen = torch.where(order == turn, amounts, nothing)[:, :, None, None]
            bright, contrast, saturation, hue = chosen.unbind(1)
            step = to_rgb @ _rotation(2 * math.pi * hue[:, 0, 0]) @ to_yiq
            step = bright * contrast * (saturation * same + (1 - saturation) * to_grey) @ step
            mean = (matrix @ means + offset).mean(1, keepdim=True)
            matrix, offset = step @ matrix, step @ offset + (1 - contrast) * mean
        flat = torch.baddbmm(offset.transpose(1, 2), x.flatten(1, 3), matrix.transpose(1, 2))
        return flat.view_as(x)


def _rotation(angle: Tensor) -> Tensor:
    """Matrices (clips, 3, 3) that turn I and Q by ``angle`` (clips,) and leave Y."""
    out = torch.zeros(len(angle), 3, 3, device=angle.device)
    out[:, 0, 0] = 1
    out[:, 1, 1] = out[:, 2, 2] = angle.cos()
    out[:, 2, 1] = angle.sin()
    out[:, 1, 2] = -out[:, 2, 1]
    return out


def install(encoders: Mapping[str, Encoder], wanted: Augmentation) -> None:
    """Give the encoders their random changes; those of text and stored features have none."""
    for name, encoder in encoders.items():
        if isinstance(encoder.input, FeatureInput):
            continue
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
