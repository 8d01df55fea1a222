"""Quadratic models of a picture's neighbourhoods, the first half of Farneback's optical flow.

Farneback, Two-Frame Motion Estimation Based on Polynomial Expansion, SCIA 2003, section 3: around
each pixel the picture is fitted by ``c + b1 x + b2 y + a1 x^2 + a2 y^2 + a3 x y``, with Gaussian
weights. The constants are those of improved dense trajectories: 15x15 pixels, sigma 1.5.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from triptych.descriptors.compiled import compiled

Picture = npt.NDArray[np.float32]

REACH = 7
SIGMA = 1.5


def _constants() -> tuple[tuple[np.float32, ...], ...]:
    """Taps of the three one-dimensional filters from the middle outwards, and the dual basis.

    By symmetry only four numbers of the inverse of the Gram matrix of 1, x, y, x^2, y^2, xy are
    needed: of x with itself, of 1 with x^2, of x^2 with itself, and of xy with itself.
    """
    steps = np.arange(-REACH, REACH + 1)
    weights = np.exp(-(steps**2) / (2 * SIGMA**2))
    weights /= weights.sum()
    y, x = np.meshgrid(steps, steps, indexing="ij")
    basis = np.stack([np.ones_like(x), x, y, x * x, y * y, x * y]).reshape(6, -1)
    dual = np.linalg.inv(basis * np.outer(weights, weights).ravel() @ basis.T)
    half, outwards = weights[REACH:], steps[REACH:]
    needed = (dual[1, 1], dual[0, 3], dual[3, 3], dual[5, 5])
    rows = (half, half * outwards, half * outwards**2, needed)
    return tuple(tuple(np.float32(value) for value in row) for row in rows)


WEIGHT, WEIGHT_X, WEIGHT_XX, DUAL = _constants()


@compiled
def expand(picture: Picture, out: Picture) -> None:
    """Write the five coefficients of every pixel of ``picture`` (h, w) to ``out`` (5, h, w).

    In the order y, x, y^2, x^2, xy; the constant is not needed. Beyond the border the picture goes
    on as its last row and column.
    """
    height, width = picture.shape
    columns = np.empty((3, width + 2 * REACH), np.float32)
    row = np.empty((6, width), np.float32)
    for y in range(height):
        _down_columns(picture, y, columns)
        _along_row(columns, row)
        for term in range(5):
            out[term, y] = row[term]


# Steps are the outer loops and pixels the inner ones, and all rows are contiguous: only so does the
# compiler take many pixels at once.


@compiled
def _down_columns(picture: Picture, y: int, out: Picture) -> None:
    """Row ``y`` filtered down the columns with weights times 1, y, y^2, to ``out`` (3, w + 14)."""
    height, width = picture.shape
    end = REACH + width
    plain, first, second = out[0][REACH:end], out[1][REACH:end], out[2][REACH:end]
    middle = picture[y]
    for x in range(width):
        plain[x] = middle[x] * WEIGHT[0]
        first[x] = second[x] = np.float32(0)
    for step in range(1, REACH + 1):
        above, below = picture[max(y - step, 0)], picture[min(y + step, height - 1)]
        weight, odd, even = WEIGHT[step], WEIGHT_X[step], WEIGHT_XX[step]
        for x in range(width):
            both = above[x] + below[x]
            plain[x] += both * weight
            first[x] += (below[x] - above[x]) * odd
            second[x] += both * even
    for term in range(3):
        out[term, :REACH] = out[term, REACH]
        out[term, end:] = out[term, end - 1]


@compiled
def _along_row(columns: Picture, out: Picture) -> None:
    """The three rows (3, w + 14) filtered along x, as the coefficients of one row, (6, w).

    The sixth row is room to work in.
    """
    width = out.shape[1]
    plain, first, second = columns[0], columns[1], columns[2]
    out_y, out_x, out_yy, out_xx, out_xy, flat = out[0], out[1], out[2], out[3], out[4], out[5]
    for x in range(width):
        flat[x] = plain[x + REACH] * WEIGHT[0]
        out_y[x] = first[x + REACH] * WEIGHT[0]
        out_yy[x] = second[x + REACH] * WEIGHT[0]
        out_x[x] = out_xx[x] = out_xy[x] = np.float32(0)
    for step in range(1, REACH + 1):
        weight, odd, even = WEIGHT[step], WEIGHT_X[step], WEIGHT_XX[step]
        right, left = plain[REACH + step :], plain[REACH - step :]
        for x in range(width):
            flat[x] += (right[x] + left[x]) * weight
            out_xx[x] += (right[x] + left[x]) * even
            out_x[x] += (right[x] - left[x]) * odd
        right, left = first[REACH + step :], first[REACH - step :]
        for x in range(width):
            out_y[x] += (right[x] + left[x]) * weight
            out_xy[x] += (right[x] - left[x]) * odd
        right, left = second[REACH + step :], second[REACH - step :]
        for x in range(width):
            out_yy[x] += (right[x] + left[x]) * weight
    for x in range(width):
        out_y[x] *= DUAL[0]
        out_x[x] *= DUAL[0]
        out_yy[x] = flat[x] * DUAL[1] + out_yy[x] * DUAL[2]
        out_xx[x] = flat[x] * DUAL[1] + out_xx[x] * DUAL[2]
        out_xy[x] *= DUAL[3]
