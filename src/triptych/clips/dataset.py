"""Batches of clips as tensors, from the cache or from the files, in the order asked for."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from triptych.clips.cache import CachedClips
from triptych.clips.decode import DecodeError
from triptych.clips.files import FileClip, FileClips, Read, ReadClip
from triptych.clips.prefetch import Prefetch
from triptych.clips.sample import (
    ClipSpec,
    Placement,
    centre,
    crop_into,
    random_placement,
    starts,
)
from triptych.clips.stored import StoredFeatures
from triptych.clips.texts import Texts
from triptych.encoders.encoder import AudioInput, FeatureInput, Input, TextInput, VideoInput
from triptych.errors import UsageError
from triptych.manifest.schema import Manifest
from triptych.progress import say
from triptych.workers import Crashed, Done, Result, TimedOut, run_isolated

__all__ = ["CachedClips", "ClipBatch", "ClipLoader", "ClipSource", "FileClips", "View"]

Rows = Sequence[int] | npt.NDArray[np.integer[Any]]  # of the manifest, the clips of one batch
DEPTH = 3  # batches made ahead
CLIP_SECONDS = 120.0  # a clip that takes longer to read hangs


@dataclass(frozen=True)
class View:
    """How clips become tensors in one pass over them.

    ``random``: a random window in every segment, a random crop and a mirror image half the time,
    all drawn from ``seed``, the number of the draw in the pass and the row. Else the windows and
    the crop in the middle, not mirrored. Crops that are scaled take one of ``shares`` of the
    frame's shorter side, at random.
    """

    random: bool
    seed: int = 0
    shares: tuple[float, ...] = (1.0,)

    def placement(self, draw: int, row: int, segments: int = 1, scaled: bool = False) -> Placement:
        """Where the ``draw``-th clip of the pass, ``row`` of the manifest, is looked at."""
        if not self.random:
            return centre(segments, scaled)
        shares = self.shares if scaled else ()
        return random_placement(self.seed, draw, row, segments, shares)


@dataclass
class ClipBatch:
    """Some clips. A modality that a clip lacks is zeros, and False in ``present``."""

    rows: Tensor  # int64 (clips,)
    inputs: dict[str, Tensor]  # as each ``Input`` says: frames uint8, sound and features float32
    present: dict[str, Tensor]  # bool (clips,)


class ClipSource(Protocol):
    """Where clips come from; one that fails raises DecodeError and never gives another clip."""

    def has(self, modality: str) -> npt.NDArray[np.bool_]:
        """Which clips hold the modality, shape (clips,)."""

    def span(self, row: int) -> tuple[float, float]:
        """Start and end, in seconds of its file, of what can be read of a clip."""

    def video(
        self, row: int, begins: Sequence[float], spec: ClipSpec
    ) -> list[npt.NDArray[np.uint8]]:
        """The run of whole frames from each of ``begins`` on, uint8 (frames, height, width, 3)."""

    def audio(
        self, row: int, begins: Sequence[float], seconds: float, rate: int
    ) -> npt.NDArray[np.float32]:
        """The sound from each of ``begins`` on, float32 (begins, round(seconds * rate))."""


class ClipLoader:
    """Reads batches ahead of their use: in a thread from a cache, in processes from files.

    The tensors depend on rows and view only, not on ``workers``, stored features not on the view
    either. ``waited`` is the time, in seconds, that the reader of the last pass spent waiting for
    data, of ``total``.
    """

    def __init__(
        self,
        manifest: Manifest,
        source: ClipSource,
        inputs: Mapping[str, Input],
        workers: int = 0,
        stored: Mapping[str, StoredFeatures] = MappingProxyType({}),
    ) -> None:
        self.manifest = manifest
        self.source = source
        self.workers = workers
        self.waited = 0.0
        self.total = 0.0
        self.failed: dict[tuple[int, str], str] = {}  # (row, modality): why
        self._inputs = dict(inputs)
        featured = [name for name, form in inputs.items() if isinstance(form, FeatureInput)]
        self._stored = {name: _stored(stored, name) for name in featured}
        raw = {name: form for name, form in inputs.items() if name not in self._stored}
        self._video = _of_type(raw, "video", VideoInput)
        self._audio = _of_type(raw, "audio", AudioInput)
        self._media: tuple[str, ...] = tuple(name for name in ("video", "audio") if name in raw)
        video, audio = self._video or VideoInput(), self._audio or AudioInput()
        self._segments = _segments(self._video, self._audio)
        self.spec = ClipSpec(
            video.frames,
            video.frame_rate,
            video.size,
            audio.sample_rate,
            self._segments,
            video.resize,
        )
        self._seconds = max(
            [x.seconds for x in (self._video, self._audio) if x is not None], default=0.0
        )
        if isinstance(source, CachedClips):
            source.check(self.spec, self._media)
        self._has = {name: source.has(name) for name in self._media}
        self._has |= {name: features.known for name, features in self._stored.items()}
        form = _of_type(inputs, "text", TextInput)
        # Texts that say nothing to the encoder would all be one cluster: they count as lacking.
        self._texts = None if form is None else Texts(manifest, form)
        if self._texts is not None:
            self._has["text"] = self._texts.known

    def has(self, modality: str) -> npt.NDArray[np.bool_]:
        """Which clips have the modality, (clips,), as far as is known before they are read."""
        known = modality == "text" or modality in self._stored
        return self._has[modality] if known else self.source.has(modality)

    def words(self, rows: npt.NDArray[np.int64]) -> Tensor:
        """The captions of some clips as the encoder of text takes them, (clips, ...)."""
        assert self._texts is not None
        return torch.from_numpy(self._texts.batch(rows))

    def batches(self, rows: Iterable[Rows], view: View, first: int = 0) -> Iterator[ClipBatch]:
        """The clips of each sequence of ``rows``, in that order.

        ``first`` is the number of the first draw, for a pass that is taken up in its middle.
        """
        self.waited = self.total = 0.0
        began = time.monotonic()
        made = self._from_processes if self.workers and self._isolates else self._in_place
        ready = iter(Prefetch(made(rows, view, first), DEPTH))
        while True:
            asked = time.monotonic()
            batch = next(ready, None)
            self.waited += time.monotonic() - asked
            self.total = time.monotonic() - began
            if batch is None:
                return
            yield batch
            self.total = time.monotonic() - began

    @property
    def _isolates(self) -> bool:
        return isinstance(self.source, FileClips) and bool(self._media)

    def _in_place(self, rows: Iterable[Rows], view: View, draw: int) -> Iterator[ClipBatch]:
        for chosen in rows:
            batch = self._empty(chosen)
            for place, row in enumerate(chosen):
                self._fill(batch, place, int(row), self._placement(view, draw, int(row)))
                draw += 1
            yield batch

    def _empty(self, rows: Rows) -> ClipBatch:
        """A batch with words and stored features filled in, and room for pictures and sound."""
        count = len(rows)
        index = np.fromiter((int(row) for row in rows), np.int64, count)
        inputs: dict[str, Tensor] = {}
        if self._video is not None:
            inputs["video"] = torch.empty((count, *self._video.shape), dtype=torch.uint8)
        if self._audio is not None:
            inputs["audio"] = torch.empty((count, *self._audio.shape), dtype=torch.float32)
        if self._texts is not None:
            inputs["text"] = torch.from_numpy(self._texts.batch(index))
        for name, features in self._stored.items():
            inputs[name] = torch.from_numpy(features.batch(index))
        present = {name: torch.from_numpy(self._has[name][index]) for name in self._inputs}
        return ClipBatch(torch.from_numpy(index), inputs, present)

    def _fill(self, batch: ClipBatch, place: int, row: int, placement: Placement) -> None:
        """Read one clip into its place, zeros where it lacks something."""
        begins = starts(*self.source.span(row), self._seconds, placement.positions)
        for name in self._media:
            out = batch.inputs[name].numpy()[place]
            if not self._has[name][row]:
                out[...] = 0
                continue
            try:
                if name == "video":
                    crop_into(out, self.source.video(row, begins, self.spec), placement)
                else:
                    rate = self.spec.sample_rate
                    sound = self.source.audio(row, begins, out.shape[-1] / rate, rate)
                    out[...] = sound.reshape(out.shape)
            except DecodeError as error:
                self._lack(batch, place, row, name, str(error))

    def _lack(self, batch: ClipBatch, place: int, row: int, modality: str, why: str) -> None:
        """Mark a clip absent in a modality that could not be read, and say so once."""
        batch.inputs[modality][place] = 0
        batch.present[modality][place] = False
        if (row, modality) not in self.failed:
            self.failed[row, modality] = why
            say(f"{why}: this clip is left out of {modality} (row {row} of the manifest)")

    def _from_processes(self, rows: Iterable[Rows], view: View, draw: int) -> Iterator[ClipBatch]:
        """Like `_in_place`, each clip read in a process that may crash or hang alone."""
        started: dict[int, ClipBatch] = {}
        missing: dict[int, int] = {}
        places: list[tuple[int, int, int]] = []  # by item: batch, place, row

        def items() -> Iterator[FileClip]:
            count = draw
            for number, chosen in enumerate(rows):
                started[number] = batch = self._empty(chosen)
                wanted = [self._clip(int(r), view, count + i) for i, r in enumerate(chosen)]
                count += len(chosen)
                missing[number] = sum(bool(clip.modalities) for clip in wanted)
                for place, clip in enumerate(wanted):
                    for name in set(self._media) - set(clip.modalities):
                        batch.inputs[name][place] = 0
                for place, clip in enumerate(wanted):
                    if clip.modalities:
                        places.append((number, place, int(chosen[place])))
                        yield clip

        audio_seconds = self._audio.samples / self._audio.sample_rate if self._audio else 0.0
        read = ReadClip(self.spec, self._seconds, audio_seconds)
        turn = 0
        for index, result in run_isolated(
            read, items(), workers=self.workers, seconds=CLIP_SECONDS
        ):
            number, place, row = places[index]
            self._take(started[number], place, row, result)
            missing[number] -= 1
            while missing.get(turn) == 0:
                yield started.pop(turn)
                del missing[turn]
                turn += 1
        while turn in started:
            yield started.pop(turn)
            turn += 1

    def _clip(self, row: int, view: View, draw: int) -> FileClip:
        assert isinstance(self.source, FileClips)
        wanted = tuple(name for name in self._media if self._has[name][row])
        placement = self._placement(view, draw, row)
        return FileClip(self.source.file(row), *self.source.span(row), wanted, placement)

    def _placement(self, view: View, draw: int, row: int) -> Placement:
        scaled = self._video is not None and self._video.crop == "scaled"
        return view.placement(draw, row, self._segments, scaled)

    def _take(self, batch: ClipBatch, place: int, row: int, result: Result[Read]) -> None:
        """Put what a process read into its place."""
        read = result.value if isinstance(result, Done) else Read()
        for name, array in (("video", read.video), ("audio", read.audio)):
            if array is not None:
                out = batch.inputs[name].numpy()[place]
                out[...] = array.reshape(out.shape)
            elif name in self._media and self._has[name][row]:
                self._lack(batch, place, row, name, self._why(row, name, result))
                if not isinstance(result, Done):  # do not bring a process down again
                    self._has[name][row] = False

    def _why(self, row: int, modality: str, result: Result[Read]) -> str:
        if isinstance(result, Done):
            return str(result.value.failed[modality])
        path = str(self.manifest.table["path"][row].as_py())
        if isinstance(result, Crashed):
            return f"{path}: the decoder crashed ({result.reason})"
        if isinstance(result, TimedOut):
            return f"{path}: not read within {result.seconds:.0f} s"
        return f"{path}: {result.error}"


def _segments(video: VideoInput | None, audio: AudioInput | None) -> int:
    if video and audio and video.segments != audio.segments:
        raise UsageError(
            f"video wants {video.segments} segments and audio {audio.segments}: pictures and sound "
            "come from the same moments of a clip; give both as many"
        )
    media = video or audio
    return media.segments if media else 1


def _stored(stored: Mapping[str, StoredFeatures], name: str) -> StoredFeatures:
    if name not in stored:
        raise UsageError(
            f"{name}: the model takes stored features; name their stores as features.{name}"
        )
    return stored[name]


def _of_type(inputs: Mapping[str, Input], name: str, kind: type[Any]) -> Any:
    value = inputs.get(name)
    if value is not None and not isinstance(value, kind):
        raise UsageError(f"{name}: wants a {kind.__name__}, not {type(value).__name__}")
    return value
