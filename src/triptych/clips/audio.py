"""Sound of a span of a file: mono, at the sample rate asked for, to the sample.

Input is placed by its timestamps on one grid of samples that begins at the file's first timestamp,
and resampled from a grid point that falls on an output sample, so that a span decoded by itself
equals the same span cut from the whole file.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

import av
import numpy as np
import numpy.typing as npt

from triptych.clips.media import DecodeError, Media
from triptych.manifest.tracks import samples_of

Samples = npt.NDArray[np.float32]

PREROLL = 0.5  # seconds decoded before the span: codecs need up to 0.3 s to settle after a seek
EDGE = 0.02  # seconds either side of the span, for the resampler's filter
JITTER = 0.03  # seconds; a larger step between timestamps is a gap
BACK = (0.0, 2.0, 16.0)  # seconds further back that a seek which landed late tries


class AudioReader:
    """The sound of one file: ``with AudioReader(path) as sound: sound.samples(...)``."""

    def __init__(self, path: str | Path | Media) -> None:
        """Open a file, or share one that is open; raises DecodeError where it has no sound."""
        self.media = path if isinstance(path, Media) else Media(path)
        self._owned = not isinstance(path, Media)
        try:
            self._bind()
        except DecodeError:
            self.__exit__()
            raise

    def __enter__(self) -> AudioReader:
        return self

    def __exit__(self, *_: object) -> None:
        if self._owned:
            self.media.close()

    def samples(self, start: float, end: float, sample_rate: int) -> Samples:
        """Mono samples in [-1, 1], shape (round((end - start) * sample_rate),).

        Channels are averaged, the low-frequency one left out. Zeros where the file has no sound.
        Raises DecodeError where sound is there but does not decode.
        """
        return self.several(start, end, (sample_rate,))[sample_rate]

    def several(self, start: float, end: float, rates: Iterable[int]) -> dict[int, Samples]:
        """Like ``samples`` at each of ``rates``; decoded once for all."""
        rate = int(self._codec.sample_rate)
        spans = {}
        for wanted in rates:
            count, first = round((end - start) * wanted), round(start * wanted)
            block = rate // math.gcd(rate, wanted)  # input samples between common grid points
            low = math.floor((first / wanted - EDGE) * rate / block) * block
            spans[wanted] = (low, math.ceil(((first + count) / wanted + EDGE) * rate), first, count)
        begin = min(low for low, *_ in spans.values())
        placed = self._place(begin, max(high for _, high, *_ in spans.values()), rate)
        found = {}
        for wanted, (low, high, first, count) in spans.items():
            sound = self._resample(placed[low - begin : high - begin], rate, wanted)
            skip = first - low * wanted // rate
            out = np.zeros(count, np.float32)
            cut = sound[skip : skip + count]
            out[: len(cut)] = cut
            found[wanted] = np.clip(out, -1.0, 1.0, out=out)
        return found

    def _bind(self) -> None:
        sounds = self.media.container.streams.audio
        if not sounds:
            raise DecodeError(f"{self.media.path}: has no sound")
        self._stream = sounds[0]
        self._codec = self._stream.codec_context
        if not self._codec.is_open:  # a second reader of the same media finds it open
            self._codec.thread_type = "NONE"
            self._codec.thread_count = 1
        if not self._codec.sample_rate:
            raise DecodeError(f"{self.media.path}: its sound has no sample rate")

    def _place(self, low: int, high: int, rate: int) -> Samples:
        """Input samples ``low`` to ``high`` of the grid, mono, zeros where there is no sound."""
        out = np.zeros(high - low, np.float32)
        tick, origin = float(self._stream.time_base), self.media.origin
        run: list[Samples] = []  # frames that follow each other without a gap
        shifts: list[float] = []  # what each one's timestamp says of where the run begins
        length = 0
        for frame in self._frames(low / rate):
            if frame.sample_rate != rate:
                raise DecodeError(f"{self.media.path}: its sound changes its sample rate midway")
            at = length if frame.pts is None else (frame.pts * tick - origin) * rate
            if shifts and abs(at - length - shifts[-1]) > JITTER * rate:
                _lay(out, run, shifts, low)
                run, shifts, length = [], [], 0
            if at >= high + JITTER * rate:
                break
            run.append(_mono(frame))
            shifts.append(at - length)
            length += len(run[-1])
        _lay(out, run, shifts, low)
        return out

    def _frames(self, start: float) -> Iterator[Any]:
        """Decoded frames from ``PREROLL`` before ``start`` on, or from the start of the file."""
        tick = float(self._stream.time_base)
        target = start - PREROLL
        for back in BACK if target > 0 else ():
            seek_to = int((target - back + self.media.origin) / tick)
            if target - back <= 0 or not self.media.seek(seek_to, self._stream):
                break
            frames = self._decode()
            first = next(frames, None)
            if first is None or first.pts is None:
                break
            if first.pts * tick - self.media.origin <= start - PREROLL / 2:
                yield first
                yield from frames
                return
        if not self.media.fresh:
            self.media.reopen()
            self._bind()
        yield from self._decode()

    def _decode(self) -> Iterator[Any]:
        failed = decoded = 0
        for packet in self.media.packets(self._stream):
            try:
                frames = self._codec.decode(packet)
            except av.FFmpegError:
                failed += 1
                continue
            for frame in frames:
                decoded += 1
                yield frame
        if failed and not decoded:
            raise DecodeError(f"{self.media.path}: its sound does not decode")

    @staticmethod
    def _resample(mono: Samples, rate: int, sample_rate: int) -> Samples:
        if rate == sample_rate or not len(mono):
            return mono
        frame = av.AudioFrame.from_ndarray(mono[None], format="fltp", layout="mono")
        frame.sample_rate = rate
        resampler = av.AudioResampler(format="fltp", layout="mono", rate=sample_rate)
        parts = [*resampler.resample(frame), *resampler.resample(None)]
        return np.concatenate([part.to_ndarray()[0] for part in parts])


def decode_audio(path: str | Path, start: float, end: float, sample_rate: int) -> Samples:
    """The sound of a span of a file, see `AudioReader.samples`."""
    with AudioReader(path) as sound:
        return sound.samples(start, end, sample_rate)


def _lay(out: Samples, run: list[Samples], shifts: list[float], low: int) -> None:
    """Write a run where most of its timestamps say: single ones are rounded, or plain wrong.

    (A Vorbis frame between two block sizes is 10 ms off; Matroska, FLV and ASF round to 1 ms.)
    """
    if run:
        sound = np.concatenate(run)
        begin = round(median(shifts)) - low
        first, stop = max(begin, 0), min(begin + len(sound), len(out))
        if first < stop:
            out[first:stop] = sound[first - begin : stop - begin]


def _mono(frame: Any) -> Samples:
    """The mean of a frame's channels as float32, shape (samples,)."""
    values = samples_of(frame)
    channels = frame.layout.channels
    if not frame.format.is_planar:
        values = values.reshape(-1, len(channels)).T
    if values.dtype.kind in "iu":
        values = values.astype(np.float32) / np.float32(2 ** (8 * values.dtype.itemsize - 1))
        if frame.format.name.startswith("u8"):
            values = values - 1.0
    kept = [i for i, channel in enumerate(channels) if channel.name != "LFE"] or [0]
    mono = values[kept].mean(axis=0) if len(kept) > 1 else values[kept[0]]
    return np.asarray(np.nan_to_num(mono, nan=0.0, posinf=0.0, neginf=0.0), np.float32)
