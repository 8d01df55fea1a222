"""Clips read from their files, whenever they are asked for: the path that needs no cache."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from triptych.clips.audio import AudioReader, Samples
from triptych.clips.decode import DecodeError, Frames, Media, VideoReader
from triptych.clips.sample import ClipSpec, Placement, crop_into, frame_times, window

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

    video: Frames | None = None  # uint8 (frames, size, size, 3)
    audio: Samples | None = None  # float32 (samples,)
    failed: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ReadClip:
    """Reads `FileClip`s in a worker process, which is why it holds no table and no tensor."""

    spec: ClipSpec
    seconds: float  # of the window
    audio_seconds: float

    def __call__(self, clip: FileClip) -> Read:
        """Open the file once and read what is wanted; a modality that fails leaves the other."""
        begin = window(clip.start, clip.end, self.seconds, clip.placement.position)
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
                        frames = read_video(media, begin, clip.end, self.spec)
                        size = self.spec.size
                        out.video = np.empty((len(frames), size, size, 3), np.uint8)
                        crop_into(out.video, frames, clip.placement)
                    else:
                        out.audio = read_audio(
                            media, begin, clip.end, self.audio_seconds, self.spec.sample_rate
                        )
                except DecodeError as error:
                    out.failed[modality] = str(error)
        return out


def read_video(media: Media | Path, begin: float, end: float, spec: ClipSpec) -> Frames:
    """The frames from ``begin`` on, uint8 (frames, store_size, store_size, 3)."""
    with VideoReader(media) as video:
        times = frame_times(begin, spec, end)
        return video.frames(times, spec.store_size, spec.store_size)


def read_audio(media: Media | Path, begin: float, end: float, seconds: float, rate: int) -> Samples:
    """The sound from ``begin`` on, float32 (round(seconds * rate),), zeros after ``end``."""
    out = np.zeros(round(seconds * rate), np.float32)
    with AudioReader(media) as audio:
        sound = audio.samples(begin, min(end, begin + seconds), rate)[: len(out)]
    out[: len(sound)] = sound
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

    def video(self, row: int, window_start: float, spec: ClipSpec) -> Frames:
        """Whole frames, uint8 (frames, store_size, store_size, 3); raises DecodeError."""
        return read_video(self.file(row), window_start, self.span(row)[1], spec)

    def audio(self, row: int, window_start: float, seconds: float, rate: int) -> Samples:
        """Sound, float32 (round(seconds * rate),); raises DecodeError."""
        return read_audio(self.file(row), window_start, self.span(row)[1], seconds, rate)
