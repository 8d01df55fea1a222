"""How clips look, from pixels: the picture of what stands still, and how what moves moves.

Two small vectors that nothing was trained for. The scene is the mean of some frames, so that what
moves fades from it. The motion is a histogram of optical flow, less the median flow of each
picture, which is the camera's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from triptych.clips.decode import Frames, VideoReader
from triptych.clustering.whiten import unit
from triptych.errors import UserError
from triptych.explore.sharing.clips import Clips
from triptych.progress import track
from triptych.workers import Done, run_isolated

Floats = npt.NDArray[np.float32]
Spans = tuple[tuple[float, float], ...]

PAIRS = 12  # of frames, spread over a clip
APART = 0.1  # seconds between the two of a pair
HEIGHT, WIDTH = 72, 96  # to which whole frames are squashed
CELLS = 12  # pixels; the scene is the mean colour of squares of this side
DIRECTIONS = 8
SPEEDS = (0.1, 0.3, 0.9)  # widths of the picture a second; slower is still
BINS = 1 + DIRECTIONS * len(SPEEDS)
SECONDS_PER_FILE, SECONDS_PER_CLIP = 60.0, 10.0


@dataclass(frozen=True)
class Looks:
    """Vectors of those clips whose pictures decode, by ascending ``rows`` [n] of the collection."""

    rows: npt.NDArray[np.int64]
    scene: Floats  # [n, 144], the mean picture less its own mean, unit length
    motion: Floats  # [n, 25], not centred
    reasons: dict[int, str]  # why others have none, by row


@dataclass(frozen=True)
class FileSpans:
    """All clips to look at in one file, (start, end) in seconds: it is opened once."""

    path: Path
    spans: Spans


def look(clips: Clips, rows: Sequence[int], *, workers: int) -> Looks:
    """Look at the clips ``rows``; those without pictures are passed over.

    Files are decoded in processes of their own: one that crashes or hangs costs its own clips.
    """
    seen = clips.column("has_video")
    gone: dict[int, str] = {}
    starts, ends = clips.column("start"), clips.column("end")
    by_file: dict[Path, list[int]] = {}
    for row in sorted({row for row in rows if seen[row]}):
        by_file.setdefault(clips.file(row), []).append(row)
    for file in [file for file in by_file if not file.is_file()]:
        gone |= dict.fromkeys(by_file.pop(file), f"{file}: not there")
    wanted = list(by_file.values())
    spans = [tuple((float(starts[row]), float(ends[row])) for row in some) for some in wanted]
    files = [FileSpans(path, some) for path, some in zip(by_file, spans, strict=True)]
    results = run_isolated(look_at_file, files, workers=workers, seconds=_seconds)
    scenes: dict[int, Floats] = {}
    motions: dict[int, Floats] = {}
    for index, result in track(results, len(files), "clips looked at"):
        if not isinstance(result, Done):
            reason = " ".join(f"{value}" for value in vars(result).values())
            gone |= dict.fromkeys(wanted[index], reason)
            continue
        for row, found in zip(wanted[index], result.value, strict=True):
            if isinstance(found, str):
                gone[row] = found
            else:
                scenes[row], motions[row] = found
    kept = sorted(scenes)
    shape = (0, 0) if not kept else (len(kept), -1)
    return Looks(
        np.array(kept, np.int64),
        np.array([scenes[row] for row in kept], np.float32).reshape(shape),
        np.array([motions[row] for row in kept], np.float32).reshape(shape),
        gone,
    )


def look_at_file(file: FileSpans) -> list[tuple[Floats, Floats] | str]:
    """Scene and motion of each clip of a file, or the reason why it has none."""
    found: list[tuple[Floats, Floats] | str] = []
    with VideoReader(file.path) as video:
        for start, end in file.spans:
            first = start + (np.arange(PAIRS) + 0.5) / PAIRS * max(end - start - APART, 0.0)
            times = np.stack([first, first + APART], axis=1).reshape(-1)
            try:
                frames = video.frames(times, HEIGHT, WIDTH)
            except UserError as error:
                found.append(str(error))
            else:
                found.append((scene(frames), motion(frames)))
    return found


def scene(frames: Frames) -> Floats:
    """The mean of ``frames`` (T, height, width, 3) in squares, less its own mean, unit length.

    A dot product of two is the correlation of the two pictures; of one colour it is zeros.
    """
    mean = frames.mean(axis=0, dtype=np.float64)
    tall, wide = mean.shape[0] // CELLS, mean.shape[1] // CELLS
    cells = mean[: tall * CELLS, : wide * CELLS].reshape(tall, CELLS, wide, CELLS, 3).mean((1, 3))
    flat = cells.reshape(-1) - cells.mean()
    # Below the rounding of 8 bits there is nothing to correlate.
    return unit(np.asarray(flat if np.abs(flat).max() > 0.5 else 0 * flat, np.float32))


def motion(frames: Frames) -> Floats:
    """Where and how fast pixels move between each two of ``frames``: roots of shares, [25].

    The first bin is what stands still, the others are directions for each speed. As roots their
    squares sum to 1, and rare motion counts beside all that stands still.
    """
    import cv2  # here: an installation may lack it, see descriptors.needed

    cv2.setNumThreads(1)
    grey = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames]
    counts = np.zeros(BINS)
    for one, other in zip(grey[::2], grey[1::2], strict=True):
        start = np.zeros((*one.shape, 2), np.float32)
        flow = cv2.calcOpticalFlowFarneback(one, other, start, 0.5, 3, 11, 3, 5, 1.1, 0)
        counts += histogram(np.asarray(flow, np.float32))
    return np.asarray(np.sqrt(counts / max(counts.sum(), 1)), np.float32)


def histogram(flow: Floats) -> npt.NDArray[np.float64]:
    """Pixels of each bin in a ``flow`` (height, width, 2) in pixels; the median flow is taken out.

    After what stands still the bins of the slowest follow: left, left and up, up, and so around.
    """
    own = flow - np.median(flow, axis=(0, 1))
    speed = np.hypot(own[..., 0], own[..., 1]) / (flow.shape[1] * APART)
    turn = (np.arctan2(own[..., 1], own[..., 0]) + np.pi) / (2 * np.pi)
    direction = np.floor(turn * DIRECTIONS + 0.5).astype(np.int64) % DIRECTIONS
    level = np.digitize(speed, SPEEDS)
    code = np.where(level == 0, 0, 1 + (level - 1) * DIRECTIONS + direction)
    return np.bincount(code.reshape(-1), minlength=BINS).astype(np.float64)


def _seconds(file: FileSpans) -> float:
    return SECONDS_PER_FILE + SECONDS_PER_CLIP * len(file.spans)
