"""One stream of a file while it is read: its times, its damage, its loudness, its words."""

from __future__ import annotations

from abc import ABC, abstractmethod
from array import array
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import av
import numpy as np
import numpy.typing as npt
from av.error import FFmpegError

from triptych.manifest.captions import Reading, Remark, from_cues
from triptych.manifest.facts import Sound, Times, Video

# Decoding all of a short video is cheaper than deciding what to leave out.
SMALL_FRAMES = 600
# In a long one, this many packets from the first keyframe on past each of these shares of it.
SPOT_PACKETS = 24
SPOTS = (-1.0, 0.45, 0.85)
FULL_SCALE = {"i2": 2.0**15, "i4": 2.0**31, "i8": 2.0**63}
PLANAR = {"u8p": "u1", "s16p": "i2", "s32p": "i4", "s64p": "i8", "fltp": "f4", "dblp": "f8"}
MOST_PLANES = 8
UNKNOWN_RATE = 25.0
# Nothing real pauses that long in pictures and sound at once; a spoilt timestamp does.
LEAP_SECONDS = 600.0


@dataclass
class Clock:
    """The time of a file, common to its streams: where it begins, how far reading has come."""

    origin: float = 0.0  # seconds on the container's own clock
    latest: float = 0.0  # seconds from there
    strays: int = 0  # packets whose times cannot be true

    def accepts(self, start: float) -> bool:
        """Whether ``start`` is a plausible time to come to."""
        if not -LEAP_SECONDS < start < self.latest + LEAP_SECONDS:
            return False
        self.latest = max(self.latest, start)
        return True


class Track(ABC):
    """One stream: the times of its packets and what became of them."""

    def __init__(self, stream: Any, clock: Clock) -> None:
        self.stream = stream
        self.clock = clock
        self.origin = clock.origin
        self.tick = float(stream.time_base or 0)
        self.last = 0.0
        self.torn = False
        self.failed = 0

    def note(self, packet: Any) -> float | None:
        """Seconds from the file's first timestamp at which ``packet`` is due, if it says so."""
        self.torn = packet.is_corrupt
        if packet.pts is None:
            return None
        start = float(packet.pts * self.tick - self.origin)
        if not self.clock.accepts(start):
            self.clock.strays += 1
            return None
        self.last = max(self.last, start + self.length_of(packet))
        return start

    def length_of(self, packet: Any) -> float:
        """Seconds that ``packet`` lasts; 0 if it does not say, or nothing that can be true."""
        length = float((packet.duration or 0) * self.tick)
        return length if 0 < length < LEAP_SECONDS else 0.0

    def decode(self, packet: Any) -> list[Any]:
        """The frames that ``packet`` completes, ``None`` standing for the end of the stream."""
        try:
            return list(self.stream.codec_context.decode(packet))
        except (FFmpegError, ValueError):
            self.failed += packet is not None
            return []

    @abstractmethod
    def take(self, packet: Any) -> None:
        """Note the packet, and decode it if it is to be looked at."""

    @abstractmethod
    def finish(self) -> None:
        """Take what the decoder still holds at the end of the file."""


class VideoTrack(Track):
    """Pictures: all packets are timed; every frame is decoded, or those of a few spots."""

    def __init__(self, stream: Any, clock: Clock, everything: bool) -> None:
        super().__init__(stream, clock)
        # Threads inside the decoder gain nothing beside other processes, and can deadlock.
        stream.thread_type = "NONE"
        stream.codec_context.thread_count = 1
        self.rate = float(stream.guessed_rate or stream.average_rate or UNKNOWN_RATE)
        self.starts = array("d")
        self.durations = array("d")
        self.shown = array("d")
        self.good = self.flawed = 0
        self.size: tuple[int, int] | None = None
        length = (stream.container.duration or 0) / av.time_base
        frames = stream.frames or length * self.rate
        self.everything = everything or 0 < frames <= SMALL_FRAMES
        self.length = length or frames / self.rate
        self.spots = list(SPOTS)
        self.left = 0
        self.from_time = -np.inf

    def take(self, packet: Any) -> None:
        """Note the packet's time, and decode it where it is to be looked at."""
        start = self.note(packet)
        if start is None:  # a bare stream without a container has no times: count frames
            start = self.starts[-1] + 1 / self.rate if self.starts else 0.0
            self.last = max(self.last, start + 1 / self.rate)
        if not packet.is_discard:
            self.starts.append(start)
            self.durations.append(self.length_of(packet))
        if self.everything or self._in_a_spot(packet, start):
            for frame in self.decode(packet):
                self._look(frame)

    def _in_a_spot(self, packet: Any, start: float) -> bool:
        if self.spots and packet.is_keyframe and start >= self.spots[0] * self.length:
            if len(self.starts) > 1:
                self.stream.codec_context.flush_buffers()
            self.spots.pop(0)
            self.left = SPOT_PACKETS
            # What is shown before the keyframe may lean on frames that were not decoded.
            self.from_time = start
        self.left -= 1
        return self.left >= 0

    def _look(self, frame: Any) -> None:
        if self.size is None:
            turned = abs(frame.rotation) % 180 == 90
            self.size = (frame.height, frame.width) if turned else (frame.width, frame.height)
        if frame.pts is None:
            time = len(self.shown) / self.rate
        else:
            time = frame.pts * self.tick - self.origin
            if time < self.from_time - self.tick:
                return
        self.shown.append(time)
        self.good += not frame.is_corrupt
        self.flawed += bool(frame.is_corrupt)

    def finish(self) -> None:
        """Take the frames that the decoder still holds."""
        if self.everything:
            for frame in self.decode(None):
                self._look(frame)

    @property
    def unseen(self) -> bool:
        """Whether the sample missed a spot, for want of a keyframe or of the length."""
        return not self.everything and (bool(self.spots) or not self.length)

    def facts(self) -> Video | None:
        """What was found, or None if there was not one packet."""
        if not self.starts:
            return None
        starts = np.array(self.starts)
        times = np.sort(starts)
        context = self.stream.codec_context
        width, height = self.size or (context.width, context.height)
        usual = float(np.median(np.diff(times))) if len(times) > 1 else 1 / self.rate
        return Video(
            codec=context.name,
            width=width,
            height=height,
            times=times,
            end=float(times[-1]) + (self.durations[int(starts.argmax())] or usual),
            tick=self.tick,
            good=self.good,
            flawed=self.flawed,
            failed=self.failed,
            decoded=np.sort(np.array(self.shown)) if self.everything else None,
        )


class SoundTrack(Track):
    """Sound: all of it is decoded, and of each block the largest sample is kept."""

    def __init__(self, stream: Any, clock: Clock) -> None:
        super().__init__(stream, clock)
        stream.thread_type = "NONE"
        self.starts = array("d")
        self.ends = array("d")
        self.peaks = array("f")
        self.packets = 0

    def take(self, packet: Any) -> None:
        """Decode the packet and note how loud it is."""
        self.note(packet)
        self.packets += 1
        self._listen(self.decode(packet))

    def finish(self) -> None:
        """Take the samples that the decoder still holds."""
        self._listen(self.decode(None))

    def _listen(self, frames: Iterable[Any]) -> None:
        for frame in frames:
            if not frame.samples or not frame.sample_rate:
                continue
            start = self.ends[-1] if self.ends else 0.0
            if frame.pts is not None:
                due = frame.pts * float(frame.time_base or self.tick) - self.origin
                start = due if self.clock.accepts(due) else start
            self.starts.append(start)
            self.ends.append(start + frame.samples / frame.sample_rate)
            self.peaks.append(_peak(frame))

    def facts(self) -> Sound:
        """What was found."""
        order = np.argsort(np.array(self.starts), kind="stable")
        ends: Times = np.maximum.accumulate(np.array(self.ends)[order])
        return Sound(
            codec=self.stream.codec_context.name,
            starts=np.array(self.starts)[order],
            ends=ends,
            peaks=np.array(self.peaks, np.float32)[order],
            end=float(ends[-1]) if len(ends) else 0.0,
            good=self.packets - self.failed,
            failed=self.failed,
        )


def samples_of(frame: Any) -> npt.NDArray[Any]:
    """A decoded frame's samples as FFmpeg holds them: (channels, n), or (1, n * channels)."""
    channels = frame.layout.nb_channels
    if not frame.format.is_planar or channels <= MOST_PLANES:
        return np.asarray(frame.to_ndarray())
    # PyAV finds the planes' number by a null behind them, which FFmpeg does not put there when
    # they are many: to_ndarray() then reads memory that is not the frame's.
    kind = PLANAR[frame.format.name]
    planes = frame.planes[:channels]
    return np.stack([np.frombuffer(plane, kind)[: frame.samples] for plane in planes])


def _peak(frame: Any) -> float:
    samples = samples_of(frame)
    if samples.dtype.kind == "f":
        return float(np.nan_to_num(np.abs(samples), nan=0.0, posinf=1.0).max(initial=0.0))
    if samples.dtype.kind == "u":
        return float(np.abs(samples.astype(np.int16) - 128).max(initial=0)) / 128
    loudest = max(int(samples.max(initial=0)), -int(samples.min(initial=0)))
    return loudest / FULL_SCALE[samples.dtype.str[1:]]


class WordTrack(Track):
    """A stream of subtitles."""

    def __init__(self, stream: Any, clock: Clock) -> None:
        super().__init__(stream, clock)
        self.cues: list[tuple[float, float, str]] = []
        self.pictures = 0

    def take(self, packet: Any) -> None:
        """Decode the packet's words."""
        start = self.note(packet)
        if start is None:
            return
        end = start + self.length_of(packet)
        for subtitle in self.decode(packet):
            if subtitle.type == b"bitmap":
                self.pictures += 1
                continue
            raw = getattr(subtitle, "dialogue", b"") or getattr(subtitle, "text", b"")
            self.cues.append((start, end, raw.decode("utf-8", errors="replace")))

    def decode(self, packet: Any) -> list[Any]:
        """The subtitles of ``packet``."""
        try:
            return list(packet.decode())
        except (FFmpegError, ValueError):
            self.failed += 1
            return []

    def finish(self) -> None:
        """A subtitle without a duration stays until the next one comes."""
        for index, (start, end, text) in enumerate(self.cues[:-1]):
            if end <= start:
                self.cues[index] = (start, self.cues[index + 1][0], text)

    @property
    def preference(self) -> tuple[bool, bool, int]:
        """Smallest for the stream to read: one with words, in English or of no stated language."""
        foreign = self.stream.language not in (None, "und", "en", "eng")
        return not self.cues, foreign, self.stream.index

    def reading(self) -> Reading:
        """Its captions."""
        reading = from_cues(self.cues)
        if self.pictures and not self.cues:
            remark = Remark("it holds pictures of words, not words", "no words from it")
            return Reading((), (remark,))
        return reading
