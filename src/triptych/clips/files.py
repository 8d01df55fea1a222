"""Clips read from their files, whenever they are asked for: the path that needs no cache."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from triptych.clips.audio import AudioReader, Samples
from triptych.clips.decode import DecodeError, Frames, Media, VideoReader
from triptych.clips.sample import ClipSpec, Placement, crop_into, frame_times, starts

if TYPE_CHECKING:
    from triptych.manifest.schema import Manifest


@dataclass(frozen=True)
class FileClip:
    """One clip to read: its file and span, the modalities wanted of it, and where to look."""

    path: Path
    start: float
    end: float
    modalities: tuple[str, ...]
    placement: Placement


@dataclass
class Read:
    """What came of a `FileClip`: arrays, or for each modality that failed one line."""

    video: Frames | None = None  # uint8 (segments * frames, size, size, 3)
    audio: Samples | None = None  # float32 (segments, samples)
    failed: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ReadClip:
    """Reads `FileClip`s in a worker process, which is why it holds no table and no tensor."""

    spec: ClipSpec
    seconds: float  # of a run, pictures and sound
    audio_seconds: float

    def __call__(self, clip: FileClip) -> Read:
        """Open the file once and read what is wanted; a modality that fails leaves the other."""
        begins = starts(clip.start, clip.end, self.seconds, clip.placement.positions)
        out = Read()
        with ExitStack() as stack:
            try:
                media = Media(clip.path, pictures_only=clip.modalities == ("video",))
            except DecodeError as error:
                out.failed = dict.fromkeys(clip.modalities, str(error))
                return out
            stack.callback(media.close)
            for modality in clip.modalities:
                try:
                    if modality == "video":
                        runs = read_video(VideoReader(media), begins, clip.end, self.spec)
                        size = self.spec.size
                        shape = (len(runs) * self.spec.frames, size, size, 3)
                        out.video = np.empty(shape, np.uint8)
                        crop_into(out.video, runs, clip.placement)
                    else:
                        out.audio = read_audio(
                            AudioReader(media),
                            begins,
                            clip.end,
                            self.audio_seconds,
                            self.spec.sample_rate,
                        )
                except DecodeError as error:
                    out.failed[modality] = str(error)
        return out


def read_video(
    video: VideoReader, begins: Sequence[float], end: float, spec: ClipSpec
) -> list[Frames]:
    """The run of frames from each of ``begins`` on, uint8 (frames, *spec.stored, 3) each.

    All in one pass over the file, which seeks from run to run where that saves decoding.
    """
    times = np.concatenate([frame_times(begin, spec, end) for begin in begins])
    return np.split(video.frames(times, *spec.stored), len(begins))


def read_audio(
    audio: AudioReader, begins: Sequence[float], end: float, seconds: float, rate: int
) -> Samples:
    """The sound from each of ``begins`` on, float32 (begins, samples), zeros after ``end``."""
    out = np.zeros((len(begins), round(seconds * rate)), np.float32)
    for row, begin in zip(out, begins, strict=True):
        sound = audio.samples(begin, min(end, begin + seconds), rate)[: len(row)]
        row[: len(sound)] = sound
    return out


class FileClips:
    """The clips of a manifest, decoded from their files."""

    def __init__(self, manifest: Manifest) -> None:
        self.manifest = manifest
        self._paths = manifest.column("path")
        self._starts = manifest.column("start")
        self._ends = manifest.column("end")

    def has(self, modality: str) -> npt.NDArray[np.bool_]:
        """Which clips have the modality, shape (clips,)."""
        return self.manifest.has(modality)

    def span(self, row: int) -> tuple[float, float]:
        """Start and end of a clip in its file, seconds."""
        return float(self._starts[row]), float(self._ends[row])

    def file(self, row: int) -> Path:
        """The file of a clip."""
        return self.manifest.root / str(self._paths[row])

    def video(self, row: int, begins: Sequence[float], spec: ClipSpec) -> list[Frames]:
        """Runs of whole frames, uint8 (frames, *spec.stored, 3) each; raises DecodeError."""
        with VideoReader(self.file(row)) as video:
            return read_video(video, begins, self.span(row)[1], spec)

    def audio(self, row: int, begins: Sequence[float], seconds: float, rate: int) -> Samples:
        """Sound, float32 (begins, round(seconds * rate)); raises DecodeError."""
        with AudioReader(self.file(row)) as audio:
            return read_audio(audio, begins, self.span(row)[1], seconds, rate)
