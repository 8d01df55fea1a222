"""The ResNet-18 family of Tran et al. (CVPR 2018): R(2+1)D, R3D, MC3.

"A Closer Look at Spatiotemporal Convolutions for Action Recognition". The parameters carry
torchvision's names, so that its weights load.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from triptych.encoders.convolution import Conv3d, initialise
from triptych.encoders.encoder import VideoInput
from triptych.encoders.pixels import KINETICS, NativeClip, Preprocessing, VideoEncoder

# What torchvision's reference training took.
TORCHVISION_CLIP = NativeClip(frames=16, frame_rate=15.0, size=112)


@dataclass(frozen=True)
class Kind:
    """How the convolutions of a stage are made.

    ``make(inputs, outputs, stride, entering)`` gives one; ``entering`` is the width with which its
    block begins. ``strides_time`` says whether a stride halves time too.
    """

    make: Callable[[int, int, int, int], nn.Module]
    strides_time: bool = True


def _full(inputs: int, outputs: int, stride: int, _: int) -> nn.Module:
    return Conv3d(inputs, outputs, (3, 3, 3), (stride, stride, stride))


def _flat(inputs: int, outputs: int, stride: int, _: int) -> nn.Module:
    return Conv3d(inputs, outputs, (1, 3, 3), (1, stride, stride))


FULL = Kind(_full)
FLAT = Kind(_flat, strides_time=False)


class Block(nn.Module):
    """Two convolutions and a shortcut."""

    def __init__(self, inputs: int, outputs: int, stride: int, kind: Kind) -> None:
        super().__init__()
        self.conv1 = nn.Sequential(
            kind.make(inputs, outputs, stride, inputs),
            nn.BatchNorm3d(outputs),
            nn.ReLU(inplace=True),
        )
        self.conv2 = nn.Sequential(kind.make(outputs, outputs, 1, inputs), nn.BatchNorm3d(outputs))
        self.relu = nn.ReLU(inplace=True)
        strides = (stride if kind.strides_time else 1, stride, stride)
        self.downsample = (
            nn.Sequential(
                nn.Conv3d(inputs, outputs, 1, strides, bias=False), nn.BatchNorm3d(outputs)
            )
            if stride != 1 or inputs != outputs
            else nn.Identity()
        )

    def forward(self, x: Tensor) -> Tensor:
        """(clips, inputs, t, h, w) to (clips, outputs, t/stride, h/stride, w/stride)."""
        out: Tensor = self.relu(self.conv2(self.conv1(x)) + self.downsample(x))
        return out


class VideoResNet(VideoEncoder):
    """A stem, four stages of blocks, the mean over time and space.

    ``kinds``, ``widths`` and ``blocks`` have one entry for each stage.
    """

    def __init__(
        self,
        clip: VideoInput,
        stem: nn.Sequential,
        kinds: Sequence[Kind],
        widths: Sequence[int] = (64, 128, 256, 512),
        blocks: Sequence[int] = (2, 2, 2, 2),
        preprocessing: Preprocessing = KINETICS,
        native: NativeClip | None = TORCHVISION_CLIP,
    ) -> None:
        super().__init__(clip, preprocessing, native)
        self.dim = widths[-1]
        self.stem = stem
        width = widths[0]
        for stage, (kind, outputs, count) in enumerate(zip(kinds, widths, blocks, strict=True), 1):
            layers = [Block(width, outputs, 1 if stage == 1 else 2, kind)]
            layers += [Block(outputs, outputs, 1, kind) for _ in range(count - 1)]
            self.add_module(f"layer{stage}", nn.Sequential(*layers))
            width = outputs
        initialise(self)

    def encode(self, x: Tensor) -> Tensor:
        """The mean of the last stage."""
        out: Tensor = self.stem(x)
        for stage in range(1, 5):
            out = self.get_submodule(f"layer{stage}")(out)
        return out.mean((2, 3, 4))


def full_stem() -> nn.Sequential:
    """The stem of R3D and MC3: one convolution over three frames and 7x7 pixels."""
    return nn.Sequential(
        Conv3d(3, 64, (3, 7, 7), (1, 2, 2)), nn.BatchNorm3d(64), nn.ReLU(inplace=True)
    )
