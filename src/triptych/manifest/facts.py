"""What a media file turned out to hold: its pictures, its sound, their times and their damage."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from triptych.manifest.captions import Reading

Times = npt.NDArray[np.float64]

# An interval is irregular when it is off the median by more than this share of it and by more
# than rounding to the container's tick or to milliseconds explains.
JITTER = 0.05
ROUNDING_SECONDS = 0.0011
# A rate is variable when more than this share of the intervals is irregular.
IRREGULAR_SHARE = 0.02
HOLE_SECONDS = 1.0
HOLE_INTERVALS = 10
# A sample whose absolute value stays below this (-80 dB of full scale) is silence.
SILENCE = 1e-4


@dataclass(frozen=True)
class Video:
    """The pictures of a file. Times are seconds from its first timestamp."""

    codec: str
    width: int  # as displayed, rotation applied
    height: int
    times: Times  # of all its packets, sorted
    end: float
    tick: float
    good: int  # frames that decode, of those looked at
    flawed: int  # frames that decode with visible damage
    failed: int  # packets that do not decode
    decoded: Times | None  # when the frames that decode are shown, sorted; None: not all tried

    @property
    def fps(self) -> float:
        """Average frames per second, from the first frame to the last."""
        length = float(self.times[-1] - self.times[0])
        if length > 0:
            return (len(self.times) - 1) / length
        return 1 / (self.end - float(self.times[0]))

    @property
    def intervals(self) -> Times:
        """Seconds from each frame to the next, shape (frames - 1,)."""
        return np.diff(self.times)

    @property
    def usual(self) -> float:
        """The interval that is most in the middle, in seconds; 0 for a single frame."""
        ordered = np.sort(self.intervals)
        return float(ordered[(len(ordered) - 1) // 2]) if len(ordered) else 0.0

    def irregular(self) -> float:
        """The share of the intervals between frames that differ from the usual one."""
        intervals = self.intervals
        if len(intervals) < 2:
            return 0.0
        allowed = max(1.5 * self.tick, ROUNDING_SECONDS) + JITTER * self.usual
        return float(np.mean(np.abs(intervals - self.usual) > allowed))

    @property
    def variable(self) -> bool:
        """Whether frames come at a variable rate; one odd interval does not make it so."""
        share = self.irregular()
        return share > IRREGULAR_SHARE and share * len(self.intervals) > 1.5

    def hole(self) -> tuple[float, float] | None:
        """The longest stretch without a frame, if it is out of all proportion."""
        intervals = self.intervals
        if len(intervals) < 2:
            return None
        at = int(np.argmax(intervals))
        if intervals[at] < max(HOLE_SECONDS, HOLE_INTERVALS * self.usual):
            return None
        return float(self.times[at]), float(self.times[at + 1])

    def shows(self, start: float, end: float) -> bool:
        """Whether [start, end) has pictures: at least half of its frames decode.

        A span in which no new frame comes shows the frame before it, if that decodes.
        """
        if start >= self.end - 1e-6:
            return False
        low, high = np.searchsorted(self.times, [start - 1e-6, end - 1e-6])
        if self.decoded is None:
            return bool(high > 0)
        if low == high:
            low = max(0, low - 1)
            start = float(self.times[low])
        good_low, good_high = np.searchsorted(self.decoded, [start - 1e-6, end - 1e-6])
        return bool(high > low and 2 * (good_high - good_low) >= high - low)


@dataclass(frozen=True)
class Sound:
    """The sound of a file as its loudest sample over time, from decoding all of it."""

    codec: str
    starts: Times  # of each decoded block, seconds from the file's first timestamp, sorted
    ends: Times
    peaks: npt.NDArray[np.float32]  # the largest absolute sample of each block; 1 is full scale
    end: float
    good: int  # packets that decode
    failed: int

    @property
    def peak(self) -> float:
        """The largest absolute sample of all."""
        return float(self.peaks.max(initial=0.0))

    def heard(self, start: float, end: float) -> bool:
        """Whether anything in [start, end) is louder than silence."""
        low = int(np.searchsorted(self.ends, start + 1e-6))
        high = int(np.searchsorted(self.starts, end - 1e-6))
        return bool(self.peaks[low:high].max(initial=0.0) >= SILENCE)


@dataclass(frozen=True)
class Facts:
    """Everything that reading a file once has shown."""

    format: str
    video: Video | None
    sound: Sound | None
    captions: Reading | None  # of its best subtitle stream
    still: bool  # its only picture is a still one, such as the cover of an album
    cut_short: str | None  # how we know that its end is missing
    broken_off: str | None  # why reading stopped before the end
    strays: int = 0  # packets whose times leap so far that they cannot be true

    @property
    def end(self) -> float:
        """Seconds from the first timestamp to the end of what decodes."""
        return max([track.end for track in (self.video, self.sound) if track], default=0.0)
