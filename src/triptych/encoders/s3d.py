"""S3D-G as MIL-NCE trained it: 9,146,000 parameters, with the names of S3D_HowTo100M.

Xie et al., "Rethinking Spatiotemporal Feature Learning", ECCV 2018; Miech et al., "End-to-End
Learning of Visual Representations from Uncurated Instructional Videos", CVPR 2020. Its stem sees
eight neighbours in time and space as channels, and gates weigh channels by their mean.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from triptych.encoders.convolution import Conv3d, TemporalConv, initialise
from triptych.encoders.encoder import VideoInput
from triptych.encoders.inception import ENTERING, POOLS, Size, Widths, blocks
from triptych.encoders.pixels import NativeClip, Preprocessing, VideoEncoder
from triptych.errors import UserError

PUBLISHED = "S3D weights of MIL-NCE (S3D_HowTo100M)"
PIXELS = Preprocessing()
CLIP = NativeClip(frames=32, frame_rate=10.0, size=200)


class Convolution(nn.Module):
    """A convolution with BatchNorm and ReLU: over space, then, if ``time``, another over time."""

    def __init__(self, inputs: int, outputs: int, size: int = 1, time: bool = False) -> None:
        super().__init__()
        self.conv1: nn.Module = Conv3d(inputs, outputs, (1, size, size))
        self.bn1 = nn.BatchNorm3d(outputs)
        if time:
            self.conv2 = TemporalConv(outputs, outputs)
            self.bn2 = nn.BatchNorm3d(outputs)
        self.time = time

    def forward(self, x: Tensor) -> Tensor:
        """(clips, inputs, t, h, w) to (clips, outputs, t, h, w)."""
        out = F.relu(self.bn1(self.conv1(x)), inplace=True)
        return F.relu(self.bn2(self.conv2(out)), inplace=True) if self.time else out


class Stem(nn.Module):
    """Pairs of frames, rows and columns as 24 channels, then 2x4x4 with one more zero behind."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv3d(24, 64, (2, 4, 4), bias=False)
        self.bn1 = nn.BatchNorm3d(64)

    def forward(self, x: Tensor) -> Tensor:
        """(clips, 3, t, h, w) to (clips, 64, t/2, h/2, w/2)."""
        clips, colours, t, h, w = x.shape
        x = x.reshape(clips, colours, t // 2, 2, h // 2, 2, w // 2, 2)
        # The colour last among the channels, and the channels last in memory.
        x = x.permute(0, 2, 4, 6, 3, 5, 7, 1).flatten(4).permute(0, 4, 1, 2, 3)
        return F.relu(self.bn1(self.conv1(F.pad(x, (1, 2, 1, 2, 0, 1)))), inplace=True)


class Gate(nn.Module):
    """Channels weighed by a sigmoid of their means."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """(clips, width, t, h, w) of the same shape."""
        weights: Tensor = self.fc(x.mean((2, 3, 4))).sigmoid()
        return x * weights[:, :, None, None, None]


class Mixed(nn.Module):
    """A block of four gated branches."""

    def __init__(self, inputs: int, widths: Widths) -> None:
        super().__init__()
        self.conv_b0 = Convolution(inputs, widths.plain)
        self.conv_b1_a = Convolution(inputs, widths.first_in)
        self.conv_b1_b = Convolution(widths.first_in, widths.first, 3, time=True)
        self.conv_b2_a = Convolution(inputs, widths.second_in)
        self.conv_b2_b = Convolution(widths.second_in, widths.second, 3, time=True)
        self.maxpool_b3 = nn.MaxPool3d(3, 1, 1)
        self.conv_b3_b = Convolution(inputs, widths.pooled)
        self.gating_b0 = Gate(widths.plain)
        self.gating_b1 = Gate(widths.first)
        self.gating_b2 = Gate(widths.second)
        self.gating_b3 = Gate(widths.pooled)

    def forward(self, x: Tensor) -> Tensor:
        """(clips, inputs, t, h, w) to as many of the block's outputs."""
        branches = [
            self.gating_b0(self.conv_b0(x)),
            self.gating_b1(self.conv_b1_b(self.conv_b1_a(x))),
            self.gating_b2(self.conv_b2_b(self.conv_b2_a(x))),
            self.gating_b3(self.conv_b3_b(self.maxpool_b3(x))),
        ]
        return torch.cat(branches, 1)


class S3d(VideoEncoder):
    """Features are the mean of the last block, which MIL-NCE transfers to other tasks.

    Its last layer, 1024 to 512 numbers, leads to the space that it shares with its words. Without
    its words that space means nothing, so the layer is left out, as any head is.
    """

    dim = 1024

    def __init__(self, clip: VideoInput) -> None:
        super().__init__(clip, PIXELS, CLIP)
        frames = clip.shape[-4]
        if frames % 2 or clip.size % 2:
            raise UserError(
                f"video encoder s3d: it takes frames and pixels in pairs, not {frames} frames of "
                f"{clip.size}; make clip.frames and clip.size even"
            )
        self.conv1 = Stem()
        self.conv_2b = Convolution(64, 64)
        self.conv_2c = Convolution(64, ENTERING, 3, time=True)
        self.gating = Gate(ENTERING)
        for name, entering, widths in blocks():
            self.add_module(f"mixed_{name}", Mixed(entering, widths))
        initialise(self)

    def encode(self, x: Tensor) -> Tensor:
        """The mean of the last block."""
        out = _pool(self.conv1(x), (1, 3, 3), (1, 2, 2))
        out = _pool(self.gating(self.conv_2c(self.conv_2b(out))), (1, 3, 3), (1, 2, 2))
        for name, _, _ in blocks():
            if name in POOLS:
                out = _pool(out, POOLS[name], (2, 2, 2))
            out = self.get_submodule(f"mixed_{name}")(out)
        return out.mean((2, 3, 4))


def _pool(x: Tensor, kernel: Size, stride: Size) -> Tensor:
    """Maximum of values that are nowhere below 0, windows from the first value on.

    The release pads every length as TensorFlow's SAME pads an even one, with kernel - stride zeros
    at the end. Where the stride divides the length, leaving them out makes no difference.
    """
    sizes = list(zip(x.shape[:1:-1], kernel[::-1], stride[::-1], strict=True))
    if any(n % s and k > s for n, k, s in sizes):
        x = F.pad(x, [side for n, k, s in sizes for side in (0, (k - s) * bool(n % s))])
    return F.max_pool3d(x, kernel, stride, ceil_mode=True)


def build(clip: VideoInput | None = None) -> S3d:
    """Features of 1024 numbers; 32 frames of 200x200 at 10 per second unless ``clip`` says else."""
    return S3d(clip or CLIP.input())
