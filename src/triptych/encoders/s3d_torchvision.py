"""S3D without gates in torchvision's shape: 7,910,048 parameters, 8,320,048 with its classifier.

Xie et al., "Rethinking Spatiotemporal Feature Learning", ECCV 2018.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from triptych.encoders.convolution import Conv3d, TemporalConv, initialise
from triptych.encoders.encoder import VideoInput
from triptych.encoders.inception import ENTERING, POOLS, Size, Widths, blocks
from triptych.encoders.pixels import KINETICS, NativeClip, VideoEncoder

PUBLISHED = "S3D weights of torchvision"
CLIP = NativeClip(frames=128, frame_rate=15.0, size=224)


def _unit(convolution: nn.Module, outputs: int) -> nn.Sequential:
    # Epsilon and momentum as in the TensorFlow that the network comes from (decay .999).
    norm = nn.BatchNorm3d(outputs, eps=1e-3, momentum=1e-3)
    return nn.Sequential(convolution, norm, nn.ReLU(inplace=True))


def _point(inputs: int, outputs: int) -> nn.Sequential:
    return _unit(Conv3d(inputs, outputs, (1, 1, 1)), outputs)


def _separable(inputs: int, outputs: int, kernel: int, stride: int) -> nn.Sequential:
    space = Conv3d(inputs, outputs, (1, kernel, kernel), (1, stride, stride))
    time = TemporalConv(outputs, outputs, stride, kernel)
    return nn.Sequential(_unit(space, outputs), _unit(time, outputs))


class Pool(nn.Module):
    """Maximum; a kernel of 2 is not padded and shrinks where less than 2 is left."""

    def __init__(self, kernel: Size, stride: Size) -> None:
        super().__init__()
        self.kernel, self.stride = kernel, stride

    def forward(self, x: Tensor) -> Tensor:
        """(clips, channels, t, h, w), each of the last three over its stride."""
        kernel = [min(k, n) if k == 2 else k for k, n in zip(self.kernel, x.shape[2:], strict=True)]
        return F.max_pool3d(x, kernel, self.stride, [k // 2 if k == 3 else 0 for k in kernel])


class Mixed(nn.Module):
    """A block of four branches."""

    def __init__(self, inputs: int, widths: Widths) -> None:
        super().__init__()
        self.branch0 = _point(inputs, widths.plain)
        self.branch1 = nn.Sequential(
            _point(inputs, widths.first_in), _separable(widths.first_in, widths.first, 3, 1)
        )
        self.branch2 = nn.Sequential(
            _point(inputs, widths.second_in), _separable(widths.second_in, widths.second, 3, 1)
        )
        self.branch3 = nn.Sequential(Pool((3, 3, 3), (1, 1, 1)), _point(inputs, widths.pooled))

    def forward(self, x: Tensor) -> Tensor:
        """(clips, inputs, t, h, w) to as many of the block's outputs."""
        return torch.cat([self.branch0(x), self.branch1(x), self.branch2(x), self.branch3(x)], 1)


class PlainS3d(VideoEncoder):
    """Features are the mean of the last block over all time and space."""

    dim = 1024

    def __init__(self, clip: VideoInput) -> None:
        super().__init__(clip, KINETICS, CLIP)
        layers: list[nn.Module] = [
            _separable(3, 64, 7, 2),
            Pool((1, 3, 3), (1, 2, 2)),
            _point(64, 64),
            _separable(64, ENTERING, 3, 1),
            Pool((1, 3, 3), (1, 2, 2)),
        ]
        for name, entering, widths in blocks():
            if name in POOLS:
                layers.append(Pool(POOLS[name], (2, 2, 2)))
            layers.append(Mixed(entering, widths))
        self.features = nn.Sequential(*layers)
        initialise(self)

    def encode(self, x: Tensor) -> Tensor:
        """The mean of the last block."""
        out: Tensor = self.features(x)
        return out.mean((2, 3, 4))


def build(clip: VideoInput | None = None) -> PlainS3d:
    """Features of 1024 numbers; 128 frames of 224x224 at 15 per second by default."""
    return PlainS3d(clip or CLIP.input())
