"""The rows of a file on its time line, as a table of clips has them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from triptych.embeddings.table import EmbeddingTable
from triptych.evaluate.joint import Floats, summed

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class TimeLine:
    """The rows of a file in order of start: ``spans`` (T, 2) seconds, ``vectors`` (T, D)."""

    spans: Numbers
    vectors: Floats


def time_lines(
    table: EmbeddingTable, paths: set[str], through: Sequence[str]
) -> dict[str, TimeLine]:
    """The rows of each of ``paths`` that have any of the modalities, by path, in order of time.

    Of rows that overlap, each has the time that is nearer to its middle than to its neighbours'.
    """
    joint = summed(table, through, complete=False)
    start, end = table.column("start"), table.column("end")
    every = table.column("path").astype(str)
    order = np.lexsort((start + end, every))
    order = order[joint.present[order]]
    sorted_paths = every[order]
    found = {}
    for path in paths:
        first, last = np.searchsorted(sorted_paths, path), np.searchsorted(
            sorted_paths, path, side="right"
        )  # fmt: skip
        rows = order[first:last]
        found[path] = TimeLine(_apart(start[rows], end[rows]), joint.values[rows])
    return found


def _apart(start: Numbers, end: Numbers) -> Numbers:
    """Spans (T, 2) of rows in the order of their middles, cut where they overlap."""
    spans = np.stack([start, end], axis=1).astype(np.float64)
    middle = spans.mean(axis=1)
    between = (middle[1:] + middle[:-1]) / 2
    over = spans[:-1, 1] > spans[1:, 0]
    spans[:-1, 1] = np.where(over, np.minimum(spans[:-1, 1], between), spans[:-1, 1])
    spans[1:, 0] = np.where(over, np.maximum(spans[1:, 0], between), spans[1:, 0])
    return spans
