"""Small pictures of clips as data URIs: frames of a video, the waveform of a sound."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from triptych.clips.audio import AudioReader
from triptych.clips.decode import VideoReader
from triptych.errors import UserError
from triptych.progress import track
from triptych.workers import Done, run_isolated

SECONDS_PER_FILE = 60.0
QUALITY = 72
SHAPE = 3 / 2  # width over height of every picture
MOST_CROPPED = 0.3  # of a side; a frame that would lose more is framed in black
SOUND_RATE = 8_000
BARS = 48
SOUND_COLOUR = "#8a8f98"  # seen on a light page and on a dark one


@dataclass(frozen=True)
class Wish:
    """One clip to picture: ``frames`` side by side, ``height`` pixels tall."""

    key: str
    start: float
    end: float
    has_video: bool
    frames: int = 1
    height: int = 108


@dataclass(frozen=True)
class FileWishes:
    """All clips to picture of one file: it is opened once."""

    path: Path
    wishes: tuple[Wish, ...]


def picture(
    wishes: Mapping[Path, Iterable[Wish]], *, workers: int
) -> tuple[dict[str, str], dict[str, str]]:
    """(data URI by key, reason by key) of clips that could and could not be pictured.

    Each file is decoded in a process of its own kind, as when it was scanned: one that crashes or
    hangs costs its own pictures.
    """
    files = [FileWishes(path, tuple(some)) for path, some in wishes.items()]
    pictures: dict[str, str] = {}
    reasons: dict[str, str] = {}
    results = run_isolated(picture_file, files, workers=workers, seconds=SECONDS_PER_FILE)
    for index, result in track(results, len(files), "thumbnails"):
        if isinstance(result, Done):
            pictures |= result.value[0]
            reasons |= result.value[1]
        else:
            reason = " ".join(f"{value}" for value in vars(result).values())
            reasons |= {wish.key: reason for wish in files[index].wishes}
    return pictures, reasons


def picture_file(file: FileWishes) -> tuple[dict[str, str], dict[str, str]]:
    """What ``picture`` gives, for the clips of one file."""
    pictures: dict[str, str] = {}
    reasons: dict[str, str] = {}
    for has_video, draw in ((True, _frames), (False, _waveforms)):
        some = [wish for wish in file.wishes if wish.has_video == has_video]
        if some:
            try:
                draw(file.path, some, pictures, reasons)
            except UserError as error:  # the file does not open at all
                reasons |= {wish.key: str(error) for wish in some}
    return pictures, reasons


def _frames(
    path: Path, wishes: list[Wish], pictures: dict[str, str], reasons: dict[str, str]
) -> None:
    with VideoReader(path) as video:
        shape = video.width / max(video.height, 1)
        for wish in wishes:
            inside = (np.arange(wish.frames) + 0.5) / wish.frames
            times = wish.start + inside * (wish.end - wish.start)
            target = wish.height, round(wish.height * SHAPE)
            try:
                frames = video.frames(times, *scaled(shape, *target))
            except UserError as error:
                reasons[wish.key] = str(error)
            else:
                strip = np.concatenate([centred(frame, *target) for frame in frames], axis=1)
                pictures[wish.key] = jpeg(strip)


def _waveforms(
    path: Path, wishes: list[Wish], pictures: dict[str, str], reasons: dict[str, str]
) -> None:
    with AudioReader(path) as sound:
        for wish in wishes:
            try:
                samples = sound.samples(wish.start, wish.end, SOUND_RATE)
            except UserError as error:
                reasons[wish.key] = str(error)
            else:
                pictures[wish.key] = waveform(samples)


def scaled(shape: float, height: int, width: int) -> tuple[int, int]:
    """Height and width to scale a frame of ``shape`` to, before it is cropped or framed."""
    kept = min(shape / (width / height), (width / height) / shape)
    fills = kept >= 1 - MOST_CROPPED
    if (shape > width / height) == fills:
        return height, max(1, round(height * shape))
    return max(1, round(width / shape)), width


def centred(frame: npt.NDArray[np.uint8], height: int, width: int) -> npt.NDArray[np.uint8]:
    """``frame`` in the middle of a picture of that size, black around it or its edges cut."""
    out = np.zeros((height, width, 3), np.uint8)
    tall, wide = min(height, frame.shape[0]), min(width, frame.shape[1])
    top, left = (frame.shape[0] - tall) // 2, (frame.shape[1] - wide) // 2
    to_top, to_left = (height - tall) // 2, (width - wide) // 2
    out[to_top : to_top + tall, to_left : to_left + wide] = frame[
        top : top + tall, left : left + wide
    ]
    return out


def jpeg(frame: npt.NDArray[np.uint8]) -> str:
    """A picture (height, width, 3) as a data URI."""
    file = io.BytesIO()
    Image.fromarray(frame).save(file, "JPEG", quality=QUALITY, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode()


def waveform(samples: npt.NDArray[np.float32]) -> str:
    """Sound, shape (samples,), as bars of its loudness: an SVG data URI.

    Heights are peaks relative to the clip's own loudest, on a square root so that soft sounds show.
    """
    pieces = np.array_split(np.abs(samples), BARS)
    peaks = np.array([piece.max() if len(piece) else 0.0 for piece in pieces])
    heights = np.sqrt(peaks / peaks.max()) if peaks.max() > 0 else peaks
    half = np.maximum(heights * 40, 0.6)
    step = 150 / BARS
    path = "".join(
        f"M{(i + 0.5) * step:.1f} {50 - tall:.1f}v{2 * tall:.1f}" for i, tall in enumerate(half)
    )
    drawing = (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 150 100">'
        f'<path d="{path}" stroke="{SOUND_COLOUR}" stroke-width="2" stroke-linecap="round"/></svg>'
    )
    return "data:image/svg+xml;base64," + base64.b64encode(drawing.encode()).decode()
