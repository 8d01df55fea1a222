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


def _constants() -> tuple[tuple[float, ...], ...]:
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
    taps = (half, half * outwards, half * outwards**2)
    needed = (dual[1, 1], dual[0, 3], dual[3, 3], dual[5, 5])
    return *(tuple(np.float32(taps[i])) for i in range(3)), tuple(np.float32(needed))


WEIGHT, WEIGHT_X, WEIGHT_XX, DUAL = _constants()


@compiled
def expand(picture: Picture, out: npt.NDArray[np.float32]) -> None:
    """Write the five coefficients of every pixel of ``picture`` (h, w) to ``out`` (5, h, w).

    In the order y, x, y^2, x^2, xy; the constant is not needed. Beyond the border the picture goes on
    as its last row and column.
    """
    height, width = picture.shape
    columns = np.empty((3, width + 2 * REACH), np.float32)
    plain, first, second = columns[0], columns[1], columns[2]
    for y in range(height):
        middle = picture[y]
        for x in range(width):
            plain[REACH + x] = middle[x] * WEIGHT[0]
            first[REACH + x] = np.float32(0)
            second[REACH + x] = np.float32(0)
        for step in range(1, REACH + 1):
            above, below = picture[max(y - step, 0)], picture[min(y + step, height - 1)]
            for x in range(width):
                both = above[x] + below[x]
                plain[REACH + x] += WEIGHT[step] * both
                first[REACH + x] += WEIGHT_X[step] * (below[x] - above[x])
                second[REACH + x] += WEIGHT_XX[step] * both
        for row in range(3):
            columns[row, :REACH] = columns[row, REACH]
            columns[row, REACH + width :] = columns[row, REACH + width - 1]
        for x in range(width):
            at = REACH + x
            flat = plain[at] * WEIGHT[0]
            along_y = first[at] * WEIGHT[0]
            square_y = second[at] * WEIGHT[0]
            along_x = np.float32(0)
            square_x = np.float32(0)
            mixed = np.float32(0)
            for step in range(1, REACH + 1):
                sides = plain[at + step] + plain[at - step]
                flat += sides * WEIGHT[step]
                square_x += sides * WEIGHT_XX[step]
                along_x += (plain[at + step] - plain[at - step]) * WEIGHT_X[step]
                along_y += (first[at + step] + first[at - step]) * WEIGHT[step]
                mixed += (first[at + step] - first[at - step]) * WEIGHT_X[step]
                square_y += (second[at + step] + second[at - step]) * WEIGHT[step]
            out[0, y, x] = along_y * DUAL[0]
            out[1, y, x] = along_x * DUAL[0]
            out[2, y, x] = flat * DUAL[1] + square_y * DUAL[2]
            out[3, y, x] = flat * DUAL[1] + square_x * DUAL[2]
            out[4, y, x] = mixed * DUAL[3]
