"""R(2+1)D: each 3-D convolution split into one over space and one over time.

Tran et al., "A Closer Look at Spatiotemporal Convolutions for Action Recognition", CVPR 2018. The
parameters carry torchvision's names, so that its weights load.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from triptych.encoders.encoder import Encoder, VideoInput

# Kinetics statistics, RGB in [0, 1], as torchvision's video models were trained with.
MEAN = (0.43216, 0.394666, 0.37645)
DEVIATION = (0.22803, 0.22145, 0.216989)


class TemporalConv(nn.Conv3d):
    """A (3, 1, 1) convolution, zero-padded in time."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__(inputs, outputs, (3, 1, 1), (stride, 1, 1), (1, 0, 0), bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(clips, inputs, t, h, w) to (clips, outputs, ceil(t/stride), h, w)."""
        if x.shape[2] >= 3:
            return super().forward(x)
        # Where time is shorter than the kernel, the gradient of the weights that oneDNN computes
        # in bf16 holds memory it never wrote (torch 2.13, measured). With
        # the padding made before the convolution it does not.
        return F.conv3d(F.pad(x, (0, 0, 0, 0, 1, 1)), self.weight, None, self.stride)


class Conv2Plus1D(nn.Sequential):
    """(1, 3, 3) convolution, BatchNorm, ReLU, (3, 1, 1) convolution."""

    def __init__(self, inputs: int, outputs: int, middle: int, stride: int = 1) -> None:
        super().__init__(
            nn.Conv3d(inputs, middle, (1, 3, 3), (1, stride, stride), (0, 1, 1), bias=False),
            nn.BatchNorm3d(middle),
            nn.ReLU(inplace=True),
            TemporalConv(middle, outputs, stride),
        )


class Block(nn.Module):
    """Two factorised convolutions and a shortcut."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        # As many parameters as the 3x3x3 convolution that the pair replaces (paper, section 3.5);
        # torchvision takes the block's input width for both of its convolutions.
        middle = (inputs * outputs * 27) // (inputs * 9 + 3 * outputs)
        self.conv1 = nn.Sequential(
            Conv2Plus1D(inputs, outputs, middle, stride),
            nn.BatchNorm3d(outputs),
            nn.ReLU(inplace=True),
        )
        self.conv2 = nn.Sequential(Conv2Plus1D(outputs, outputs, middle), nn.BatchNorm3d(outputs))
        self.relu = nn.ReLU(inplace=True)
        self.downsample = (
            nn.Sequential(
                nn.Conv3d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm3d(outputs)
            )
            if stride != 1 or inputs != outputs
            else nn.Identity()
        )

    def forward(self, x: Tensor) -> Tensor:
        """(clips, inputs, t, h, w) to (clips, outputs, t/stride, h/stride, w/stride)."""
        out: Tensor = self.relu(self.conv2(self.conv1(x)) + self.downsample(x))
        return out


class R2Plus1D(Encoder):
    """The R(2+1)D family: ``blocks`` per stage, ``widths`` of the stages, ``stem`` middle width."""

    modality = "video"

    def __init__(
        self, clip: VideoInput, widths: Sequence[int], blocks: Sequence[int], stem: int
    ) -> None:
        super().__init__()
        self.input = clip
        self.subtracts = clip.background == "subtract"
        self.dim = widths[-1]
        self.stem = nn.Sequential(
            nn.Conv3d(3, stem, (1, 7, 7), (1, 2, 2), (0, 3, 3), bias=False),
            nn.BatchNorm3d(stem),
            nn.ReLU(inplace=True),
            TemporalConv(stem, widths[0]),
            nn.BatchNorm3d(widths[0]),
            nn.ReLU(inplace=True),
        )
        width = widths[0]
        for stage, (outputs, count) in enumerate(zip(widths, blocks, strict=True), 1):
            stride = 1 if stage == 1 else 2
            layers = [Block(width, outputs, stride)]
            layers += [Block(outputs, outputs, 1) for _ in range(count - 1)]
            self.add_module(f"layer{stage}", nn.Sequential(*layers))
            width = outputs
        self.register_buffer("mean", torch.tensor(MEAN).mul(255), persistent=False)
        self.register_buffer("deviation", torch.tensor(DEVIATION).mul(255), persistent=False)
        initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        """Features (clips, dim) of frames (clips, frames, size, size, 3), uint8 RGB."""
        x = self.augment(x.float())
        mean = x.mean(1, keepdim=True) if self.subtracts else self.get_buffer("mean")
        # The permuted view of frames stored colour-last is channels_last_3d: no copy is needed.
        out: Tensor = ((x - mean) / self.get_buffer("deviation")).permute(0, 4, 1, 2, 3)
        out = self.stem(out)
        for stage in range(1, 5):
            out = self.get_submodule(f"layer{stage}")(out)
        return out.mean((2, 3, 4))


def initialise(network: nn.Module) -> None:
    """He initialisation of convolutions by fan-out, unit BatchNorm (He et al., 2015)."""
    for module in network.modules():
        if isinstance(module, nn.Conv3d | nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        elif isinstance(module, nn.BatchNorm3d | nn.BatchNorm2d):
            nn.init.ones_(module.weight)
            nn.init.zeros_(module.bias)
