"""An ordered list of steps: placed in one video, or the videos that hold them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from triptych.embeddings.alignment import points
from triptych.embeddings.catalogue import Catalogue
from triptych.embeddings.column import Doubles, Floats, Rows
from triptych.errors import UsageError
from triptych.explore.comparison import ACROSS, OWN, Comparison, Query
from triptych.explore.moments import grow
from triptych.explore.search import file_number


@dataclass(frozen=True)
class Placed:
    """One step in one video; ``start`` and ``end`` in seconds, None where it has no place."""

    step: int
    words: str
    start: float | None
    end: float | None
    score: float | None
    text: str


@dataclass(frozen=True)
class Placement:
    """The steps in one video: ``score`` is the mean of theirs, 0 for those without a place."""

    path: str
    score: float
    steps: tuple[Placed, ...]

    def row(self) -> dict[str, Any]:
        """As a hit of ``--json``: from the first step's start to the last one's end."""
        times = [(one.start, one.end) for one in self.steps if one.start is not None]
        start, end = times[0][0], max(end for _, end in times if end is not None)
        return {"path": self.path, "start": start, "end": end, "score": self.score, "text": ""}

    def rows(self) -> list[dict[str, Any]]:
        """One flat row for each step."""
        return [
            {"path": self.path, "step": one.step, "words": one.words}
            | {"start": one.start, "end": one.end, "score": one.score, "text": one.text}
            for one in self.steps
        ]


def read_steps(given: str) -> list[str]:
    """The steps of "crack eggs; whisk; pour"; UsageError where they are fewer than two."""
    steps = [" ".join(part.split()) for part in given.split(";")]
    steps = [step for step in steps if step]
    if len(steps) < 2:
        found = f"only {steps[0]!r}" if steps else "nothing"
        raise UsageError(
            f"steps: {found} in {given!r}; give two or more with ; between, or one as the query"
        )
    return steps


def place(
    catalogue: Catalogue,
    words: Sequence[str],
    queries: Sequence[Query],
    top: int = 10,
    *,
    through: Sequence[str] = (),
    own: float = OWN,
    across: float = ACROSS,
    within: str | None = None,
) -> list[Placement]:
    """The ``top`` files that hold the steps in their order, best first; or that of ``within``.

    ``queries`` are the vectors of the ``words``, as for ``search``, and so are the scores of clips.
    In each file every step is put on one clip, a later step on a later clip, so that the sum of
    their scores is highest (``triptych.embeddings.alignment.points``); files are ranked by the mean
    over the steps, ties in the table's order. A step's time is then that of its clip and of the
    neighbours that answer it as well, as for moments, as far as the clips of other steps.

    Exact: files are aligned in the order of a bound on their score, the sum of each step's best
    clip, until none of those left can be among the first.
    """
    if top < 1:
        raise UsageError(f"top={top}: ask for at least one video")
    comparison = Comparison.of(catalogue, queries, through, own, across)
    if within is not None:
        file = file_number(catalogue, within)
        return [_laid_out(catalogue, comparison, words, file)]
    found: list[tuple[float, int]] = []
    bounds, files = _bounds(catalogue, comparison)
    for bound, file in zip(bounds.tolist(), files.tolist(), strict=True):
        if len(found) == top and bound < found[-1][0]:
            break
        score, *_ = _align(catalogue, comparison, file)
        found = sorted([*found, (score, file)], key=lambda one: (-one[0], one[1]))[:top]
    return [_laid_out(catalogue, comparison, words, file) for _, file in found]


def _bounds(catalogue: Catalogue, comparison: Comparison) -> tuple[Doubles, npt.NDArray[np.int64]]:
    """The files and the most that the score of each can be, the highest first."""
    scores, off = comparison.quickly()
    owners = catalogue.values("path")
    if (np.diff(owners) < 0).any():
        order = np.argsort(owners, kind="stable")
        owners, scores = owners[order], scores[:, order]
    files, begins = np.unique(owners, return_index=True)
    best: Floats = np.maximum.reduceat(scores, begins, axis=1)
    # Of fewer clips than steps some steps have no place, which counts 0.
    bounds = np.maximum(best + off[:, None], 0).mean(axis=0)
    order = np.argsort(-bounds, kind="stable")
    return bounds[order], files[order].astype(np.int64)


def _align(catalogue: Catalogue, comparison: Comparison, file: int) -> tuple[float, Any, Any, Any]:
    """The mean score, the file's clips, the steps' scores there (K, clips) and the alignment."""
    line = catalogue.rows_of(file)
    scores = comparison.exactly(line)
    alignment = points(scores.T)
    return alignment.score / len(scores), line, scores, alignment


def _laid_out(
    catalogue: Catalogue, comparison: Comparison, words: Sequence[str], file: int
) -> Placement:
    score, line, scores, alignment = _align(catalogue, comparison, file)
    places = {row: place for place, row in enumerate(line.tolist())}
    taken = {int(line[place]) for place in alignment.starts if place >= 0}
    steps = []
    for step, asked in enumerate(words):
        place = int(alignment.starts[step])
        if place < 0:
            steps.append(Placed(step + 1, asked, None, None, None, ""))
            continue

        def exactly(rows: Rows, of: int = step) -> Doubles:
            return np.asarray(scores[of, [places[row] for row in rows.tolist()]])

        moment = grow(catalogue, int(line[place]), float(scores[step, place]), exactly, taken)
        taken.update(moment.rows)
        clips = catalogue.rows(np.array(moment.rows))
        steps.append(
            Placed(
                step + 1,
                asked,
                min(clip["start"] for clip in clips),
                max(clip["end"] for clip in clips),
                moment.score,
                " ".join(dict.fromkeys(clip["text"] for clip in clips if clip["text"])),
            )
        )
    return Placement(catalogue.files[file], score, tuple(steps))
