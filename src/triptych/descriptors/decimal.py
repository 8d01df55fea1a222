"""Numbers as text, as C's ``printf`` writes them, at the pace of the disk."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from triptych.descriptors.compiled import compiled

TAB, NEWLINE, POINT, MINUS, ZERO = (ord(letter) for letter in "\t\n.-0")
LONGEST = 24  # letters of a number below 10^15 with seven places, its sign and its tab


def lines(rows: npt.NDArray[np.float32], places: npt.NDArray[np.int64]) -> bytes:
    """Rows (n, c) as lines of text, a tab after each number, ``places[j]`` decimals in column j.

    Numbers are finite, and below 10^11 where there are seven places: digits are counted in 64 bits.
    """
    room = np.empty(rows.size * LONGEST + len(rows), np.uint8)
    return room[: _lines(rows, places, room)].tobytes()


@compiled
def _lines(
    rows: npt.NDArray[np.float32], places: npt.NDArray[np.int64], out: npt.NDArray[np.uint8]
) -> int:
    at = 0
    for row in range(len(rows)):
        for column in range(rows.shape[1]):
            at = _number(np.float64(rows[row, column]), places[column], out, at)
            out[at] = TAB
            at += 1
        out[at] = NEWLINE
        at += 1
    return at


@compiled
def _number(value: float, places: int, out: npt.NDArray[np.uint8], at: int) -> int:
    """Write one number from ``at`` on, and return where it ends."""
    if np.signbit(value):
        out[at] = MINUS
        at += 1
        value = -value
    power = 1
    for _ in range(places):
        power *= 10
    digits = np.int64(np.rint(value * power))
    whole = digits // power
    length = 1
    rest = whole
    while rest >= 10:
        rest //= 10
        length += 1
    for place in range(length - 1, -1, -1):
        out[at + place] = ZERO + whole % 10
        whole //= 10
    at += length
    if places:
        out[at] = POINT
        fraction = digits % power
        for place in range(places, 0, -1):
            out[at + place] = ZERO + fraction % 10
            fraction //= 10
        at += places + 1
    return at
