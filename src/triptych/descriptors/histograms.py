"""Histograms of orientations around tracked points: HOG, HOF, MBHx and MBHy of one frame.

Wang and Schmid, ICCV 2013, section 4: a patch of 32x32 pixels has 2x2 cells; in each the
orientations of grey gradients (HOG), of optical flow (HOF), and of the gradients of the flow's x
and y (MBHx, MBHy) vote with their magnitudes, each vote shared by the two nearest of 8 directions.
HOF has a ninth bin for pixels that stand still.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from triptych.descriptors.compiled import compiled
from triptych.descriptors.pyramid import PATCH, Floats, Grey

CELL = PATCH // 2
DIRECTIONS = 8
BINS = (8, 9, 8, 8)
ROWS = sum(BINS)
WIDTH = 4 * ROWS
STILL = np.float32(0.4)
FLOOR = np.float32(0.05)
# Abramowitz and Stegun, 4.4.49, cut at the seventh power and refitted, in eighths of a turn.
ARCTAN = tuple(
    np.float32(c * 4 / np.pi)
    for c in (0.9997878412794807, -0.3258083974640975, 0.1555786518463281, -0.04432655554792128)
)
LINES = PATCH + 1


@compiled
def _votes(along: Floats, down: Floats, still: bool, places: Floats, shares: Floats) -> None:
    """Lower bin of each pixel's vote (w,), and what the lower and the upper bin get (2, w).

    With ``still``, a pixel whose vector is no longer than 0.4 gives one vote to bin 8 instead.
    """
    for x in range(len(along)):
        gx, gy = along[x], down[x]
        size = np.sqrt(gx * gx + gy * gy)
        ax, ay = abs(gx), abs(gy)
        ratio = min(ax, ay) / max(max(ax, ay), np.float32(1e-30))
        square = ratio * ratio
        turn = ratio * (
            ARCTAN[0] + square * (ARCTAN[1] + square * (ARCTAN[2] + square * ARCTAN[3]))
        )
        turn = np.float32(2) - turn if ay > ax else turn
        turn = np.float32(4) - turn if gx < 0 else turn
        turn = np.float32(8) - turn if gy < 0 else turn
        turn = turn - np.float32(8) if turn >= np.float32(8) else turn
        lower = np.floor(turn)
        upper = (turn - lower) * size
        rests = still and size <= STILL
        places[x] = np.float32(8) if rests else lower
        shares[0, x] = np.float32(1) if rests else size - upper
        shares[1, x] = np.float32(0) if rests else upper


@compiled
def _slopes(picture: npt.NDArray[np.generic], y: int, along: Floats, down: Floats) -> None:
    """Differences of the two neighbours along x and along y; 0 at the borders."""
    height, width = picture.shape
    along[0] = along[width - 1] = np.float32(0)
    row = picture[y]
    for x in range(1, width - 1):
        along[x] = np.float32(row[x + 1]) - np.float32(row[x - 1])
    if y in (0, height - 1):
        down[:] = np.float32(0)
        return
    above, below = picture[y - 1], picture[y + 1]
    for x in range(width):
        down[x] = np.float32(below[x]) - np.float32(above[x])


@compiled
def _pour(places: Floats, shares: Floats, sums: Floats) -> None:
    """Add one row's votes to the sums of the rows above it, (bins, w)."""
    for bin_ in range(len(sums)):
        this = np.float32(bin_)
        before = np.float32((bin_ - 1) % DIRECTIONS if bin_ < DIRECTIONS else -1)
        target = sums[bin_]
        for x in range(len(places)):
            vote = shares[0, x] if places[x] == this else np.float32(0)
            vote += shares[1, x] if places[x] == before else np.float32(0)
            target[x] += vote


@compiled
def _across(sums: Floats, fours: Floats, out: Floats) -> None:
    """Sums over the 16 columns from each on, (bins, w); nothing for the last 15, where no cell is.

    ``fours`` (w,) is to work in.
    """
    last = sums.shape[1] - CELL + 1
    for bin_ in range(len(sums)):
        source, target = sums[bin_], out[bin_]
        for x in range(last + 12):
            at = np.uintp(x)
            two = source[at] + source[at + np.uintp(1)]
            fours[at] = two + (source[at + np.uintp(2)] + source[at + np.uintp(3)])
        for x in range(last):
            at = np.uintp(x)
            two = fours[at] + fours[at + np.uintp(4)]
            target[at] = two + (fours[at + np.uintp(8)] + fours[at + np.uintp(12)])


@compiled
def _add_row(grey: Grey, flow: Floats, y: int, work: Floats, sums: Floats) -> None:
    """Add the votes of row ``y`` to the sums by column, (33, w): HOG, HOF, MBHx, MBHy."""
    along, down, places, shares = work[0], work[1], work[2], work[3:5]
    _slopes(grey, y, along, down)
    _votes(along, down, False, places, shares)
    _pour(places, shares, sums[0:8])
    _votes(flow[0, y], flow[1, y], True, places, shares)
    _pour(places, shares, sums[8:17])
    for axis in range(2):
        first = 17 + 8 * axis
        _slopes(flow[axis], y, along, down)
        _votes(along, down, False, places, shares)
        _pour(places, shares, sums[first : first + 8])


@compiled
def _patch(top: Floats, middle: Floats, bottom: Floats, left: int, out: Floats) -> None:
    """Add a patch's 132 numbers to ``out``: of each histogram, cells x by x and y by y, then bins.

    ``top``, ``middle`` and ``bottom`` (33, w) are sums over 16 columns and all rows above the
    patch's upper end, middle and lower end. Each histogram is lifted by 0.05, scaled to sum 1 over
    the four cells, and its roots taken.
    """
    cells = np.empty(4 * 9, np.float32)
    row, at = 0, 0
    for bins in BINS:
        total = np.float32(0)
        for across in range(2):
            x = left + CELL * across
            first = 2 * across * bins
            for bin_ in range(bins):
                between = middle[row + bin_, x]
                upper = max(between - top[row + bin_, x], np.float32(0)) + FLOOR
                lower = max(bottom[row + bin_, x] - between, np.float32(0)) + FLOOR
                total += upper + lower
                cells[first + bin_] = upper
                cells[first + bins + bin_] = lower
        scale = np.float32(1) / total
        for number in range(4 * bins):
            out[at + number] += np.sqrt(cells[number] * scale)
        row += bins
        at += 4 * bins


@compiled
def describe(
    grey: Grey,
    flow: Floats,
    corners: npt.NDArray[np.int32],
    order: npt.NDArray[np.int64],
    slots: npt.NDArray[np.int64],
    thirds: npt.NDArray[np.int64],
    sums: Floats,
) -> None:
    """Add the patches with upper left ``corners`` (n, 2: x, y) to ``sums[slot, third]`` (132,).

    ``order`` sorts them by y: sums are kept for the 33 rows of a patch only.
    """
    height, width = grey.shape
    ring = np.empty((LINES, ROWS, width), np.float32)
    ring[0] = np.float32(0)  # above the first row; no other line is read before it is written
    fours = np.empty(width, np.float32)
    columns = np.zeros((ROWS, width), np.float32)
    work = np.empty((5, width), np.float32)
    next_one = 0
    for y in range(height):
        if next_one == len(order):
            return
        _add_row(grey, flow, y, work, columns)
        end = y + 1
        _across(columns, fours, ring[end % LINES])
        top, middle = ring[(end - PATCH) % LINES], ring[(end - CELL) % LINES]
        while next_one < len(order) and corners[order[next_one], 1] + PATCH == end:
            point = order[next_one]
            sum_ = sums[slots[point], thirds[point]]
            _patch(top, middle, ring[end % LINES], corners[point, 0], sum_)
            next_one += 1
