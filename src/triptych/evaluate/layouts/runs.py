"""Labels of rows to segments: what stands in a row of equal marks is one."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from triptych.evaluate.layouts.sets import Segment


def spans_of(marked: NDArray[np.bool_], rate: float) -> tuple[Segment, ...]:
    """Each run of marks in each column of (rows, steps) as a segment, in order of time."""
    found = []
    for step in range(marked.shape[1]):
        edges = np.flatnonzero(np.diff(np.r_[0, marked[:, step].astype(np.int8), 0]))
        for first, last in edges.reshape(-1, 2).tolist():
            found.append(Segment(step, first / rate, last / rate))
    return tuple(sorted(found, key=lambda one: (one.start, one.end, one.step)))


def runs(labels: Sequence[str]) -> list[tuple[str, int, int]]:
    """Equal labels of neighbouring rows as one: label, first row, row behind the last."""
    if not labels:
        return []
    changes = [i for i in range(1, len(labels)) if labels[i] != labels[i - 1]]
    edges = [0, *changes, len(labels)]
    return [(labels[first], first, last) for first, last in pairwise(edges)]
