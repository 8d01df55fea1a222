"""3D ResNets of basic blocks in the shape and with the names of 3D-ResNets-PyTorch.

Hara et al., "Can Spatiotemporal 3D CNNs Retrace the History of 2D CNNs and ImageNet?", CVPR 2018.
Their first weights (2017) have shortcuts of type A, those of 2020 type B, and the two were trained
behind different preprocessing; so the kind of shortcut tells them apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from torch import Tensor, nn
from torch.nn import functional as F

from triptych.encoders.convolution import Conv3d, initialise
from triptych.encoders.encoder import VideoInput
from triptych.encoders.pixels import NativeClip, Preprocessing, VideoEncoder

Shortcut = Literal["A", "B"]
# Of the weights of 2017: the mean of ActivityNet's frames, in bytes, and nothing divided.
FIRST = Preprocessing(scale=1.0, mean=(114.7748, 107.7354, 99.4750))
# Of the weights of 2020: the statistics of Kinetics as that project counted them.
SECOND = Preprocessing(mean=(0.4345, 0.4051, 0.3775), deviation=(0.2768, 0.2713, 0.2737))
CLIP = NativeClip(frames=16, frame_rate=None, size=112)


class PooledIdentity(nn.Module):
    """Shortcut A of He et al. (2016): every second value, zeros for the channels to come.

    The released code takes its values out of the graph, so that no gradient passes the shortcut;
    here it passes, as it does in He et al.
    """

    def __init__(self, more: int, stride: int) -> None:
        super().__init__()
        self.more, self.stride = more, stride

    def forward(self, x: Tensor) -> Tensor:
        """(clips, inputs, t, h, w) to (clips, inputs + more, t/stride, h/stride, w/stride)."""
        step = slice(None, None, self.stride)
        return F.pad(x[:, :, step, step, step], (0, 0, 0, 0, 0, 0, 0, self.more))


class Block(nn.Module):
    """Two 3x3x3 convolutions and a shortcut."""

    def __init__(self, inputs: int, outputs: int, stride: int, shortcut: Shortcut) -> None:
        super().__init__()
        self.conv1 = Conv3d(inputs, outputs, (3, 3, 3), (stride, stride, stride))
        self.bn1 = nn.BatchNorm3d(outputs)
        self.conv2 = Conv3d(outputs, outputs, (3, 3, 3))
        self.bn2 = nn.BatchNorm3d(outputs)
        self.relu = nn.ReLU(inplace=True)
        self.downsample: nn.Module = nn.Identity()
        if (stride != 1 or inputs != outputs) and shortcut == "A":
            self.downsample = PooledIdentity(outputs - inputs, stride)
        elif stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(
                nn.Conv3d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm3d(outputs)
            )

    def forward(self, x: Tensor) -> Tensor:
        """(clips, inputs, t, h, w) to (clips, outputs, t/stride, h/stride, w/stride)."""
        out: Tensor = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out)) + self.downsample(x)
        return self.relu(out)  # type: ignore[no-any-return]


class ResNet3d(VideoEncoder):
    """7x7x7 stem that keeps time, 3x3x3 maximum, four stages of blocks, the mean of the last."""

    def __init__(
        self,
        clip: VideoInput,
        blocks: Sequence[int],
        shortcut: Shortcut,
        widths: Sequence[int] = (64, 128, 256, 512),
    ) -> None:
        super().__init__(clip, FIRST if shortcut == "A" else SECOND, CLIP)
        self.dim = widths[-1]
        self.conv1 = Conv3d(3, widths[0], (7, 7, 7), (1, 2, 2))
        self.bn1 = nn.BatchNorm3d(widths[0])
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool3d(3, 2, 1)
        width = widths[0]
        for stage, (outputs, count) in enumerate(zip(widths, blocks, strict=True), 1):
            layers = [Block(width, outputs, 1 if stage == 1 else 2, shortcut)]
            layers += [Block(outputs, outputs, 1, shortcut) for _ in range(count - 1)]
            self.add_module(f"layer{stage}", nn.Sequential(*layers))
            width = outputs
        initialise(self)

    def encode(self, x: Tensor) -> Tensor:
        """The mean of the last stage."""
        out: Tensor = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        for stage in range(1, 5):
            out = self.get_submodule(f"layer{stage}")(out)
        return out.mean((2, 3, 4))
