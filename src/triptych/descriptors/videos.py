"""The videos of a manifest as what a worker process describes, and what it makes of one.

What is made of a video is a file, whole or not there, under a name that tells what it was made
from: a run that was killed goes on by looking which files there are.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch

from triptych.atomic import whole_file
from triptych.clips.media import DecodeError
from triptych.descriptors.choices import Level
from triptych.descriptors.extract import trajectories
from triptych.descriptors.finding import found
from triptych.descriptors.frames import frame_times
from triptych.descriptors.how import How
from triptych.descriptors.model import FisherModel, FisherSettings
from triptych.descriptors.people import Boxes, BoxesError, beside, read_boxes, write_boxes
from triptych.descriptors.pyramid import SizeError
from triptych.descriptors.rows import read_facts, read_frames, read_rows, read_span, write_rows
from triptych.descriptors.sample import Block, Floats, Reservoir
from triptych.descriptors.table import DescriptorTable
from triptych.descriptors.tracks import COLUMNS, LENGTH, PLACE
from triptych.errors import UserError
from triptych.manifest.problems import Problem
from triptych.manifest.schema import Manifest, fingerprint

REVISION = 2  # of the trajectories: those of another are made again
WIDTH = COLUMNS - PLACE  # columns that describe
BLOCK = 4096  # rows that are encoded at once
LONGEST_NAME = 60
Span = tuple[float, float]  # seconds of start and end


@dataclass(frozen=True)
class Video:
    """A video file and what decides its trajectories."""

    root: Path
    path: str  # as the manifest spells it
    fingerprint: str
    pixels: float  # in all of its frames
    how: How
    boxes: Path | None
    frames: float = 0.0
    clips: tuple[Span, ...] = ()  # that get a vector each; none: the video gets one

    @property
    def key(self) -> str:
        """16 hex digits that change with its bytes, its boxes and how its rows are made."""
        boxes = fingerprint(self.boxes) if self.boxes else ""
        how = self.how
        way = f"{how.keypoints}{' fast' * how.fast}"
        parts = [self.path, self.fingerprint, way, boxes, str(REVISION)]
        if how.people:
            parts.append(json.dumps(how.people.facts))
        if how.device:  # other last digits than the compiled program's, whichever device it is
            parts.append("batched")
        return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:16]

    @property
    def facts(self) -> dict[str, Any]:
        """What the file of its rows says of it."""
        return {"video": self.path, **self.how.facts, "boxes": bool(self.boxes)}

    @property
    def file_name(self) -> str:
        """A name for files of it, which no other video has and every disk takes."""
        return f"{re.sub(r'[^A-Za-z0-9._-]', '_', self.path)[-LONGEST_NAME:]}.{self.key}"


def videos_of(
    manifest: Manifest, how: How, boxes: Path | None = None, level: Level = "video"
) -> list[Video]:
    """A video for each file of ``manifest`` that has pictures, by path.

    ``boxes`` is a folder in which their boxes of people lie as the videos do in theirs. At level
    "clip" each has the spans of its clips. Raises UserError where two clips of a video start
    together: their vectors could not be told apart.
    """
    videos: dict[str, Video] = {}
    spans: dict[str, list[Span]] = {}
    rows = manifest.table.filter(manifest.table["has_video"]).to_pylist()
    for row in sorted(rows, key=lambda row: (row["path"], row["end"])):
        path = str(row["path"])
        near = beside(boxes, path) if boxes else None
        frames = row["end"] * row["fps"]
        pixels = frames * row["width"] * row["height"]
        videos[path] = Video(manifest.root, path, row["fingerprint"], pixels, how, near, frames)
        spans.setdefault(path, []).append((row["start"], row["end"]))
    if level == "video":
        return list(videos.values())
    for path, clips in spans.items():
        starts = [round(start * 1000) for start, _ in sorted(clips)]
        twice = next((a for a, b in pairwise(starts) if a == b), None)
        if twice is not None:
            raise UserError(
                f"{manifest.root}: two clips of {path} start at {twice / 1000:g} s, and "
                "descriptors go by path and start; leave one out, or take level=video"
            )
    return [replace(video, clips=tuple(sorted(spans[path]))) for path, video in videos.items()]


@dataclass(frozen=True)
class Store:
    """Where what is made of videos lies."""

    work: Path
    rows: Path  # kept where asked for, else within ``work``

    def rows_of(self, video: Video) -> Path:
        """The file of its trajectories."""
        return self.rows / f"{video.file_name}.parquet"

    def sample_of(self, video: Video, settings: FisherSettings) -> Path:
        """The file of those of its rows that are fitted to."""
        how = f"{settings.rows_per_video}-{settings.seed}"
        return self.work / "samples" / f"{video.file_name}.{how}.npy"

    def boxes_of(self, video: Video) -> Path:
        """The file of the boxes of people that were found in it."""
        return self.work / "boxes" / f"{video.file_name}.csv"

    def has_rows_of(self, video: Video) -> bool:
        """Whether its trajectories are there, whole."""
        return read_facts(self.rows_of(video)) is not None

    def vector_of(self, video: Video, made: str) -> Path:
        """The file of its vectors; ``made`` names the model and which of its vectors."""
        cut = hashlib.sha256(repr(video.clips).encode()).hexdigest()[:8] if video.clips else "whole"
        return self.work / "vectors" / made / f"{video.file_name}.{cut}.parquet"


@dataclass(frozen=True)
class Sample:
    """Stores the rows of a video, and a sample of them; called in a worker process."""

    store: Store
    settings: FisherSettings

    def __call__(self, video: Video) -> Problem | None:
        """None where that went well."""
        return or_problem(video, self._draw)

    def done(self, video: Video) -> bool:
        """Whether that is done."""
        return self.store.sample_of(video, self.settings).exists()

    def _draw(self, video: Video) -> None:
        _keep_rows(video, self.store)
        reservoir = Reservoir(self.settings.rows_per_video, WIDTH, self.settings.seed, video.path)
        for block in _stored(video, self.store):
            reservoir.add(block.astype(np.float16))
        with (
            whole_file(self.store.sample_of(video, self.settings)) as beside_it,
            beside_it.open("wb") as file,
        ):
            np.save(file, reservoir.rows().astype(np.float16))


@dataclass(frozen=True)
class Encode:
    """Stores the vector of a video; called in a worker process."""

    store: Store
    model: FisherModel
    short: bool  # the sketch, not the whole Fisher vector
    made: str
    keep_rows: bool

    def __call__(self, video: Video) -> Problem | None:
        """None where that went well."""
        return or_problem(video, self._encode)

    def done(self, video: Video) -> bool:
        """Whether that is done."""
        kept = not self.keep_rows or self.store.has_rows_of(video)
        return kept and self.store.vector_of(video, self.made).exists()

    def _encode(self, video: Video) -> None:
        if self.keep_rows or video.clips:
            _keep_rows(video, self.store)
        kept = self.store.has_rows_of(video)
        with _one_thread():
            if video.clips:
                file = self.store.rows_of(video)
                parts = [self.model.encode(gathered(rows)) for rows in clip_rows(file, video)]
            else:
                blocks = _stored(video, self.store) if kept else _rounded(video, self.store)
                parts = [self.model.encode(gathered(blocks))]
        vectors = np.stack([part.vector for part in parts])
        DescriptorTable(
            (video.path,) * len(parts),
            self.model.sketch(vectors) if self.short else vectors,
            np.array([part.rows for part in parts], np.int64),
            {"dropped": sum(part.dropped for part in parts)},
            tuple(start for start, _ in video.clips) or None,
        ).write(self.store.vector_of(video, self.made))
        if kept and not self.keep_rows:
            self.store.rows_of(video).unlink()


def clip_rows(file: Path, video: Video) -> Iterator[Iterator[Floats]]:
    """For each clip of ``video`` what describes its trajectories, (n, 426) in blocks.

    A trajectory is of the clips in which the frame in its middle is shown. ``file`` is the table of
    all of the video.
    """
    ends = read_frames(file)
    times = frame_times(video.root / video.path)
    middle = times[ends - LENGTH // 2]
    for start, end in video.clips:
        first, last = np.searchsorted(middle, (start, end))
        yield (block[:, PLACE:] for block in read_span(file, int(first), int(last)))


@contextmanager
def _one_thread() -> Iterator[None]:
    """Sums depend on the number of threads in bits, and the cores have other videos to do."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def gathered(blocks: Iterable[Block], size: int = BLOCK) -> Iterator[Block]:
    """The same rows in blocks of ``size``: what is summed over them goes by the rows alone."""
    held: list[Block] = []
    count = 0
    for block in blocks:
        held.append(block)
        count += len(block)
        if count >= size:
            rows = np.concatenate(held)
            whole = count - count % size
            for start in range(0, whole, size):
                yield rows[start : start + size]
            held, count = [rows[whole:]], count - whole
    if count:
        yield np.concatenate(held)


def _keep_rows(video: Video, store: Store) -> None:
    if not store.has_rows_of(video):
        write_rows(store.rows_of(video), _trajectories(video, store), "parquet", video.facts)


def _stored(video: Video, store: Store) -> Iterator[Floats]:
    for block in read_rows(store.rows_of(video)):
        yield block[:, PLACE:]


def _rounded(video: Video, store: Store) -> Iterator[Floats]:
    """Rows as they would be stored: a vector does not tell whether they were."""
    for block in _trajectories(video, store):
        yield block[:, PLACE:].astype(np.float16).astype(np.float32)


def _trajectories(video: Video, store: Store) -> Iterator[Floats]:
    return trajectories(video.root / video.path, video.how, people_of(video, store))


def people_of(video: Video, store: Store) -> Boxes | None:
    """The boxes of people in it; None where nobody was looked for.

    Found once: what is kept of them is read again, and may be given as boxes to another
    run.
    """
    if video.boxes:
        return read_boxes(video.boxes)
    if not video.how.people:
        return None
    kept = store.boxes_of(video)
    if not kept.exists():
        with _one_thread():
            write_boxes(kept, found(video.root / video.path, video.how.people))
    return read_boxes(kept)


def or_problem(video: Video, make: Callable[[Video], None]) -> Problem | None:
    """What is wrong with this video; what is wrong for all of them, as a full disk, is raised."""
    try:
        make(video)
    except DecodeError as error:
        kind, why = "damaged", str(error)
        if "cannot be opened" in why:
            kind = "unreadable"
        elif "has no video" in why:
            kind = "no-video"
    except SizeError as error:
        kind, why = "size", str(error)
    except BoxesError as error:
        kind, why = "boxes", str(error)
    except (OSError, UserError):
        raise
    except Exception as error:
        kind, why = "crashed", f"{type(error).__name__}: {' '.join(str(error).split())}"
    else:
        return None
    reason = why.removeprefix(f"{video.root / video.path}: ")
    return Problem(video.path, kind, reason, "not described")
