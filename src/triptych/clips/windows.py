"""Where the rows of a stream look in a file: pure functions from rates and lengths to times.

Row i is of the seconds from i / rate to (i + 1) / rate. What is looked at lies in their middle: one
frame, or a window of frames or of sound, which at the ends of the file is moved to lie within it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from triptych.clips.sample import ClipSpec, Placement, centre

if TYPE_CHECKING:
    from triptych.encoders.encoder import AudioInput, VideoInput

HAIR = 1e-6  # rows; times come from sums of floats and may miss a row's edge by a hair

Times = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Pictures:
    """What a stream of pictures reads: ``rate`` rows a second, each a window of ``frames``.

    ``keep``: a frame keeps its shape, and the square of ``size`` is cut out of its middle; else it
    is squashed to a square first, or to ``resize``, as the clips of a recipe are. ``scaled``: the
    largest square is cut out and scaled.
    """

    rate: float
    frames: int
    frame_rate: float
    size: int
    resize: tuple[int, int] | None = None
    scaled: bool = False
    keep: bool = False

    modality = "video"

    @property
    def seconds(self) -> float:
        """The length of a window; of a single frame it is none."""
        return self.frames / self.frame_rate if self.frames > 1 else 0.0

    @property
    def shape(self) -> tuple[int, ...]:
        """Of a window."""
        return (self.frames, self.size, self.size, 3)

    def picture(self, height: int, width: int) -> tuple[int, int]:
        """Height and width to which frames of ``height`` by ``width`` are scaled."""
        stored = ClipSpec(self.frames, self.frame_rate, self.size, resize=self.resize).stored
        if not self.keep or self.resize or not min(height, width):
            return stored
        side, scale = stored[0], stored[0] / min(height, width)
        return max(side, round(height * scale)), max(side, round(width * scale))

    @property
    def crop(self) -> Placement:
        """What is cut out of a scaled frame: its middle."""
        return centre(scaled=self.scaled)


@dataclass(frozen=True)
class Sound:
    """What a stream of sound reads: ``rate`` rows a second, each a window of ``seconds``."""

    rate: float
    sample_rate: int
    seconds: float

    modality = "audio"

    @property
    def samples(self) -> int:
        """The number of samples of a window."""
        return round(self.seconds * self.sample_rate)


Form = Pictures | Sound


def form_of(rate: float, clip: VideoInput | AudioInput, keep: bool) -> Form:
    """The form of windows that an encoder takes as ``clip``, of one segment."""
    from triptych.encoders.encoder import AudioInput  # here: reading a file needs no torch

    if isinstance(clip, AudioInput):
        return Sound(rate, clip.sample_rate, clip.seconds)
    scaled = clip.crop == "scaled"
    return Pictures(rate, clip.frames, clip.frame_rate, clip.size, clip.resize, scaled, keep)


def count_rows(duration: float, rate: float) -> int:
    """How many rows a file of ``duration`` seconds has; at least one."""
    return max(1, math.ceil(duration * rate - HAIR))


def begins(rows: npt.NDArray[np.int64], form: Form, duration: float) -> Times:
    """Where the windows of ``rows`` begin, in seconds, ascending as the rows are."""
    low = rows / form.rate
    high = np.minimum((rows + 1) / form.rate, np.maximum(duration, low))
    begin = (low + high) / 2 - form.seconds / 2
    return np.asarray(np.clip(begin, 0.0, max(0.0, duration - form.seconds)), np.float64)


def frame_moments(rows: npt.NDArray[np.int64], form: Pictures, duration: float) -> Times:
    """The times of the frames of each window, (rows, frames)."""
    steps = np.arange(form.frames) / form.frame_rate
    return begins(rows, form, duration)[:, None] + steps
