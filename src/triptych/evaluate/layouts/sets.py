"""What the readers give: clips to be found again, and videos whose steps are to be placed.

Both hold what a model takes *before* its heads, beside everything that makes a number mean
something: which clips lack which modality, how many queries count, where the times are from.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from triptych.errors import UserError
from triptych.evaluate.layouts.streams import Spectrograms, side_by_side, spread, windows
from triptych.evaluate.layouts.untrusted import array

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]
NEARLY = 1e-6  # of a row: times that were divided by a rate come back with rounding


class Stream(NamedTuple):
    """Some columns of the features: which network they are of, and how many."""

    name: str
    dim: int


@dataclass(frozen=True)
class RetrievalSet:
    """N clips, each with a caption to find it by; whichever modality a clip lacks is absent."""

    name: str
    ids: tuple[str, ...]  # N
    captions: tuple[str, ...]  # N, "" where there is none
    groups: tuple[str, ...]  # N, the video that a clip is cut from
    video: Floats | None  # [N, D], the streams side by side, each at unit length
    has_video: Bools  # [N]
    streams: tuple[Stream, ...]
    audio: Spectrograms | None  # of N clips
    denominator: int  # queries that recalls are a share of; those beyond N found nothing
    spans: NDArray[np.float64] | None = None  # [N, 2], seconds of the video, where they are known
    protocol: dict[str, Any] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()  # lines for the reader of the terminal

    def __post_init__(self) -> None:
        count = len(self.ids)
        widths = [len(self.captions), len(self.groups), len(self.has_video)]
        widths += [len(one) for one in (self.video, self.audio, self.spans) if one is not None]
        if set(widths) != {count} or self.denominator < count:
            raise ValueError(f"{self.name}: {count} clips, and columns of {widths}")

    def __len__(self) -> int:
        return len(self.ids)

    def has(self, modality: str) -> Bools:
        """Which clips have ``modality`` (video, audio, text), (N,)."""
        if modality == "text":
            return np.array([bool(caption) for caption in self.captions], bool)
        if modality == "audio":
            return np.zeros(len(self), bool) if self.audio is None else self.audio.present
        return self.has_video


class Segment(NamedTuple):
    """One annotation: the place of its step in the video's ``steps``, and seconds."""

    step: int
    start: float
    end: float


@dataclass(frozen=True)
class Source:
    """Rows of features in a file: an array, or one of an archive, or some of its columns."""

    name: str
    path: Path
    key: str = ""
    columns: tuple[int, int] | None = None

    def rows(self) -> NDArray[np.floating]:
        """(rows, columns) as the file has them; raises UserError in one line."""
        found = array(self.path, self.key)
        if found.ndim != 2 or not len(found):
            raise UserError(f"{self.path}: an array of {found.shape}; rows of features are wanted")
        first, last = self.columns or (0, found.shape[1])
        if found.shape[1] < last:
            raise UserError(f"{self.path}: {found.shape[1]} columns; {last} are wanted")
        rows: NDArray[np.floating] = found[:, first:last]
        return rows


@dataclass(frozen=True)
class Timeline:
    """One video: K ordered steps in words, and when each of them is seen."""

    video: str
    task: str  # recalls are averaged over tasks
    steps: tuple[str, ...]  # K, words, in the order in which they are expected
    classes: tuple[int, ...]  # K, the place of each in the set's labels; -1: it is none of them
    segments: tuple[Segment, ...]
    rate: float  # rows a second
    rows: int = 0  # T; 0 where no file says it
    sources: tuple[Source, ...] = ()  # of the pictures
    sound: Source | None = None  # a spectrogram, (bands, frames) of the whole video
    constraints: tuple[Segment, ...] = ()  # where its words say that a step may be

    @property
    def spans(self) -> NDArray[np.float64]:
        """The annotations' seconds, (N, 2)."""
        return np.array([one[1:] for one in self.segments], np.float64).reshape(-1, 2)

    @property
    def of(self) -> NDArray[np.int64]:
        """The step of each annotation, (N,)."""
        return np.array([one.step for one in self.segments], np.int64)

    def truth(self, rows: int = 0) -> Bools:
        """Which steps are seen in each row, (T, K): a row that a segment touches is of it.

        ``rows`` stands for T where the video's own is unknown. Segments beyond T are cut.
        """
        return self._marked(self.segments, rows or self.rows)

    def allowed(self, rows: int = 0) -> Bools:
        """Where the words of the video say that a step may be, (T, K); all where they say nothing.

        CrossTask's release learns by it and its evaluation does not look at it.
        """
        if not self.constraints:
            return np.ones((rows or self.rows, len(self.steps)), bool)
        return self._marked(self.constraints, rows or self.rows)

    def features(self) -> Floats:
        """(T, D): the streams side by side, each row of each at unit length.

        Streams of another number of rows are brought to T. Raises UserError in one line.
        """
        made = side_by_side([spread(source.rows(), self.rows) for source in self.sources])
        if not np.isfinite(made).all():
            raise UserError(f"{self.video}: its features hold NaN or infinity; extract them again")
        return made

    def spectrograms(self) -> Spectrograms | None:
        """The sound around each second, of T clips; None where the video has none."""
        if self.sound is None:
            return None
        found = array(self.sound.path, self.sound.key)
        if found.ndim != 2:
            raise UserError(f"{self.sound.path}: an array of {found.shape}; bands x frames wanted")
        return windows(found, self.rows)

    def _marked(self, segments: tuple[Segment, ...], rows: int) -> Bools:
        marked = np.zeros((rows, len(self.steps)), bool)
        for step, start, end in segments:
            first = int(np.floor(start * self.rate + NEARLY))
            last = int(np.ceil(end * self.rate - NEARLY))
            marked[first:last, step] = True
        return marked


@dataclass(frozen=True)
class LocalizationSet:
    """Videos whose steps are to be placed, and all labels that a row may be given."""

    name: str
    timelines: tuple[Timeline, ...]
    labels: tuple[str, ...]  # words; different labels may have the same
    streams: tuple[Stream, ...] = ()
    parts: Mapping[str, frozenset[str]] = field(default_factory=dict)  # tasks that are also told
    usual: tuple[str, ...] = ()  # KEY=VALUE by which published numbers are made
    protocol: dict[str, Any] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.timelines)

    def alike(self) -> NDArray[np.int64]:
        """Of each label, the first that has the same words, (labels,): text cannot tell them."""
        first: dict[str, int] = {}
        return np.array([first.setdefault(label, i) for i, label in enumerate(self.labels)])
