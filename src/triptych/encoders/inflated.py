"""I3D: GoogLeNet inflated to three dimensions, with the names of pytorch-i3d.

Carreira and Zisserman, "Quo Vadis, Action Recognition?", CVPR 2017.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from triptych.encoders.convolution import initialise
from triptych.encoders.encoder import VideoInput
from triptych.encoders.inception import ENTERING, POOLS, Widths, blocks, same_padding, same_pool
from triptych.encoders.pixels import NativeClip, Preprocessing, VideoEncoder

# What the Kinetics weights were trained on, before they were carried over from TensorFlow.
CLIP = NativeClip(frames=64, frame_rate=25.0, size=224)


class Unit(nn.Module):
    """Convolution with SAME padding, BatchNorm, ReLU."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 1, stride: int = 1) -> None:
        super().__init__()
        self.conv3d = nn.Conv3d(inputs, outputs, kernel, stride, bias=False)
        # Epsilon and momentum as in the TensorFlow that trained it (decay .99).
        self.bn = nn.BatchNorm3d(outputs, eps=1e-3, momentum=0.01)

    def forward(self, x: Tensor) -> Tensor:
        """(clips, inputs, t, h, w) to (clips, outputs, ceil(t/stride), ...)."""
        kernel, stride = self.conv3d.kernel_size, self.conv3d.stride
        sides = [same_padding(*axis) for axis in zip(x.shape[2:], kernel, stride, strict=True)]
        before = [side for side, _ in sides]
        # Padding first is what keeps maps that are smaller than the kernel right in bf16 too (see
        # Conv3d); elsewhere even sides are left to the convolution, which copies nothing.
        small = any(n < k for n, k in zip(x.shape[2:], kernel, strict=True))
        if small or before != [side for _, side in sides]:
            x = F.pad(x, [side for pair in sides[::-1] for side in pair])
            before = [0, 0, 0]
        out = F.conv3d(x, self.conv3d.weight, None, stride, before)
        return F.relu(self.bn(out), inplace=True)


class Mixed(nn.Module):
    """A block of four branches."""

    def __init__(self, inputs: int, widths: Widths) -> None:
        super().__init__()
        self.b0 = Unit(inputs, widths.plain)
        self.b1a = Unit(inputs, widths.first_in)
        self.b1b = Unit(widths.first_in, widths.first, 3)
        self.b2a = Unit(inputs, widths.second_in)
        self.b2b = Unit(widths.second_in, widths.second, 3)
        self.b3b = Unit(inputs, widths.pooled)

    def forward(self, x: Tensor) -> Tensor:
        """(clips, inputs, t, h, w) to as many of the block's outputs."""
        pooled = same_pool(x, (3, 3, 3), (1, 1, 1))
        branches = [
            self.b0(x),
            self.b1b(self.b1a(x)),
            self.b2b(self.b2a(x)),
            self.b3b(pooled),
        ]
        return torch.cat(branches, 1)


class I3d(VideoEncoder):
    """12,287,264 parameters and no classifier; features are the mean over all time and space.

    The reference averages windows of 2x7x7 with stride 1 and then those, which takes 64 frames of
    224x224 or so and counts the first and the last moment half; the plain mean takes any clip.
    """

    dim = 1024

    def __init__(self, clip: VideoInput, preprocessing: Preprocessing) -> None:
        super().__init__(clip, preprocessing, CLIP)
        self.Conv3d_1a_7x7 = Unit(3, 64, 7, 2)
        self.Conv3d_2b_1x1 = Unit(64, 64)
        self.Conv3d_2c_3x3 = Unit(64, ENTERING, 3)
        for name, entering, widths in blocks():
            self.add_module(f"Mixed_{name}", Mixed(entering, widths))
        initialise(self)

    def encode(self, x: Tensor) -> Tensor:
        """The mean of the last block."""
        out = same_pool(self.Conv3d_1a_7x7(x), (1, 3, 3), (1, 2, 2))
        out = same_pool(self.Conv3d_2c_3x3(self.Conv3d_2b_1x1(out)), (1, 3, 3), (1, 2, 2))
        for name, _, _ in blocks():
            if name in POOLS:
                out = same_pool(out, POOLS[name], (2, 2, 2))
            out = self.get_submodule(f"Mixed_{name}")(out)
        return out.mean((2, 3, 4))
