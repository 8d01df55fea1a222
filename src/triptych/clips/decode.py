"""Frames of a video by their time: what a player would show then.

A frame is picked by its presentation time, never by its number, so that B-frames, edit lists and
variable frame rates come out right. Decoding starts at the keyframe before the first time asked
for; where a seek lands too late (containers without an index, open GOPs), it starts earlier, in the
end from the beginning of the file. One thread: parallelism is by process.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from heapq import heappop, heappush
from itertools import chain, islice, repeat
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
from av.video.reformatter import Interpolation, VideoReformatter

from triptych.clips.media import DecodeError, Media, pictures, reason

__all__ = ["DecodeError", "Frames", "Media", "VideoReader"]

Frames = npt.NDArray[np.uint8]

SLACK = 1e-5  # seconds; times come from sums of floats and may miss a frame's own time by a hair
PAST_END = 1.0  # seconds after its last frame that a video still shows it
STALE = 0.5  # seconds; an older frame does not stand in for those that do not decode
BACK = (0.0, 1.0, 4.0, 16.0, 64.0)  # seconds further back that a seek which landed late tries
SKIP_AHEAD = 2.0  # seconds; over a longer gap a seek may pay
LOOKAHEAD = 17  # packets; H.264 and HEVC reorder at most 16
SKIPPABLE = {"h264", "hevc", "mpeg1video", "mpeg2video"}  # decoders that can pass over B-frames
# One scaling thread per frame; older releases have no such argument and use one.
SCALING = {"threads": 1} if int(av.__version__.split(".")[0]) >= 17 else {}


class VideoReader:
    """The pictures of one file: ``with VideoReader(path) as video: video.frames(...)``."""

    def __init__(self, path: str | Path | Media) -> None:
        """Open a file, or share one that is open; raises DecodeError where it has no video."""
        self.media = path if isinstance(path, Media) else Media(path, pictures_only=True)
        self._owned = not isinstance(path, Media)
        # One for each size: to change its size costs more than to convert a frame.
        self._reformatters: dict[tuple[int, int], Any] = defaultdict(VideoReformatter)
        try:
            self._bind()
        except DecodeError:
            self.__exit__()
            raise

    def __enter__(self) -> VideoReader:
        return self

    def __exit__(self, *_: object) -> None:
        if self._owned:
            self.media.close()

    @property
    def width(self) -> int:
        """Pixels across, the rotation that the file asks for applied."""
        return int(self._codec.height if self.rotation % 180 else self._codec.width)

    @property
    def height(self) -> int:
        """Pixels down, the rotation that the file asks for applied."""
        return int(self._codec.width if self.rotation % 180 else self._codec.height)

    @property
    def duration(self) -> float:
        """Seconds from the file's first timestamp to the end, as the file's header says."""
        if self._stream.duration is not None:
            first = (self._stream.start_time or 0) * self._tick - self.media.origin
            return float(first + self._stream.duration * self._tick)
        whole = self.media.container.duration
        return float(whole / av.time_base) if whole is not None else 0.0

    @cached_property
    def rotation(self) -> int:
        """Degrees, counter-clockwise, by which the file asks to turn its pictures."""
        return _rotation(self._start([-(2**62)]).at(0)[0])

    def frames(self, times: Sequence[float] | npt.NDArray[Any], height: int, width: int) -> Frames:
        """The frame on screen at each time, uint8 RGB (T, height, width, 3).

        Times are seconds since the file's first timestamp, in any order; before the first frame it
        is the first, after the last the last. Raises DecodeError where most of them do not decode,
        or lie over a second after the end.
        """
        moments = np.asarray(times, np.float64)
        order = np.argsort(moments, kind="stable")
        out = np.empty((len(moments), height, width, 3), np.uint8)
        lost = 0
        picked = self.stream(moments[order], height, width)
        for place, (frame, stale) in zip(order, picked, strict=True):
            out[place] = frame
            lost += stale
        if 2 * lost > len(moments):
            raise DecodeError(
                f"{self.media.path}: of {len(moments)} frames between {moments.min():.2f} s and "
                f"{moments.max():.2f} s {lost} do not decode or come after the last one"
            )
        return out

    def stream(
        self, times: npt.NDArray[np.float64], height: int, width: int
    ) -> Iterator[tuple[Frames, bool]]:
        """For each of ascending ``times``: its frame, and whether a failure made it stale.

        One sequential pass, which seeks only over gaps that hold a keyframe. The same array may be
        yielded twice; copy it to keep it.
        """
        yield from self.several(times, repeat((height, width)))

    def several(
        self, times: npt.NDArray[np.float64], sizes: Iterable[tuple[int, int]]
    ) -> Iterator[tuple[Frames, bool]]:
        """Like ``stream``, each frame at its own (height, width); converted once a size."""
        ticks = [int((t + self.media.origin + SLACK) // self._tick) for t in times.tolist()]
        reach = SKIP_AHEAD / self._tick
        run: _Run | None = None
        shown: Any = None
        made: dict[tuple[int, int], Frames] = {}
        for place, (tick, size) in enumerate(zip(ticks, sizes, strict=False)):
            if run is None or (
                not run.over and tick - run.here > reach and self._key_within(run.here, tick)
            ):
                run = self._start(ticks[place:])
            frame, stale = run.at(tick)
            if frame is not shown:
                shown, made = frame, {}
            if size not in made:
                made[size] = self._convert(frame, *size)
            yield made[size], stale

    def _bind(self) -> None:
        self._stream = pictures(self.media)
        self._codec = self._stream.codec_context
        self._tick = float(self._stream.time_base)

    def _start(self, ticks: list[int]) -> _Run:
        """Begin a pass at a keyframe that is shown no later than the first of ``ticks``."""
        first = self._stream.start_time
        back = () if first is not None and ticks[0] <= first else BACK
        for seconds in back:
            target = ticks[0] - int(seconds / self._tick)
            if not self.media.seek(target, self._stream):
                break
            packets = self.media.packets(self._stream)
            key = next((packet for packet in packets if _is_timed_key(packet)), None)
            if key is not None and key.pts <= ticks[0]:
                return _Run(self, chain([key], packets), ticks, key.pts)
            if first is not None and target <= first:
                break
        if not self.media.fresh:
            self.media.reopen()
            self._bind()
        return _Run(self, self.media.packets(self._stream), ticks, None)

    @cached_property
    def _keys(self) -> list[int] | None:
        """Decoding times of all keyframes, where the container's index lists every frame."""
        entries = getattr(self._stream, "index_entries", ())
        if not len(entries) or len(entries) < self._stream.frames or not self._stream.frames:
            return None
        return [entry.timestamp for entry in entries if entry.is_keyframe]

    def _key_within(self, here: int, there: int) -> bool:
        """Whether a keyframe lies between, as far as is known."""
        return self._keys is None or bisect_right(self._keys, here) < bisect_right(
            self._keys, there
        )

    def _convert(self, frame: Any, height: int, width: int) -> Frames:
        turns = round(_rotation(frame) / 90) % 4
        if turns % 2:
            height, width = width, height
        # Scaling to planes and interleaving them here takes half the time that swscale takes to
        # rgb24, and at even widths it does not halve the colour's resolution as swscale does.
        try:
            planar = self._reformatters[height, width].reformat(
                frame, width, height, "gbrp", interpolation=Interpolation.AREA, **SCALING
            )
        except (av.FFmpegError, ValueError) as error:
            raise DecodeError(
                f"{self.media.path}: its pixels ({frame.format.name}) cannot be converted "
                f"({reason(error)})"
            ) from None
        pixels = np.empty((height, width, 3), np.uint8)
        for channel, plane in zip((1, 2, 0), planar.planes, strict=True):
            raw: Any = plane
            lines = np.frombuffer(raw, np.uint8).reshape(-1, plane.line_size)
            pixels[:, :, channel] = lines[:height, :width]
        return np.rot90(pixels, turns) if turns else pixels


class _Run:
    """A sequential decode from one place on, asked for ascending ticks.

    ``key`` is the presentation time of the keyframe that the decode starts at: what is shown before
    it belongs to an earlier group of pictures and does not decode. None at the start of the file.
    """

    def __init__(
        self, reader: VideoReader, packets: Iterator[Any], ticks: list[int], key: int | None
    ) -> None:
        self._codec = reader._codec
        self._skips = self._codec.name in SKIPPABLE
        self._skipping = True  # unknown: an earlier run may have left it so
        # AVI numbers its frames in the order of decoding: the times are right, but each may be
        # another frame's. Frames come out in the order of time, so each takes the earliest left.
        name = reader.media.container.format.name
        self._unordered = name == "avi" and self._codec.name in ("h264", "hevc")
        self._given: list[int] = []
        self._stale = STALE / reader._tick
        self._interval = round(1 / (float(reader._stream.average_rate or 25) * reader._tick)) or 1
        self._past = PAST_END / reader._tick
        self.over = False  # the packets have come to their end
        self._ticks = ticks
        self._failed: list[int] = []  # presentation times of packets that do not decode
        self._decoded = self._decode(packets, key)
        first = next(self._decoded, None)
        if first is None:
            raise DecodeError(
                f"{reader.media.path}: no frame decodes at {ticks[0] * reader._tick:.2f} s"
            )
        self._now = first
        self._next = next(self._decoded, None)

    @property
    def here(self) -> int:
        """The presentation time of the frame last picked."""
        return self._now[0]

    def at(self, tick: int) -> tuple[Any, bool]:
        """The latest frame shown no later than ``tick``; whether it is stale.

        Stale is a frame that stands where others do not decode, or long after the last one.
        """
        while self._next is not None and self._next[0] <= tick:
            self._now = self._next
            self._next = next(self._decoded, None)
        pts, frame = self._now
        if self.over and self._next is None:
            return frame, tick - pts - (getattr(frame, "duration", 0) or 0) > self._past
        return frame, tick - pts > self._stale and any(pts < bad <= tick for bad in self._failed)

    def _decode(self, packets: Iterator[Any], key: int | None) -> Iterator[tuple[int, Any]]:
        """(presentation time, frame), ascending."""
        last: int | None = None
        for frame in self._feed(packets):
            pts = heappop(self._given) if self._given else frame.pts
            if pts is None:  # a raw stream without times
                pts = 0 if last is None else last + self._interval
            if (key is None or pts >= key) and (last is None or pts > last):
                last = pts
                yield pts, frame

    def _feed(self, packets: Iterator[Any]) -> Iterator[Any]:
        """Decode what the ticks need; after the last of them drain the decoder and stop."""
        ahead: deque[Any] = deque(islice(packets, LOOKAHEAD))
        near = sorted(packet.pts for packet in ahead if _is_shown(packet))
        known = not self._unordered and all(packet.pts is not None for packet in ahead)
        first: int | None = None
        while ahead:
            packet = ahead.popleft()
            pts = packet.pts
            if first is not None and known:
                limit = max(self._ticks[-1], first)
                if pts > limit and all(later.pts > limit for later in ahead):
                    break
            skip = False
            if first is not None and known:
                skip = self._skips and pts > first and not self._needs(pts, near)
            elif _is_shown(packet):
                first = pts
            if skip != self._skipping:
                self._codec.skip_frame = "NONREF" if skip else "DEFAULT"
                self._skipping = skip
            if self._unordered:
                heappush(self._given, pts)
            yield from self._send(packet)
            if (new := next(packets, None)) is not None:
                ahead.append(new)
                known = known and new.pts is not None
                if _is_shown(new):
                    insort(near, new.pts)
                    if len(near) > 12 * LOOKAHEAD:
                        del near[: -4 * LOOKAHEAD]
        self.over = not ahead
        yield from self._send(None)

    def _needs(self, pts: int, near: list[int]) -> bool:
        """Whether a tick falls between this frame and the one that is shown after it."""
        later = bisect_right(near, pts)
        place = bisect_left(self._ticks, pts)
        if later == len(near):
            return True
        return place < len(self._ticks) and self._ticks[place] < near[later]

    def _send(self, packet: Any) -> list[Any]:
        try:
            return list(self._codec.decode(packet))
        except av.FFmpegError:
            if packet is not None and packet.pts is not None:
                self._failed.append(packet.pts)
                if packet.pts in self._given:
                    self._given.remove(packet.pts)
            return []


def _is_timed_key(packet: Any) -> bool:
    """Whether a packet is a keyframe whose time was read rather than reckoned.

    MPEG program streams time only the first frame of each of their packets; what FFmpeg reckons
    for the others before it has met one can be several frames off.
    """
    return bool(packet.is_keyframe) and packet.pts is not None and packet.pos is not None


def _is_shown(packet: Any) -> bool:
    """Whether a packet's frame appears: an edit list drops some that others refer to."""
    return packet.pts is not None and not packet.is_discard


def _rotation(frame: Any) -> int:
    return int(getattr(frame, "rotation", 0))
