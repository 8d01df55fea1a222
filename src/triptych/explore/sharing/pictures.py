"""The moving pictures of the wall: some frames of each clip, side by side in one image."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from triptych.explore.sharing.clips import Clips
from triptych.explore.sharing.gather import Wall
from triptych.explore.thumbnails import SHAPE, Wish, picture

MOVING, LONGEST = 16, 2.0  # frames of a loop; seconds that it shows, of longer clips the middle
STILL = 3  # frames of the figure, from the clip's start to its end
HEIGHT = 96  # pixels
JPEG = "data:image/jpeg;base64,"


@dataclass(frozen=True)
class Pictures:
    """By the collection's rows; clips that could not be pictured are in none but ``reasons``."""

    loops: Mapping[int, str]  # data URI of ``MOVING`` frames, or of one drawing of a sound
    stills: Mapping[int, list[npt.NDArray[np.uint8]]]  # ``STILL`` frames (height, width, 3)
    reasons: Mapping[int, str]


def pictures(clips: Clips, walls: Sequence[Wall], *, workers: int) -> Pictures:
    """The pictures of every clip that the walls show."""
    rows = sorted({row for wall in walls for one in wall.clusters for row in one.shown})
    wishes: dict[Path, list[Wish]] = {}
    reasons: dict[int, str] = {}
    for row in rows:
        clip, file = clips.about(row), clips.file(row)
        if not file.is_file():
            reasons[row] = "the file is not there"
            continue
        seen = bool(clip["has_video"])
        start, end = moment(clip["start"], clip["end"])
        some = wishes.setdefault(file, [])
        some.append(Wish(f"{row} loop", start, end, seen, frames=MOVING, height=HEIGHT))
        if seen:
            whole = (clip["start"], clip["end"], seen)
            some.append(Wish(f"{row} still", *whole, frames=STILL, height=HEIGHT))
    found, failed = picture(wishes, workers=workers)
    reasons |= {int(key.split()[0]): why for key, why in failed.items()}
    loops = {int(key.split()[0]): uri for key, uri in found.items() if key.endswith("loop")}
    stills = {
        int(key.split()[0]): frames(uri) for key, uri in found.items() if key.endswith("still")
    }
    return Pictures(loops, stills, reasons)


def moment(start: float, end: float) -> tuple[float, float]:
    """The seconds that a loop shows."""
    if end - start <= LONGEST:
        return start, end
    middle = (start + end) / 2
    return middle - LONGEST / 2, middle + LONGEST / 2


def frames(uri: str) -> list[npt.NDArray[np.uint8]]:
    """The frames of a still's data URI."""
    with Image.open(io.BytesIO(base64.b64decode(uri.removeprefix(JPEG)))) as image:
        strip: Any = np.asarray(image.convert("RGB"))
    return list(np.split(strip, STILL, axis=1))


def seconds(start: float, end: float) -> float:
    """How long a loop takes, so that it plays as fast as the video."""
    first, last = moment(start, end)
    return max(last - first, 0.1)


WIDTH = round(HEIGHT * SHAPE)
