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
ROOM = 40  # numbers of a pixel: the 33 bins, and what makes whole vectors of them
STILL = np.float32(0.4)
FLOOR = np.float32(0.05)
# Abramowitz and Stegun, 4.4.49, cut at the seventh power and refitted, in eighths of a turn.
ARCTAN = tuple(
    np.float32(c * 4 / np.pi)
    for c in (0.9997878412794807, -0.3258083974640975, 0.1555786518463281, -0.04432655554792128)
)
LINES = PATCH + 1


@compiled
def _votes(
    along: Floats, down: Floats, still: bool, places: npt.NDArray[np.int32], shares: Floats
) -> None:
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
        places[x] = np.int32(8) if rests else np.int32(lower)
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
def _pour(places: npt.NDArray[np.int32], shares: Floats, first: int, sums: Floats) -> None:
    """Add one row's votes to the sums of the rows above it, (w, 40), from bin ``first`` on.

    The ninth bin's votes have no share for another.
    """
    for x in range(len(places)):
        lower = np.uintp(places[x])
        upper = (lower + np.uintp(1)) & np.uintp(DIRECTIONS - 1)
        sums[x, np.uintp(first) + lower] += shares[0, x]
        sums[x, np.uintp(first) + upper] += shares[1, x]


@compiled
def _across(sums: Floats, out: Floats) -> None:
    """Sums over the 16 columns from each on, (w, 40); nothing for the last 15, where no cell is.

    From one to the next a column is added and one taken away: in float32 that rounds no worse than
    the sums down the columns do.
    """
    flat, target = sums.ravel(), out.ravel()
    for bin_ in range(ROOM):
        target[bin_] = np.float32(0)
        for column in range(CELL):
            target[bin_] += sums[column, bin_]
    for at in range((len(sums) - CELL) * ROOM):
        to = np.uintp(at) + np.uintp(ROOM)
        change = flat[np.uintp(at) + np.uintp(CELL * ROOM)] - flat[np.uintp(at)]
        target[to] = target[np.uintp(at)] + change


@compiled
def _add_row(
    grey: Grey, flow: Floats, y: int, work: Floats, places: npt.NDArray[np.int32], sums: Floats
) -> None:
    """Add the votes of row ``y`` to the sums by column, (w, 40): HOG, HOF, MBHx, MBHy."""
    along, down, shares = work[0], work[1], work[2:4]
    _slopes(grey, y, along, down)
    _votes(along, down, False, places, shares)
    _pour(places, shares, 0, sums)
    _votes(flow[0, y], flow[1, y], True, places, shares)
    _pour(places, shares, 8, sums)
    for axis in range(2):
        _slopes(flow[axis], y, along, down)
        _votes(along, down, False, places, shares)
        _pour(places, shares, 17 + 8 * axis, sums)


@compiled
def _level(cells: Floats, first: int, end: int) -> None:
    """In the fifth forty, from the sums of some bins over the cells what scales them to sum 1."""
    total = np.float32(0)
    for bin_ in range(4 * ROOM + first, 4 * ROOM + end):
        total += cells[bin_]
    cells[4 * ROOM + first : 4 * ROOM + end] = np.float32(1) / total


@compiled
def _patch(
    top: Floats, middle: Floats, bottom: Floats, left: int, cells: Floats, out: Floats
) -> None:
    """Add a patch's 132 numbers to ``out``: cells x by x and y by y, of each the 33 bins.

    ``top``, ``middle`` and ``bottom`` (w, 40) are sums over 16 columns and all rows above the
    patch's upper end, middle and lower end. Each histogram is lifted by 0.05, scaled to sum 1 over
    the four cells, and its roots taken. ``cells`` (200,) is to work in.
    """
    cells[4 * ROOM :] = np.float32(0)
    for across in range(2):
        x = left + CELL * across
        above, between, below = top[x], middle[x], bottom[x]
        first = np.uintp(2 * ROOM * across)
        for bin_ in range(ROOM):
            at = np.uintp(bin_)
            upper = max(between[bin_] - above[bin_], np.float32(0)) + FLOOR
            lower = max(below[bin_] - between[bin_], np.float32(0)) + FLOOR
            cells[first + at] = upper
            cells[first + at + np.uintp(ROOM)] = lower
            cells[np.uintp(4 * ROOM) + at] += upper + lower
    _level(cells, 0, 8)
    _level(cells, 8, 17)
    _level(cells, 17, 25)
    _level(cells, 25, 33)
    for cell in range(4):
        first, target = np.uintp(cell * ROOM), out[cell * ROWS : (cell + 1) * ROWS]
        for bin_ in range(ROWS):
            at = np.uintp(bin_)
            target[bin_] += np.sqrt(cells[first + at] * cells[np.uintp(4 * ROOM) + at])


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
    ring = np.empty((LINES, width, ROOM), np.float32)
    ring[0] = np.float32(0)  # above the first row; no other line is read before it is written
    columns = np.zeros((width, ROOM), np.float32)
    work, places = np.empty((4, width), np.float32), np.empty(width, np.int32)
    cells = np.empty(5 * ROOM, np.float32)
    next_one = 0
    for y in range(height):
        if next_one == len(order):
            return
        _add_row(grey, flow, y, work, places, columns)
        end = y + 1
        _across(columns, ring[end % LINES])
        top, middle = ring[(end - PATCH) % LINES], ring[(end - CELL) % LINES]
        while next_one < len(order) and corners[order[next_one], 1] + PATCH == end:
            point = order[next_one]
            sum_ = sums[slots[point], thirds[point]]
            _patch(top, middle, ring[end % LINES], corners[point, 0], cells, sum_)
            next_one += 1
