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
Taps = tuple[np.float32, ...]

REACH = 7
SIGMA = 1.5


def _constants() -> tuple[Taps, ...]:
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
    for y in range(height):
        _down_columns(picture, y, columns)
        _along_row(columns, y, out)


# Loops go over pixels, many at once: the compiler does that where it can tell that what is read and
# written does not overlap, which it does for eight arrays at most.


@compiled
def _down_columns(picture: Picture, y: int, out: Picture) -> None:
    """Row ``y`` filtered down the columns with weights times 1, y, y^2, to ``out`` (3, w + 14)."""
    height, width = picture.shape
    end = REACH + width
    plain, first, second = out[0][REACH:end], out[1][REACH:end], out[2][REACH:end]
    middle = picture[y]
    above, below = picture[max(y - REACH, 0)], picture[min(y + REACH, height - 1)]
    weight, odd, even = WEIGHT[REACH], WEIGHT_X[REACH], WEIGHT_XX[REACH]
    for x in range(width):
        both = above[x] + below[x]
        plain[x] = middle[x] * WEIGHT[0] + both * weight
        first[x] = (below[x] - above[x]) * odd
        second[x] = both * even
    for step in range(1, REACH, 2):
        above, below = picture[max(y - step, 0)], picture[min(y + step, height - 1)]
        above_2, below_2 = picture[max(y - step - 1, 0)], picture[min(y + step + 1, height - 1)]
        weight, odd, even = WEIGHT[step], WEIGHT_X[step], WEIGHT_XX[step]
        weight_2, odd_2, even_2 = WEIGHT[step + 1], WEIGHT_X[step + 1], WEIGHT_XX[step + 1]
        for x in range(width):
            first[x] += (below[x] - above[x]) * odd + (below_2[x] - above_2[x]) * odd_2
        for x in range(width):
            both, both_2 = above[x] + below[x], above_2[x] + below_2[x]
            plain[x] += both * weight + both_2 * weight_2
            second[x] += both * even + both_2 * even_2
    for term in range(3):
        out[term, :REACH] = out[term, REACH]
        out[term, end:] = out[term, end - 1]


@compiled
def _even(source: Picture, weights: Taps, x: int) -> np.float32:
    """``source`` filtered with symmetric ``weights``; the middle is at ``x`` + 7."""
    at = np.uintp(x)
    near = (source[at + np.uintp(6)] + source[at + np.uintp(8)]) * weights[1]
    near += (source[at + np.uintp(5)] + source[at + np.uintp(9)]) * weights[2]
    near += (source[at + np.uintp(4)] + source[at + np.uintp(10)]) * weights[3]
    far = (source[at + np.uintp(3)] + source[at + np.uintp(11)]) * weights[4]
    far += (source[at + np.uintp(2)] + source[at + np.uintp(12)]) * weights[5]
    far += (source[at + np.uintp(1)] + source[at + np.uintp(13)]) * weights[6]
    far += (source[at] + source[at + np.uintp(14)]) * weights[7]
    found: np.float32 = source[at + np.uintp(7)] * weights[0] + near + far
    return found


@compiled
def _odd(source: Picture, weights: Taps, x: int) -> np.float32:
    """``source`` filtered with antisymmetric ``weights``; the middle is at ``x`` + 7."""
    at = np.uintp(x)
    near = (source[at + np.uintp(8)] - source[at + np.uintp(6)]) * weights[1]
    near += (source[at + np.uintp(9)] - source[at + np.uintp(5)]) * weights[2]
    near += (source[at + np.uintp(10)] - source[at + np.uintp(4)]) * weights[3]
    far = (source[at + np.uintp(11)] - source[at + np.uintp(3)]) * weights[4]
    far += (source[at + np.uintp(12)] - source[at + np.uintp(2)]) * weights[5]
    far += (source[at + np.uintp(13)] - source[at + np.uintp(1)]) * weights[6]
    far += (source[at + np.uintp(14)] - source[at]) * weights[7]
    found: np.float32 = near + far
    return found


@compiled
def _along_row(columns: Picture, y: int, out: Picture) -> None:
    """The three rows (3, w + 14) filtered along x, as the coefficients of row ``y`` of ``out``."""
    plain, first, second = columns[0], columns[1], columns[2]
    out_y, out_x, out_yy, out_xx, out_xy = out[0, y], out[1, y], out[2, y], out[3, y], out[4, y]
    for x in range(out.shape[2]):
        flat = _even(plain, WEIGHT, x) * DUAL[1]
        out_xx[x] = flat + _even(plain, WEIGHT_XX, x) * DUAL[2]
        out_yy[x] = flat + _even(second, WEIGHT, x) * DUAL[2]
    for x in range(out.shape[2]):
        out_y[x] = _even(first, WEIGHT, x) * DUAL[0]
        out_xy[x] = _odd(first, WEIGHT_X, x) * DUAL[3]
    for x in range(out.shape[2]):
        out_x[x] = _odd(plain, WEIGHT_X, x) * DUAL[0]
