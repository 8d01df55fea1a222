"""The steps of videos and when they truly happen, from a CSV: one row a step."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from triptych.errors import UserError
from triptych.evaluate.csv_rows import Paths, read_rows, some

PATH_COLUMNS = ("path", "file", "filename")
WORD_COLUMNS = ("words", "text", "label", "action", "step")
NEEDS = "columns path, start, end (seconds) and one of words"


@dataclass(frozen=True)
class Steps:
    """One video: the ``words`` of the K steps to place in it, in order, and the true spans."""

    path: str
    words: tuple[str, ...]
    spans: NDArray[np.float64]  # (N, 2) seconds
    of: NDArray[np.int64]  # (N,) which of the K each span is
    task: str = ""

    def __post_init__(self) -> None:
        if self.spans.shape != (len(self.of), 2) or not self.words:
            raise ValueError(f"{self.path}: {len(self.of)} labels, spans {self.spans.shape}")
        if len(self.of) and not 0 <= self.of.min() <= self.of.max() < len(self.words):
            raise ValueError(f"{self.path}: spans of steps that are not among {len(self.words)}")

    @property
    def labels(self) -> NDArray[np.int64]:
        """The place of each step's words in ``wordings``, (K,): steps of the same words are one."""
        return self._labelled[1]

    @property
    def wordings(self) -> NDArray[np.str_]:
        """The different words of the steps, in the order of letters."""
        return self._labelled[0]

    @cached_property
    def _labelled(self) -> tuple[NDArray[np.str_], NDArray[np.int64]]:
        found, of = np.unique(np.array(self.words), return_inverse=True)
        return found, of.astype(np.int64)


def read_steps(path: Path, target: str | None = None) -> tuple[list[Steps], bool]:
    """The steps of every file of a CSV, each in order of start; and whether it had a split.

    Columns: ``path`` (or ``file``, ``filename``), ``start`` and ``end`` in seconds, the words of
    the step (``target``, or the first there is of words, text, label, action, step); optional
    ``task``, and ``split``: then only rows of ``test`` are read. A step that is met twice in a file
    is two. Raises UserError in one line.
    """
    header, rows = read_rows(path, NEEDS)
    keys = [name for name in PATH_COLUMNS if name in header]
    wanted = [target] if target else [name for name in WORD_COLUMNS if name in header]
    missing = [name for name in ("start", "end", *wanted[:1]) if name not in header]
    if not keys or not wanted or missing:
        lack = "path" if not keys else missing[0] if missing else "words"
        raise UserError(
            f"{path}: no column {lack!r} among {', '.join(header)}; it needs {NEEDS}, which "
            "--target names"
        )
    split = "split" in header
    found: dict[str, list[tuple[float, float, str, str]]] = {}
    for number, cells in rows:
        row = dict(zip(header, cells, strict=True))
        if split and row["split"].lower() != "test":
            continue
        start, end = _span(path, number, row["start"], row["end"])
        if not row[wanted[0]] or not row[keys[0]]:
            empty = wanted[0] if row[keys[0]] else keys[0]
            raise UserError(f"{path}: line {number} has an empty {empty!r}")
        place = start, end, row[wanted[0]], row.get("task", "")
        found.setdefault(row[keys[0]], []).append(place)
    if not found:
        raise UserError(f"{path}: its column split has no 'test'; name the tested rows so")
    return [_of_file(path, name, each) for name, each in found.items()], split


def in_order(videos: Sequence[Steps], order: str) -> list[Steps]:
    """What is to be placed: the steps that each file has, or those of its task.

    "file": as they are, in the file's own order. "none": each once, in no order that counts.
    "task": every step that a file of the task has, once, in the order of their mean place in these
    files, so that some are in a file's list and not in the file.
    """
    if order == "file":
        return list(videos)
    if order == "none":
        return [_listed(video, tuple(dict.fromkeys(video.words))) for video in videos]
    if any(not video.task for video in videos):
        raise UserError("order=task: the steps have no column task; take order=file")
    places: dict[str, dict[str, list[float]]] = {}
    for video in videos:
        for place, word in enumerate(video.words):
            of_task = places.setdefault(video.task, {})
            of_task.setdefault(word, []).append((place + 0.5) / len(video.words))
    listed = {
        task: tuple(sorted(of, key=lambda word: (float(np.mean(of[word])), word)))
        for task, of in places.items()
    }
    return [_listed(video, listed[video.task]) for video in videos]


def _listed(video: Steps, words: tuple[str, ...]) -> Steps:
    """The video with the steps ``words`` to place, which hold all of its own."""
    of = np.array([words.index(video.words[step]) for step in video.of], np.int64)
    return replace(video, words=words, of=of)


def located(
    videos: Sequence[Steps], paths: Sequence[str], root: Path
) -> tuple[list[Steps], list[str]]:
    """The videos under the names that the collection gives them, and those that it has not.

    ``paths`` are the collection's, relative to ``root``; see `Paths` for how they may be written.
    """
    meant = Paths(set(paths), [video.path for video in videos], root)
    found, unknown = [], []
    for video in videos:
        place = meant.by(video.path)
        if place is None:
            unknown.append(video.path)
        else:
            found.append(replace(video, path=place))
    if not found:
        raise UserError(
            f"steps: none of the {len(unknown)} files is in the embeddings; the steps say "
            f"{some(unknown)}, the embeddings say {some(sorted(set(paths)))}"
        )
    return found, unknown


def _of_file(source: Path, name: str, rows: list[tuple[float, float, str, str]]) -> Steps:
    rows = sorted(rows, key=lambda row: row[:2])
    tasks = {task for *_, task in rows}
    if len(tasks) > 1:
        raise UserError(f"{source}: {name!r} is of two tasks, {some(sorted(tasks))}; keep one")
    spans = np.array([row[:2] for row in rows], np.float64)
    words = tuple(row[2] for row in rows)
    return Steps(name, words, spans, np.arange(len(rows)), tasks.pop())


def _span(path: Path, number: int, start: str, end: str) -> tuple[float, float]:
    try:
        span = float(start), float(end)
    except ValueError:
        raise UserError(
            f"{path}: line {number}: {start!r} to {end!r} are not seconds; write them as 12.5"
        ) from None
    if not 0 <= span[0] < span[1] < math.inf:
        raise UserError(f"{path}: line {number}: a step from {start} to {end} seconds")
    return span
