"""R(2+1)D: each 3-D convolution split into one over space and one over time.

Tran et al., "A Closer Look at Spatiotemporal Convolutions for Action Recognition", CVPR 2018. The
parameters carry torchvision's names, so that its weights load.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from triptych.encoders.convolution import Conv3d, TemporalConv
from triptych.encoders.encoder import VideoInput
from triptych.encoders.pixels import KINETICS, NativeClip, Preprocessing
from triptych.encoders.video_resnet import Kind, VideoResNet


class Conv2Plus1D(nn.Sequential):
    """(1, 3, 3) convolution, BatchNorm, ReLU, (3, 1, 1) convolution."""

    def __init__(self, inputs: int, outputs: int, middle: int, stride: int = 1) -> None:
        super().__init__(
            Conv3d(inputs, middle, (1, 3, 3), (1, stride, stride)),
            nn.BatchNorm3d(middle),
            nn.ReLU(inplace=True),
            TemporalConv(middle, outputs, stride),
        )


def middle_width(inputs: int, outputs: int) -> int:
    """That of a pair with as many parameters as the 3x3x3 convolution (section 3.5)."""
    return (inputs * outputs * 27) // (inputs * 9 + 3 * outputs)


def _of_block(inputs: int, outputs: int, stride: int, entering: int) -> nn.Module:
    return Conv2Plus1D(inputs, outputs, middle_width(entering, outputs), stride)


def _of_convolution(inputs: int, outputs: int, stride: int, _: int) -> nn.Module:
    return Conv2Plus1D(inputs, outputs, middle_width(inputs, outputs), stride)


# torchvision takes the block's input width for both of its convolutions, VMZ and XDC each
# convolution's own, which is what the paper says.
BY_BLOCK = Kind(_of_block)
BY_CONVOLUTION = Kind(_of_convolution)


class R2Plus1D(VideoResNet):
    """The R(2+1)D family: ``blocks`` per stage, ``widths`` of the stages, ``stem`` middle width."""

    def __init__(
        self,
        clip: VideoInput,
        widths: Sequence[int],
        blocks: Sequence[int],
        stem: int,
        kind: Kind = BY_BLOCK,
        preprocessing: Preprocessing = KINETICS,
        native: NativeClip | None = None,
    ) -> None:
        first = nn.Sequential(
            Conv3d(3, stem, (1, 7, 7), (1, 2, 2)),
            nn.BatchNorm3d(stem),
            nn.ReLU(inplace=True),
            TemporalConv(stem, widths[0]),
            nn.BatchNorm3d(widths[0]),
            nn.ReLU(inplace=True),
        )
        super().__init__(clip, first, [kind] * 4, widths, blocks, preprocessing, native)
