"""Which moments of a clip are looked at: pure functions from spans and seeds to times and crops."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from triptych.seeds import derive

MARGIN = 1.125  # a whole frame is this much larger than the crop that is taken from it


@dataclass(frozen=True)
class ClipSpec:
    """What is read of a clip: ``segments`` runs of ``frames`` pictures, ``frame_rate`` a second.

    A picture is squashed to ``resize`` (height, width), None: a square an eighth larger than
    ``size``; then a square of ``size`` pixels is cut out. ``sample_rate`` is that of the sound, in
    Hz; sound is read at every run.
    """

    frames: int = 8
    frame_rate: float = 8.0
    size: int = 64
    sample_rate: int = 16_000
    segments: int = 1
    resize: tuple[int, int] | None = None

    @property
    def seconds(self) -> float:
        """The length of time that the frames of a run cover."""
        return self.frames / self.frame_rate

    @property
    def stored(self) -> tuple[int, int]:
        """Height and width of a whole frame before the crop of ``size`` is taken from it."""
        side = round(self.size * MARGIN)
        return self.resize or (side, side)


@dataclass(frozen=True)
class Placement:
    """Where in a clip to look, each number in [0, 1]: 0 is earliest, topmost, leftmost.

    ``positions`` has one for each segment; crop and mirror image are the same for all of them.
    ``share``: the crop is a square of so much of the frame's shorter side, scaled to the size that
    is wanted; None: it is of that size, and not scaled.
    """

    positions: tuple[float, ...] = (0.5,)
    top: float = 0.5
    left: float = 0.5
    flip: bool = False
    share: float | None = None


def centre(segments: int = 1, scaled: bool = False) -> Placement:
    """The placement that nothing is drawn for; ``scaled``, the largest square of the frame."""
    return Placement((0.5,) * segments, share=1.0 if scaled else None)


def random_placement(
    seed: int, draw: int, row: int, segments: int = 1, shares: Sequence[float] = ()
) -> Placement:
    """The placement of the ``draw``-th clip of a pass, which is ``row`` of the manifest.

    The same three numbers always give the same placement: nothing is remembered between draws.
    One of ``shares`` is drawn, if there are any.
    """
    bits = derive(seed, draw, row)  # 63 of them: 24 + 19 + 19 + 1
    times = [bits, *(derive(seed, draw, row, segment) for segment in range(1, segments))]
    return Placement(
        positions=tuple((some & 0xFFFFFF) / 0xFFFFFF for some in times),
        top=(bits >> 24 & 0x7FFFF) / 0x7FFFF,
        left=(bits >> 43 & 0x7FFFF) / 0x7FFFF,
        flip=bool(bits >> 62),
        share=shares[derive(seed, draw, row, "share") % len(shares)] if shares else None,
    )


def starts(start: float, end: float, seconds: float, positions: Sequence[float]) -> list[float]:
    """Where runs of ``seconds`` begin that are spread evenly over a span, ascending.

    The span is cut into as many equal parts as there are ``positions``. A run lies in its part, at
    0 as early and at 1 as late as it can. Where parts are shorter than a run, runs overlap: each
    covers its part, as far as the span allows. A span shorter than a run begins all at its start.
    """
    part = (end - start) / len(positions)
    room = part - seconds
    begins = [start + index * part + place * room for index, place in enumerate(positions)]
    if room >= 0:
        return begins
    last = max(start, end - seconds)
    return sorted(min(max(begin, start), last) for begin in begins)


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
    out: npt.NDArray[np.uint8], runs: Iterable[npt.NDArray[np.uint8]], placement: Placement
) -> None:
    """Copy the crop that ``placement`` takes of runs of frames, one after the other, into ``out``.

    Runs are (T, height, width, 3); ``out`` is (..., S, S, 3), contiguous, with room for all. What
    is scaled is averaged over the pixels that fall together, as Pillow's bilinear filter does.
    """
    size = out.shape[-2]
    left_over = out.reshape(-1, size, size, 3)
    for frames in runs:
        into, left_over = left_over[: len(frames)], left_over[len(frames) :]
        side = size
        if placement.share is not None:
            side = max(1, round(placement.share * min(frames.shape[1:3])))
        top = round(placement.top * (frames.shape[1] - side))
        left = round(placement.left * (frames.shape[2] - side))
        cut = frames[:, top : top + side, left : left + side]
        if side != size:
            cut = _scaled(cut, size)
        if placement.flip:
            for channel in range(3):  # a fifth of the time of copying mirrored pixels at once
                into[..., channel] = cut[:, :, ::-1, channel]
        else:
            into[...] = cut


def _scaled(frames: npt.NDArray[np.uint8], size: int) -> npt.NDArray[np.uint8]:
    """Square frames (T, side, side, 3) at ``size``; 7 times as fast as Pillow, equal within 2."""
    import torch  # here: a process that reads files only needs no torch
    from torch.nn.functional import interpolate

    pixels = torch.from_numpy(np.ascontiguousarray(frames)).permute(0, 3, 1, 2)
    scaled = interpolate(pixels, (size, size), mode="bilinear", antialias=True)
    return np.asarray(scaled.permute(0, 2, 3, 1))
