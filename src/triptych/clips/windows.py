"""Where the rows of a stream look in a file: pure functions from rates and lengths to times.

Row i is of the seconds from i / rate to (i + 1) / rate. What is looked at lies in their middle: one
frame, or a window of frames or of sound, which at the ends of the file is moved to lie within it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from triptych.clips.sample import ClipSpec, Placement, centre
from triptych.encoders.encoder import AudioInput, VideoInput

HAIR = 1e-6  # rows; times come from sums of floats and may miss a row's edge by a hair

Times = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Form:
    """What a stream reads: ``rate`` rows a second, each of the form ``input``.

    ``keep``: a frame keeps its shape, and the square is cut out of its middle; else it is squashed
    to a square first, or to what the input says, as the clips of a recipe are.
    """

    rate: float
    input: VideoInput | AudioInput
    keep: bool = False

    @property
    def modality(self) -> str:
        """What of a file it reads."""
        return "video" if isinstance(self.input, VideoInput) else "audio"

    @property
    def seconds(self) -> float:
        """The length of a window; of a single frame it is none."""
        single = isinstance(self.input, VideoInput) and self.input.frames == 1
        return 0.0 if single else self.input.seconds

    def picture(self, height: int, width: int) -> tuple[int, int]:
        """Height and width to which frames of ``height`` by ``width`` are scaled."""
        assert isinstance(self.input, VideoInput)
        clip = self.input
        spec = ClipSpec(clip.frames, clip.frame_rate, clip.size, resize=clip.resize)
        if not self.keep or clip.resize or not min(height, width):
            return spec.stored
        side, scale = spec.stored[0], spec.stored[0] / min(height, width)
        return max(side, round(height * scale)), max(side, round(width * scale))

    @property
    def crop(self) -> Placement:
        """What is cut out of a scaled frame: its middle."""
        return centre(scaled=isinstance(self.input, VideoInput) and self.input.crop == "scaled")


def count_rows(duration: float, rate: float) -> int:
    """How many rows a file of ``duration`` seconds has; at least one."""
    return max(1, math.ceil(duration * rate - HAIR))


def begins(rows: npt.NDArray[np.int64], form: Form, duration: float) -> Times:
    """Where the windows of ``rows`` begin, in seconds, ascending as the rows are."""
    low = rows / form.rate
    high = np.minimum((rows + 1) / form.rate, np.maximum(duration, low))
    begin = (low + high) / 2 - form.seconds / 2
    return np.asarray(np.clip(begin, 0.0, max(0.0, duration - form.seconds)), np.float64)


def frame_moments(rows: npt.NDArray[np.int64], form: Form, duration: float) -> Times:
    """The times of the frames of each window, (rows, frames)."""
    assert isinstance(form.input, VideoInput)
    steps = np.arange(form.input.frames) / form.input.frame_rate
    return begins(rows, form, duration)[:, None] + steps
