"""Displacements from two frames' quadratic models, the second half of Farneback's optical flow.

Farneback, SCIA 2003, sections 4 and 5: where a quadratic moves by ``d``, its linear part changes by
``-2 A d``; over a Gaussian window of 11x11 pixels (sigma 1.5) that is solved for ``d`` in the least
squares. The window and the weight of the border are those of improved dense trajectories (Wang and
Schmid, ICCV 2013), which took them from OpenCV.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from triptych.descriptors.compiled import compiled

Floats = npt.NDArray[np.float32]

HALF = 5
_GAUSSIAN = np.exp(-(np.arange(-HALF, HALF + 1) ** 2) / (2 * 1.5**2))
TAPS = tuple(np.float32(tap) for tap in _GAUSSIAN[HALF:] / _GAUSSIAN.sum())
BORDER = (np.float32(0.14), np.float32(0.14), *(np.float32(0.4472),) * 3)
REGULAR = np.float32(1e-3)


@compiled
def _trust(place: int, size: int) -> np.float32:
    """How much a pixel counts: less within five pixels of a border, where models see no picture."""
    weight = np.float32(1)
    if place < len(BORDER):
        weight *= BORDER[place]
    if place >= size - len(BORDER):
        weight *= BORDER[size - place - 1]
    return weight


@compiled
def weave(models: Floats) -> Floats:
    """The five coefficients of each pixel side by side, from ``models`` (5, h, w).

    Displacements lead to a pixel here and a pixel there, and what is read of it lies together.
    """
    terms, height, width = models.shape
    out = np.empty(terms * height * width, np.float32)
    for y in range(height):
        row = out[y * width * terms : (y + 1) * width * terms]
        first, second, third = models[0, y], models[1, y], models[2, y]
        fourth, fifth = models[3, y], models[4, y]
        for x in range(width):
            at = np.uintp(x) * np.uintp(5)
            row[at] = first[x]
            row[at + np.uintp(1)] = second[x]
            row[at + np.uintp(2)] = third[x]
            row[at + np.uintp(3)] = fourth[x]
            row[at + np.uintp(4)] = fifth[x]
    return out


@compiled
def _carry(there: Floats, height: int, flow: Floats, y: int, room: Floats, carried: Floats) -> None:
    """The models of the second frame at the end of row ``y``'s displacements, bilinear (6, w).

    The sixth is 1 where the end is within the second frame, and 0 elsewhere, as are the others.
    ``there`` is woven; ``room`` (5, w) is to work in.
    """
    flow_x, flow_y = flow[0, y], flow[1, y]
    width = len(flow_x)
    corner, inside = room[4], carried[5]
    most_x, most_y = np.float32(width - 2), np.float32(height - 2)
    one, none = np.float32(1), np.float32(0)
    for x in range(width):
        to_x, to_y = np.float32(x) + flow_x[x], np.float32(y) + flow_y[x]
        left, top = np.floor(to_x), np.floor(to_y)
        right, down = to_x - left, to_y - top
        near_x, near_y = min(max(left, none), most_x), min(max(top, none), most_y)
        inside[x] = one if (left == near_x) & (top == near_y) else none
        upper, lower = inside[x] * (one - down), inside[x] * down
        room[0, x], room[1, x] = upper * (one - right), upper * right
        room[2, x], room[3, x] = lower * (one - right), lower * right
        corner[x] = near_y * np.float32(width) + near_x
    _blend(there, room, carried)


@compiled
def _blend(there: Floats, room: Floats, carried: Floats) -> None:
    """Of each pixel the four corners, the first at ``room[4]``, by their shares ``room[:4]``."""
    upper_left, upper_right, lower_left, lower_right = room[0], room[1], room[2], room[3]
    first, second, third = carried[0], carried[1], carried[2]
    fourth, fifth, corner = carried[3], carried[4], room[4]
    line = np.uintp(5 * len(corner))
    for x in range(len(corner)):
        at = np.uintp(corner[x]) * np.uintp(5)
        below = at + line
        a, b, c, d = upper_left[x], upper_right[x], lower_left[x], lower_right[x]
        first[x] = (
            a * there[at]
            + b * there[at + np.uintp(5)]
            + c * there[below]
            + d * there[below + np.uintp(5)]
        )
        second[x] = (
            a * there[at + np.uintp(1)]
            + b * there[at + np.uintp(6)]
            + c * there[below + np.uintp(1)]
            + d * there[below + np.uintp(6)]
        )
        third[x] = (
            a * there[at + np.uintp(2)]
            + b * there[at + np.uintp(7)]
            + c * there[below + np.uintp(2)]
            + d * there[below + np.uintp(7)]
        )
        fourth[x] = (
            a * there[at + np.uintp(3)]
            + b * there[at + np.uintp(8)]
            + c * there[below + np.uintp(3)]
            + d * there[below + np.uintp(8)]
        )
        fifth[x] = (
            a * there[at + np.uintp(4)]
            + b * there[at + np.uintp(9)]
            + c * there[below + np.uintp(4)]
            + d * there[below + np.uintp(9)]
        )


@compiled
def _equations(
    here: Floats, there: Floats, flow: Floats, y: int, trust: Floats, room: Floats, out: Floats
) -> None:
    """The normal equations of row ``y``, unsmoothed: three numbers of the matrix, two beside it.

    They lie one after another in ``out`` (5 (w + 10),), each with room for five more at its ends.
    """
    carried = room[5:]
    _carry(there, flow.shape[1], flow, y, room, carried)
    width = flow.shape[2]
    stride = width + 2 * HALF
    first, second, third = out[HALF:], out[stride + HALF :], out[2 * stride + HALF :]
    fourth, fifth = out[3 * stride + HALF :], out[4 * stride + HALF :]
    row_trust = trust[0, y]
    half = np.float32(0.5)
    for x in range(width):
        inside = carried[5, x]
        share = half * inside
        yy = here[2, y, x] * (np.float32(1) - share) + carried[2, x] * half
        xx = here[3, y, x] * (np.float32(1) - share) + carried[3, x] * half
        xy = (here[4, y, x] * (np.float32(1) - share) + carried[4, x] * half) * half
        dy = (here[0, y, x] - carried[0, x]) * half
        dx = (here[1, y, x] - carried[1, x]) * half
        weight = row_trust * trust[1, x]
        yy *= weight
        xx *= weight
        xy *= weight
        dy = dy * weight + yy * flow[1, y, x] + xy * flow[0, y, x]
        dx = dx * weight + xy * flow[1, y, x] + xx * flow[0, y, x]
        first[x] = yy * yy + xy * xy
        second[x] = (yy + xx) * xy
        third[x] = xx * xx + xy * xy
        fourth[x] = yy * dy + xy * dx
        fifth[x] = xy * dy + xx * dx


@compiled
def refine(here: Floats, there: Floats, flow: Floats, out: Floats) -> None:
    """One iteration: better displacements ``out`` (2: x, y; h, w) from ``flow`` of that shape.

    ``here`` (5, h, w) are the models of the first frame, ``there`` those of the second, woven.
    """
    _, height, width = here.shape
    trust = np.empty((2, max(height, width)), np.float32)
    for y in range(height):
        trust[0, y] = _trust(y, height)
    for x in range(width):
        trust[1, x] = _trust(x, width)
    lines = 2 * HALF + 1
    stride = width + 2 * HALF
    ring = np.zeros((lines, 5 * stride), np.float32)
    room = np.empty((11, width), np.float32)
    smooth = np.empty(5 * stride, np.float32)
    row = np.empty((5, width), np.float32)
    for y in range(min(HALF, height)):
        _equations(here, there, flow, y, trust, room, ring[y % lines])
    for y in range(height):
        if y + HALF < height:
            line = ring[(y + HALF) % lines]
            _equations(here, there, flow, y + HALF, trust, room, line)
        _down(ring, y, height, smooth)
        for term in range(5):
            line = smooth[term * stride : (term + 1) * stride]
            line[:HALF] = line[HALF]
            line[HALF + width :] = line[HALF + width - 1]
            _across(line, row[term])
        _solve(row, out[0, y], out[1, y])


# Loops below are short and many taps long: the compiler takes many pixels at once where it can tell
# that what is read and written does not overlap, which it does for eight arrays at most.


@compiled
def _down(ring: Floats, y: int, height: int, smooth: Floats) -> None:
    """The equations of row ``y``, smoothed down the columns."""
    lines, last = len(ring), height - 1
    middle = ring[y % lines]
    above, below = ring[max(y - 1, 0) % lines], ring[min(y + 1, last) % lines]
    above_2, below_2 = ring[max(y - 2, 0) % lines], ring[min(y + 2, last) % lines]
    for x in range(len(smooth)):
        near = (above[x] + below[x]) * TAPS[1] + (above_2[x] + below_2[x]) * TAPS[2]
        smooth[x] = middle[x] * TAPS[0] + near
    above, below = ring[max(y - 3, 0) % lines], ring[min(y + 3, last) % lines]
    above_2, below_2 = ring[max(y - 4, 0) % lines], ring[min(y + 4, last) % lines]
    above_3, below_3 = ring[max(y - 5, 0) % lines], ring[min(y + 5, last) % lines]
    for x in range(len(smooth)):
        near = (above[x] + below[x]) * TAPS[3] + (above_2[x] + below_2[x]) * TAPS[4]
        smooth[x] += near + (above_3[x] + below_3[x]) * TAPS[5]


@compiled
def _across(source: Floats, target: Floats) -> None:
    """One number of the equations, smoothed along its row: (w + 10,) to (w,)."""
    for x in range(len(target)):
        at = np.uintp(x)
        near = (source[at + np.uintp(4)] + source[at + np.uintp(6)]) * TAPS[1]
        near += (source[at + np.uintp(3)] + source[at + np.uintp(7)]) * TAPS[2]
        far = (source[at + np.uintp(2)] + source[at + np.uintp(8)]) * TAPS[3]
        far += (source[at + np.uintp(1)] + source[at + np.uintp(9)]) * TAPS[4]
        far += (source[at] + source[at + np.uintp(10)]) * TAPS[5]
        target[x] = source[at + np.uintp(5)] * TAPS[0] + near + far


@compiled
def _solve(row: Floats, out_x: Floats, out_y: Floats) -> None:
    """Solve the smoothed equations (5, w) of one row."""
    yy, xy, xx, dy, dx = row[0], row[1], row[2], row[3], row[4]
    for x in range(len(out_x)):
        scale = np.float32(1) / (yy[x] * xx[x] - xy[x] * xy[x] + REGULAR)
        out_x[x] = (yy[x] * dx[x] - xy[x] * dy[x]) * scale
        out_y[x] = (xx[x] * dy[x] - xy[x] * dx[x]) * scale
