"""One pass over a file for several streams of rows: each reads the moments that it asks for.

The frames are decoded once for all streams of pictures, the sound once for all of sound, and never
held but for the windows at hand, so that the length of a film does not matter.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from triptych.clips.audio import AudioReader, Samples
from triptych.clips.decode import DecodeError, Frames, Media, VideoReader
from triptych.clips.media import duration_of
from triptych.clips.sample import crop_into
from triptych.clips.windows import Form, Pictures, Sound, begins, count_rows, frame_moments

Rows = npt.NDArray[np.int64]
F = TypeVar("F", Pictures, Sound)

PIECE = 4 << 20  # bytes of windows that are handed on together
BLOCK = 30.0  # seconds of sound that are decoded together
NOTHING = 60.0  # seconds without a frame, after which a header is taken to promise too much


@dataclass(frozen=True)
class Windows:
    """Rows from ``first`` on of the stream ``stream``, as its network takes them, (n, *shape)."""

    stream: int
    first: int
    values: npt.NDArray[np.uint8] | npt.NDArray[np.float32]


@dataclass(frozen=True)
class Ended:
    """The end of a stream: it has ``rows``, and those handed on beyond are of nothing.

    Of ``lost`` rows most frames do not decode: they are of the frame before.
    """

    stream: int
    rows: int
    lost: int


@dataclass(frozen=True)
class Lacking:
    """Why the streams of a modality have no rows of the file, or no more."""

    modality: str
    reason: str


Heard = Windows | Ended | Lacking


@dataclass(frozen=True)
class Asked:
    """A file: which streams are wanted of it, and how long it is at least, in seconds.

    ``spans`` are the first row and the one after the last of each stream; empty: all of the file.
    """

    path: Path
    streams: tuple[int, ...]
    end: float = 0.0
    spans: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True)
class ReadStreams:
    """Reads the windows of some streams; in a worker process, which is why it holds no tensor."""

    forms: tuple[Form, ...]

    def __call__(self, asked: Asked) -> Iterator[Heard]:
        """The rows of each stream in their order, streams as they come; then their ends.

        What does not open or decode is said as ``Lacking`` and costs its modality only.
        """
        wanted = {name: self._of(asked, name) for name in ("video", "audio")}
        try:
            media = Media(asked.path)
        except DecodeError as error:
            yield from (Lacking(name, str(error)) for name, some in wanted.items() if some)
            return
        try:
            duration = max(asked.end, duration_of(media))
            for name, read in (("video", self._pictures), ("audio", self._sound)):
                if wanted[name]:
                    try:
                        yield from read(media, asked, wanted[name], duration)
                    except DecodeError as error:
                        yield Lacking(name, str(error))
        finally:
            media.close()

    def _of(self, asked: Asked, modality: str) -> list[int]:
        return [stream for stream in asked.streams if self.forms[stream].modality == modality]

    def _forms(self, streams: Sequence[int], kind: type[F]) -> Iterator[tuple[int, F]]:
        for stream in streams:
            form = self.forms[stream]
            assert isinstance(form, kind)
            yield stream, form

    def _rows(self, asked: Asked, stream: int, duration: float) -> npt.NDArray[np.int64]:
        if asked.spans:
            return np.arange(*asked.spans[asked.streams.index(stream)])
        return np.arange(count_rows(duration, self.forms[stream].rate))

    def _pictures(
        self, media: Media, asked: Asked, streams: Sequence[int], duration: float
    ) -> Iterator[Heard]:
        video = VideoReader(media)
        films = [
            _Film(stream, form, self._rows(asked, stream, duration), asked.end, video)
            for stream, form in self._forms(streams, Pictures)
        ]
        parts = [frame_moments(film.rows, film.form, duration).reshape(-1) for film in films]
        times = np.concatenate(parts)
        order = np.argsort(times, kind="stable")  # windows of one stream stay in their order
        owners = np.repeat(np.arange(len(films)), [len(part) for part in parts])[order].tolist()
        places = np.concatenate([np.arange(len(part)) for part in parts])[order].tolist()
        pictures = video.several(times[order], (films[owner].size for owner in owners))
        for owner, place, (frame, stale) in zip(owners, places, pictures, strict=True):
            yield from films[owner].see(place, frame, stale)
        for film in films:
            yield from film.end()
        yield from (film.ended(media.path) for film in films)

    def _sound(
        self, media: Media, asked: Asked, streams: Sequence[int], duration: float
    ) -> Iterator[Heard]:
        reader = AudioReader(media)
        sounds = [
            _Sound(stream, form, self._rows(asked, stream, duration), asked.end, duration)
            for stream, form in self._forms(streams, Sound)
        ]
        while left := [sound for sound in sounds if sound.done < len(sound.begins)]:
            start = min(sound.next for sound in left)
            now = [sound for sound in left if sound.next < start + BLOCK]
            low = math.floor(start)
            high = math.ceil(max(sound.reach(start + BLOCK) for sound in now))
            heard = reader.several(low, high, {sound.form.sample_rate for sound in now})
            for sound in now:
                yield from sound.hear(heard[sound.form.sample_rate], low, start + BLOCK)
            if start > asked.end and not any(samples.any() for samples in heard.values()):
                break  # a header that promises more than there is
        yield from (Ended(sound.stream, sound.good, 0) for sound in sounds)


class _Stream:
    """The rows of one stream, gathered to pieces."""

    def __init__(self, stream: int, form: Form, rows: Rows, known: float) -> None:
        self.stream, self.form, self.rows = stream, form, rows
        self.known = known  # seconds that the file lasts for sure
        self.done = 0  # windows that are whole
        self.good = int(rows[0]) if len(rows) else 0  # the row after the last that shows something
        self._whole: list[npt.NDArray[Any]] = []

    def begun(self, row: int) -> bool:
        """Whether the file lasts for sure when ``row`` begins."""
        return row / self.form.rate < self.known

    def add(self, window: npt.NDArray[Any]) -> Iterator[Windows]:
        """The next window; a piece as soon as there is enough for one."""
        self._whole.append(window)
        self.done += 1
        if len(self._whole) * window.nbytes >= PIECE:
            yield from self.end()

    def end(self) -> Iterator[Windows]:
        """What is left."""
        if self._whole:
            first = int(self.rows[self.done - len(self._whole)])
            yield Windows(self.stream, first, np.stack(self._whole))
            self._whole = []


class _Film(_Stream):
    """The windows of a stream of pictures, filled frame by frame; those that overlap together."""

    def __init__(
        self, stream: int, form: Pictures, rows: Rows, known: float, video: VideoReader
    ) -> None:
        super().__init__(stream, form, rows, known)
        self.form: Pictures = form
        self.size = form.picture(video.height, video.width)
        self.lost: list[int] = []
        self._over = False  # behind the last frame, whatever the header says
        self._filling: dict[int, tuple[Frames, list[bool]]] = {}

    def see(self, place: int, frame: Frames, stale: bool) -> Iterator[Windows]:
        """A frame, which is the ``place``-th of all windows end to end."""
        if self._over:
            return
        number, step = divmod(place, self.form.frames)
        if number not in self._filling:
            self._filling[number] = (np.empty(self.form.shape, np.uint8), [])
        window, stales = self._filling[number]
        crop_into(window[step : step + 1], [frame[None]], self.form.crop)
        stales.append(stale)
        if len(stales) < self.form.frames:
            return
        del self._filling[number]
        row = int(self.rows[number])
        if all(stales) and not self.begun(row):
            self._over = row - self.good > NOTHING * self.form.rate
        if 2 * sum(stales) > len(stales):
            self.lost.append(row)
        if not all(stales):
            self.good = row + 1
        yield from self.add(window)

    def ended(self, path: Path) -> Ended:
        """Raises DecodeError where most of its rows are lost."""
        lost = sum(row < self.good for row in self.lost)
        count = self.good - int(self.rows[0])
        if not count or 2 * lost > count:
            raise DecodeError(
                f"{path}: of {max(count, self.done)} rows of frames "
                f"{lost or self.done} do not decode"
            )
        return Ended(self.stream, self.good, lost)


class _Sound(_Stream):
    """The windows of a stream of sound."""

    def __init__(self, stream: int, form: Sound, rows: Rows, known: float, duration: float) -> None:
        super().__init__(stream, form, rows, known)
        self.form: Sound = form
        self.begins = begins(rows, form, duration)

    @property
    def next(self) -> float:
        """Where the first window begins that has not been heard."""
        return float(self.begins[self.done])

    def reach(self, limit: float) -> float:
        """The end of the last window that begins before ``limit``."""
        before = int(np.searchsorted(self.begins, limit))
        return float(self.begins[before - 1]) + self.form.seconds

    def hear(self, samples: Samples, low: int, limit: float) -> Iterator[Windows]:
        """The windows that begin before ``limit``, out of ``samples`` from ``low`` seconds on."""
        rate = self.form.sample_rate
        for number in range(self.done, int(np.searchsorted(self.begins, limit))):
            window = np.zeros(self.form.samples, np.float32)
            first = round(float(self.begins[number]) * rate) - low * rate
            cut = samples[first : first + self.form.samples]
            window[: len(cut)] = cut
            row = int(self.rows[number])
            if cut.any() or self.begun(row):
                self.good = row + 1
            yield from self.add(window)
        yield from self.end()
