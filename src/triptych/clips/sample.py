"""Which moments of a clip are looked at: pure functions from spans and seeds to times and crops."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from triptych.seeds import derive

MARGIN = 1.125  # a stored frame is this much larger than the crop that is taken from it


@dataclass(frozen=True)
class ClipSpec:
    """What is read of a clip: ``frames`` pictures of ``size`` pixels at ``frame_rate`` per second.

    ``sample_rate`` is that of the sound, in Hz.
    """

    frames: int = 8
    frame_rate: float = 8.0
    size: int = 64
    sample_rate: int = 16_000

    @property
    def seconds(self) -> float:
        """The length of time that the frames cover."""
        return self.frames / self.frame_rate

    @property
    def store_size(self) -> int:
        """Height and width of a whole frame before the crop of ``size`` is taken from it."""
        return round(self.size * MARGIN)


@dataclass(frozen=True)
class Placement:
    """Where in a clip to look, each number in [0, 1]: 0 is earliest, topmost, leftmost."""

    position: float = 0.5
    top: float = 0.5
    left: float = 0.5
    flip: bool = False


CENTRE = Placement()


def random_placement(seed: int, draw: int, row: int) -> Placement:
    """The placement of the ``draw``-th clip of a pass, which is ``row`` of the manifest.

    The same three numbers always give the same placement: nothing is remembered between draws.
    """
    bits = derive(seed, draw, row)  # 63 of them: 24 + 19 + 19 + 1
    return Placement(
        position=(bits & 0xFFFFFF) / 0xFFFFFF,
        top=(bits >> 24 & 0x7FFFF) / 0x7FFFF,
        left=(bits >> 43 & 0x7FFFF) / 0x7FFFF,
        flip=bool(bits >> 62),
    )


def window(start: float, end: float, seconds: float, position: float) -> float:
    """Where a window of ``seconds`` begins in the span; a shorter span begins it at its start."""
    return start + position * max(0.0, end - start - seconds)


def count_frames(seconds: float, frame_rate: float) -> int:
    """How many moments 0, 1/rate, 2/rate ... lie before ``seconds``; at least one."""
    return max(1, math.ceil(seconds * frame_rate - 1e-6))


def frame_times(
    window_start: float, spec: ClipSpec, end: float = math.inf
) -> npt.NDArray[np.float64]:
    """The moments, shape (frames,), in seconds; where the clip has ended, its last one repeats."""
    steps = np.arange(spec.frames)
    if end < math.inf:
        steps = np.minimum(steps, count_frames(end - window_start, spec.frame_rate) - 1)
    return np.asarray(window_start + steps / spec.frame_rate, np.float64)


def crop_into(
    out: npt.NDArray[np.uint8], frames: npt.NDArray[np.uint8], placement: Placement
) -> None:
    """Copy the crop that ``placement`` takes of (T, height, width, 3) into ``out`` (T, S, S, 3)."""
    size = out.shape[1]
    top = round(placement.top * (frames.shape[1] - size))
    left = round(placement.left * (frames.shape[2] - size))
    cut = frames[:, top : top + size, left : left + size]
    if placement.flip:
        for channel in range(3):  # a fifth of the time of copying mirrored pixels at once
            out[..., channel] = cut[:, :, ::-1, channel]
    else:
        out[...] = cut
