"""Filters and changes of size as matrices, one for each axis of a picture.

Blurring and resizing are linear and go by rows and columns: ``left @ picture @ right``.
As products of matrices they need few passes over a GPU's memory, and several in a row are one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.float64]


def filtering(
    taps: Sequence[float] | npt.NDArray[np.floating], size: int, border: Literal["edge", "mirror"]
) -> Matrix:
    """A filter of an odd number of taps, (size, size).

    Beyond the border a picture goes on as its last pixel (``edge``) or mirrored about that.
    """
    reach = len(taps) // 2
    out = np.zeros((size, size))
    places = np.arange(size)
    for step in range(-reach, reach + 1):
        seen = places + step
        if border == "edge":
            seen = seen.clip(0, size - 1)
        else:
            seen = np.abs((seen + size - 1) % (2 * size - 2) - (size - 1))
        np.add.at(out, (places, seen), float(taps[step + reach]))
    return out


def symmetric(half: Sequence[np.float32], sign: int = 1) -> npt.NDArray[np.float64]:
    """All taps of a filter from those of its right half, middle first; ``sign`` -1 if it is odd."""
    right = np.array(half, np.float64)
    return np.concatenate([sign * right[:0:-1], right])


def resizing(size: int, wanted: int) -> Matrix:
    """Bilinear interpolation at the middles of the new pixels, (wanted, size)."""
    places = ((np.arange(wanted) + 0.5) * (size / wanted) - 0.5).clip(0, size - 1)
    lower = np.floor(places).astype(np.int64).clip(0, max(size - 2, 0))
    share = places - lower
    out = np.zeros((wanted, size))
    np.add.at(out, (np.arange(wanted), lower), 1 - share)
    np.add.at(out, (np.arange(wanted), np.minimum(lower + 1, size - 1)), share)
    return out
