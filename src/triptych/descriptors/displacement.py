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
TAPS = tuple(
    np.float32(np.exp(-np.arange(HALF + 1) ** 2 / (2 * 1.5**2)))
    / np.float32(np.exp(-np.arange(-HALF, HALF + 1) ** 2 / (2 * 1.5**2)).sum())
)
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
def _carry(there: Floats, flow_x: Floats, flow_y: Floats, y: int, carried: Floats) -> None:
    """The models of the second frame at the end of row ``y``'s displacements, bilinear (6, w).

    The sixth is 1 where the end is within the second frame, and 0 elsewhere, as are the others.
    """
    _, height, width = there.shape
    corner = np.empty(width, np.int64)
    shares = np.empty((4, width), np.float32)
    for x in range(width):
        to_x, to_y = np.float32(x) + flow_x[x], np.float32(y) + flow_y[x]
        left, top = np.floor(to_x), np.floor(to_y)
        right, down = to_x - left, to_y - top
        inside = (left >= 0) & (left < width - 1) & (top >= 0) & (top < height - 1)
        one = np.float32(1) if inside else np.float32(0)
        corner[x] = np.int64(top) * width + np.int64(left) if inside else 0
        shares[0, x] = one * (np.float32(1) - right) * (np.float32(1) - down)
        shares[1, x] = one * right * (np.float32(1) - down)
        shares[2, x] = one * (np.float32(1) - right) * down
        shares[3, x] = one * right * down
        carried[5, x] = one
    for term in range(5):
        plane = there[term].reshape(-1)
        target = carried[term]
        for x in range(width):
            at = corner[x]
            target[x] = (
                shares[0, x] * plane[at]
                + shares[1, x] * plane[at + 1]
                + shares[2, x] * plane[at + width]
                + shares[3, x] * plane[at + width + 1]
            )


@compiled
def _equations(
    here: Floats, there: Floats, flow: Floats, y: int, trust: Floats, carried: Floats, out: Floats
) -> None:
    """The normal equations of row ``y``, unsmoothed: three numbers of the matrix, two of the side."""
    _carry(there, flow[0, y], flow[1, y], y, carried)
    width = flow.shape[2]
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
        out[0, x] = yy * yy + xy * xy
        out[1, x] = (yy + xx) * xy
        out[2, x] = xx * xx + xy * xy
        out[3, x] = yy * dy + xy * dx
        out[4, x] = xy * dy + xx * dx


@compiled
def refine(here: Floats, there: Floats, flow: Floats, out: Floats) -> None:
    """One iteration: better displacements ``out`` (2: x, y; h, w) from ``flow`` of that shape.

    ``here`` and ``there`` (5, h, w) are the models of the first and of the second frame.
    """
    _, height, width = here.shape
    trust = np.empty((2, max(height, width)), np.float32)
    for y in range(height):
        trust[0, y] = _trust(y, height)
    for x in range(width):
        trust[1, x] = _trust(x, width)
    lines = 2 * HALF + 1
    ring = np.empty((lines, 5, width), np.float32)
    carried = np.empty((6, width), np.float32)
    smooth = np.empty((5, width + 2 * HALF), np.float32)
    for y in range(min(HALF, height)):
        _equations(here, there, flow, y, trust, carried, ring[y % lines])
    for y in range(height):
        if y + HALF < height:
            _equations(here, there, flow, y + HALF, trust, carried, ring[(y + HALF) % lines])
        for term in range(5):
            middle = ring[y % lines, term]
            for x in range(width):
                smooth[term, HALF + x] = middle[x] * TAPS[0]
            for step in range(1, HALF + 1):
                above = ring[max(y - step, 0) % lines, term]
                below = ring[min(y + step, height - 1) % lines, term]
                for x in range(width):
                    smooth[term, HALF + x] += (above[x] + below[x]) * TAPS[step]
            smooth[term, :HALF] = smooth[term, HALF]
            smooth[term, HALF + width :] = smooth[term, HALF + width - 1]
        _solve(smooth, out[0, y], out[1, y])


@compiled
def _solve(smooth: Floats, out_x: Floats, out_y: Floats) -> None:
    """Smooth one row of the equations along x, and solve them."""
    width = len(out_x)
    for x in range(width):
        at = HALF + x
        yy = smooth[0, at] * TAPS[0]
        xy = smooth[1, at] * TAPS[0]
        xx = smooth[2, at] * TAPS[0]
        dy = smooth[3, at] * TAPS[0]
        dx = smooth[4, at] * TAPS[0]
        for step in range(1, HALF + 1):
            yy += (smooth[0, at + step] + smooth[0, at - step]) * TAPS[step]
            xy += (smooth[1, at + step] + smooth[1, at - step]) * TAPS[step]
            xx += (smooth[2, at + step] + smooth[2, at - step]) * TAPS[step]
            dy += (smooth[3, at + step] + smooth[3, at - step]) * TAPS[step]
            dx += (smooth[4, at + step] + smooth[4, at - step]) * TAPS[step]
        scale = np.float32(1) / (yy * xx - xy * xy + REGULAR)
        out_x[x] = (yy * dx - xy * dy) * scale
        out_y[x] = (xx * dy - xy * dx) * scale
