"""Points tracked through 15 frames at one scale, and which of them are worth keeping.

Wang and Schmid, ICCV 2013, section 3; Wang et al., Dense Trajectories and Motion Boundary
Descriptors for Action Recognition, IJCV 2013, section 3.1.
"""

from __future__ import annotations

from typing import TypeVar

import cv2
import numpy as np
import numpy.typing as npt

from triptych.descriptors.compiled import compiled
from triptych.descriptors.histograms import BINS, ROWS, WIDTH, describe
from triptych.descriptors.pyramid import PATCH, Floats, Grey

LENGTH = 15
THIRDS = 3
SPACING = 5
QUALITY = 0.001
LEAST_SPREAD, MOST_SPREAD = np.float32(np.sqrt(3)), np.float32(50)
LONGEST_STEP, LONGEST_SHARE = np.float32(20), np.float32(0.7)
LEAST_STEP = np.float32(1)
PLACE = 10
COLUMNS = PLACE + 2 * LENGTH + THIRDS * WIDTH

Slots = npt.NDArray[np.int64]
Number = TypeVar("Number", np.int64, np.float32)


class Tracks:
    """The live points of one level of ``height`` by ``width``, oldest first.

    A point keeps its place in these tables from its birth to its end; ``live`` lists the places.
    """

    def __init__(self, height: int, width: int) -> None:
        self.height, self.width = height, width
        self.live: Slots = np.empty(0, np.int64)
        self._free: Slots = np.empty(0, np.int64)
        self._ages = np.empty(0, np.int64)
        self._points = np.empty((0, LENGTH + 1, 2), np.float32)
        self._steps = np.empty((0, LENGTH, 2), np.float32)
        self._sums = np.empty((0, THIRDS, WIDTH), np.float32)

    def sample(self, grey: Grey) -> None:
        """Begin a point in every cell of 5x5 pixels of ``grey`` that holds none and is not flat."""
        corner = np.asarray(cv2.cornerMinEigenVal(grey, 3, ksize=3), np.float32)
        points = _sample(corner, float(corner.max()) * QUALITY, self._points, self._ages, self.live)
        born = self._take(len(points))
        self._points[born, 0] = points
        self._ages[born] = 0
        self._sums[born] = 0
        self.live = np.concatenate([self.live, born])

    def follow(self, grey: Grey, flow: Floats, steady: Floats) -> None:
        """Move every point by ``flow``, the frame's own, and describe where it was in ``grey``.

        ``steady`` is the flow without the camera's motion. Points that leave the picture end.
        """
        corners = np.empty((len(self.live), 2), np.int32)
        stays = np.empty(len(self.live), np.bool_)
        _move(self._points, self._steps, self._ages, self.live, flow, steady, corners, stays)
        self._end(~stays)
        corners = corners[stays]
        order = np.argsort(corners[:, 1], kind="stable")
        thirds = self._ages[self.live] // (LENGTH // THIRDS)
        describe(grey, steady, corners, order, self.live, thirds, self._sums)
        self._ages[self.live] += 1

    def finished(self, scale: np.float32) -> Floats:
        """The points that have gone 15 steps, which end here: those worth keeping, (n, 436).

        The columns are the original's, but that the first is left 0, and places are not yet divided
        by the size of the video.
        """
        done = self._ages[self.live] == LENGTH
        rows = np.zeros((int(done.sum()), COLUMNS), np.float32)
        kept = _finish(self._points, self._steps, self._sums, self.live[done], scale, rows)
        self._end(done)
        return rows[:kept]

    def _end(self, ends: npt.NDArray[np.bool_]) -> None:
        self._free = np.concatenate([self._free, self.live[ends]])
        self.live = self.live[~ends]

    def _take(self, count: int) -> Slots:
        """So many free places; the tables grow by half where there are fewer."""
        if count > len(self._free):
            size = len(self._ages)
            more = max(count - len(self._free), size // 2)
            self._free = np.concatenate([self._free, np.arange(size, size + more)])
            self._ages = _longer(self._ages, more)
            self._points = _longer(self._points, more)
            self._steps = _longer(self._steps, more)
            self._sums = _longer(self._sums, more)
        taken, self._free = self._free[:count], self._free[count:]
        return taken


def _longer(table: npt.NDArray[Number], more: int) -> npt.NDArray[Number]:
    return np.concatenate([table, np.zeros((more, *table.shape[1:]), table.dtype)])


@compiled
def _sample(corner: Floats, least: float, points: Floats, ages: Slots, live: Slots) -> Floats:
    """The middles of free cells where ``corner`` is above ``least``, (n, 2), by rows."""
    height, width = corner.shape[0] // SPACING, corner.shape[1] // SPACING
    taken = np.zeros((height, width), np.bool_)
    for slot in live:
        x, y = points[slot, ages[slot], 0], points[slot, ages[slot], 1]
        column, row = int(x) // SPACING, int(y) // SPACING
        if column < width and row < height:
            taken[row, column] = True
    found = np.empty((height * width, 2), np.float32)
    count = 0
    for row in range(height):
        for column in range(width):
            x, y = column * SPACING + SPACING // 2, row * SPACING + SPACING // 2
            if not taken[row, column] and corner[y, x] > least:
                found[count, 0], found[count, 1] = x, y
                count += 1
    return found[:count]


@compiled
def _move(
    points: Floats,
    steps: Floats,
    ages: Slots,
    live: Slots,
    flow: Floats,
    steady: Floats,
    corners: npt.NDArray[np.int32],
    stays: npt.NDArray[np.bool_],
) -> None:
    """The next point of every track, its step, and the upper left corner of the patch it leaves."""
    _, height, width = flow.shape
    for one in range(len(live)):
        slot = live[one]
        age = ages[slot]
        from_x, from_y = points[slot, age, 0], points[slot, age, 1]
        middle_x, middle_y = int(np.rint(from_x)), int(np.rint(from_y))
        x = min(max(middle_x, 0), width - 1)
        y = min(max(middle_y, 0), height - 1)
        to_x, to_y = from_x + flow[0, y, x], from_y + flow[1, y, x]
        stays[one] = 0 < to_x < width and 0 < to_y < height
        points[slot, age + 1, 0], points[slot, age + 1, 1] = to_x, to_y
        steps[slot, age, 0], steps[slot, age, 1] = steady[0, y, x], steady[1, y, x]
        corners[one, 0] = min(max(middle_x - PATCH // 2, 0), width - PATCH)
        corners[one, 1] = min(max(middle_y - PATCH // 2, 0), height - PATCH)


@compiled
def _finish(
    points: Floats, steps: Floats, sums: Floats, done: Slots, scale: np.float32, rows: Floats
) -> int:
    """Fill ``rows`` with the tracks of ``done`` that are worth keeping; returns how many."""
    kept = 0
    for slot in done:
        row = rows[kept]
        if _path(points[slot], scale, row) and _steps(steps[slot], scale, row):
            row[6] = scale
            _thirds(sums[slot], row)
            kept += 1
    return kept


@compiled
def _path(points: Floats, scale: np.float32, row: Floats) -> bool:
    """Mean, spread and length of a path; False where it stands still, runs wild or jumps."""
    share = np.float32(1) / np.float32(LENGTH + 1)
    for axis in range(2):
        mean = np.float32(0)
        for at in range(LENGTH + 1):
            mean += points[at, axis] * scale
        mean *= share
        spread = np.float32(0)
        for at in range(LENGTH + 1):
            off = points[at, axis] * scale - mean
            spread += off * off
        row[1 + axis] = mean
        row[3 + axis] = np.sqrt(spread * share)
    length = np.float32(0)
    longest = np.float32(0)
    for at in range(LENGTH):
        x = (points[at + 1, 0] - points[at, 0]) * scale
        y = (points[at + 1, 1] - points[at, 1]) * scale
        step = np.sqrt(x * x + y * y)
        length += step
        longest = max(longest, step)
    row[5] = length
    if row[3] < LEAST_SPREAD and row[4] < LEAST_SPREAD:
        return False
    if row[3] > MOST_SPREAD or row[4] > MOST_SPREAD:
        return False
    return not (longest > LONGEST_STEP and longest > length * LONGEST_SHARE)


@compiled
def _steps(steps: Floats, scale: np.float32, row: Floats) -> bool:
    """The steps without the camera's motion, summing to 1; False where none is above 1 px."""
    total = np.float32(0)
    longest = np.float32(0)
    for at in range(LENGTH):
        x, y = steps[at, 0] * scale, steps[at, 1] * scale
        step = np.sqrt(x * x + y * y)
        total += step
        longest = max(longest, step)
    if longest <= LEAST_STEP:
        return False
    for at in range(LENGTH):
        row[PLACE + 2 * at] = steps[at, 0] * scale / total
        row[PLACE + 2 * at + 1] = steps[at, 1] * scale / total
    return True


@compiled
def _thirds(sums: Floats, row: Floats) -> None:
    """HOG, HOF, MBHx and MBHy, each as the means over three spans of five frames."""
    at = PLACE + 2 * LENGTH
    first = 0
    for bins in BINS:
        for third in range(THIRDS):
            for cell in range(4):
                for bin_ in range(cell * ROWS + first, cell * ROWS + first + bins):
                    row[at] = sums[third, bin_] / np.float32(LENGTH // THIRDS)
                    at += 1
        first += bins
