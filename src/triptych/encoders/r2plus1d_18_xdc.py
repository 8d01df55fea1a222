"""R(2+1)D-18 in XDC's and VMZ's shape: 33,165,639 parameters, 33,370,839 with its classifier.

The names are torchvision's, 18 shapes are not: the middle width is that of each convolution.
"""

from __future__ import annotations

from torch import nn

from triptych.encoders.encoder import VideoInput
from triptych.encoders.pixels import NativeClip
from triptych.encoders.r2plus1d import BY_CONVOLUTION, R2Plus1D

PUBLISHED = "R(2+1)D-18 weights of XDC"
CLIP = NativeClip(frames=32, frame_rate=30.0, size=112)


def build(clip: VideoInput | None = None) -> R2Plus1D:
    """Features of 512 numbers; 32 frames of 112x112 at 30 per second unless ``clip`` says else.

    BatchNorm's epsilon is the release's 1e-3. Its momentum is not: the release copied Caffe2's .9,
    which weighs the old mean, into PyTorch, where .9 weighs the new batch, so that the statistics
    follow the last batch or two. Caffe2's .9 is PyTorch's own .1, and that is what is taken.
    """
    network = R2Plus1D(
        clip or CLIP.input(),
        (64, 128, 256, 512),
        (2, 2, 2, 2),
        stem=45,
        kind=BY_CONVOLUTION,
        native=CLIP,
    )
    for module in network.modules():
        if isinstance(module, nn.BatchNorm3d):
            module.eps = 1e-3
    return network
