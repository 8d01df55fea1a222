"""Frames to what a video network takes: order of the colours, scale, mean, layout in memory.

Published weights are worth what they are only behind the preprocessing that they were trained with,
so every video encoder carries it, and the clips of its training beside it.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from triptych.encoders.encoder import Encoder, VideoInput

Colour = tuple[float, float, float]


@dataclass(frozen=True)
class Preprocessing:
    """What becomes of a pixel's bytes: (byte x ``scale`` - ``mean``) / ``deviation`` per colour.

    ``mean`` and ``deviation`` are in the ``order`` in which the network sees the colours.
    """

    order: Literal["rgb", "bgr"] = "rgb"
    scale: float = 1 / 255
    mean: Colour = (0.0, 0.0, 0.0)
    deviation: Colour = (1.0, 1.0, 1.0)


# The statistics of Kinetics-400 that torchvision's, VMZ's and XDC's networks were trained with.
KINETICS = Preprocessing(mean=(0.43216, 0.394666, 0.37645), deviation=(0.22803, 0.22145, 0.216989))


@dataclass(frozen=True)
class NativeClip:
    """The clips that an encoder's published weights were trained on; size in pixels.

    ``frame_rate`` is None where every frame of a video was taken, whatever its rate.
    """

    frames: int
    frame_rate: float | None
    size: int

    def input(self) -> VideoInput:
        """Such clips, at 25 frames per second where the videos' own rate was taken."""
        return VideoInput(self.frames, self.frame_rate or 25.0, self.size)


class VideoEncoder(Encoder):
    """An encoder of frames: ``pixels`` prepares them, ``encode`` of a subclass is the network.

    ``native`` is None where nobody publishes weights.
    """

    modality = "video"
    input: VideoInput
    # Convolutions of oneDNN and cuDNN are fastest with the colours of a pixel side by side.
    layout = torch.channels_last_3d

    def __init__(
        self, clip: VideoInput, preprocessing: Preprocessing, native: NativeClip | None
    ) -> None:
        super().__init__()
        self.input = clip
        self.preprocessing = preprocessing
        self.native = native
        # In bytes and in the order of the frames, so that normalising is one pass over them.
        mean, deviation = torch.tensor(preprocessing.mean), torch.tensor(preprocessing.deviation)
        if preprocessing.order == "bgr":
            mean, deviation = mean.flip(0), deviation.flip(0)
        self.register_buffer("mean", mean.mul(1 / preprocessing.scale), persistent=False)
        self.register_buffer("deviation", deviation.mul(1 / preprocessing.scale), persistent=False)

    def pixels(self, x: Tensor) -> Tensor:
        """(clips, frames, height, width, 3), uint8 RGB, to (clips, 3, frames, height, width).

        Without the background, what is divided by the deviation is the difference from the clip's
        mean frame.
        """
        x = self.augment(x.float())
        subtracts = self.input.background == "subtract"
        mean = x.mean(1, keepdim=True) if subtracts else self.get_buffer("mean")
        x = (x - mean) / self.get_buffer("deviation")
        if self.preprocessing.order == "bgr":
            x = x.flip(-1)
        # The permuted view of frames stored colour-last is channels_last_3d: no copy is needed.
        return x.permute(0, 4, 1, 2, 3)

    def forward(self, x: Tensor) -> Tensor:
        """Features (clips, dim) of frames (clips, frames, size, size, 3), uint8 RGB."""
        return self.encode(self.pixels(x))

    @abstractmethod
    def encode(self, x: Tensor) -> Tensor:
        """Features (clips, dim) of prepared frames (clips, 3, frames, height, width)."""
