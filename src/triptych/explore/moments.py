"""Moments: neighbouring clips of one file that all answer a query, as one stretch of time.

A long video is cut into clips wherever its captions or the clock say, not where what was asked for
begins and ends. So from each of the best clips a stretch grows to both sides, over clips that touch
it and whose score is at least ``SHARE`` of the best one's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np

from triptych.embeddings.catalogue import Catalogue
from triptych.embeddings.column import Doubles, Rows

SHARE = 0.8
PAUSE = 1.0  # seconds between two clips that still touch: captions leave such gaps
AT_ONCE = 32  # neighbours that are scored together

Scores = Callable[[Rows], Doubles]


@dataclass(frozen=True)
class Moment:
    """The rows of clips of one file, in the order of their start; ``score`` is of the ``best``."""

    rows: list[int]
    best: int
    score: float


def single(catalogue: Catalogue, ranked: Iterable[tuple[int, float]], top: int) -> Iterator[Moment]:
    """The first ``top`` clips, each by itself."""
    del catalogue
    return (Moment([row], row, score) for row, score in islice(ranked, top))


def join(
    catalogue: Catalogue,
    ranked: Iterable[tuple[int, float]],
    exactly: Scores,
    top: int,
    share: float = SHARE,
) -> Iterator[Moment]:
    """The first ``top`` moments of the clips ``ranked``, best first.

    Each clip is in one moment, that of the best clip. ``exactly`` scores any clips.
    """
    taken: set[int] = set()
    made = 0
    for row, score in ranked:
        if row in taken:
            continue
        moment = grow(catalogue, row, score, exactly, taken, share)
        taken.update(moment.rows)
        yield moment
        made += 1
        if made == top:
            return


def grow(
    catalogue: Catalogue,
    row: int,
    score: float,
    exactly: Scores,
    taken: set[int],
    share: float = SHARE,
) -> Moment:
    """The moment around the clip ``row``, of clips that are not ``taken``.

    A score of 0 is that of an average clip: from one at or below it nothing grows.
    """
    if score <= 0:
        return Moment([row], row, score)
    line = catalogue.rows_of(int(catalogue.values("path")[row]))
    starts, ends = catalogue.values("start")[line], catalogue.values("end")[line]
    place = int(np.flatnonzero(line == row)[0])
    begin, end = float(starts[place]), float(ends[place])
    found = [row]
    for at, value in _along(line, range(place + 1, len(line)), exactly):
        if starts[at] > end + PAUSE or value < share * score or int(line[at]) in taken:
            break
        found.append(int(line[at]))
        end = max(end, float(ends[at]))
    for at, value in _along(line, range(place - 1, -1, -1), exactly):
        if ends[at] < begin - PAUSE or value < share * score or int(line[at]) in taken:
            break
        found.insert(0, int(line[at]))
        begin = float(starts[at])
    return Moment(found, row, score)


def _along(line: Rows, places: range, exactly: Scores) -> Iterator[tuple[int, float]]:
    """The places in turn and the scores of the clips there, scored as they are needed."""
    for first in range(0, len(places), AT_ONCE):
        some = places[first : first + AT_ONCE]
        yield from zip(some, exactly(line[list(some)]).tolist(), strict=True)
