"""Dot products of queries with many rows in half precision, about as fast as the rows are read.

NumPy would have to turn each block to single precision first, and no BLAS multiplies halves: here
the rows are widened in registers and cache. With a bound on the error, so that a first pass over
half the bytes can lose nothing that a second, exact one needs.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any, cast

import numba
import numpy as np
import numpy.typing as npt

from triptych.workers import available_cores

Halves = npt.NDArray[np.float16]
Floats = npt.NDArray[np.float32]
# Rows are stored this much larger: what half precision keeps with fewer bits, and processors are
# slow at, then begins at 4e-9 and not at 6e-5. Rows up to 2 long stay below its largest, 65504.
SCALE = 2.0**14
EXPONENT = 2.0**112  # between the exponents' biases: a half's bits in a float are this much smaller
NUMBERS_A_THREAD = 4_000_000  # fewer are done before a thread has begun


def to_halves(rows: Floats) -> Halves:
    """Rows [n, dim], each at most 2 long, as ``products`` reads them."""
    return np.asarray(rows * np.float32(SCALE), np.float16)


def from_halves(halves: Halves) -> Floats:
    """What ``halves`` [n, dim] stand for."""
    return np.asarray(halves, np.float32) / np.float32(SCALE)


def error(dim: int) -> float:
    """How far off summing leaves ``products``, for a query and a row of length 1, at most.

    To be added to what half precision took from the rows. Any order of n single-precision sums is
    within n u / (1 - n u) of the sum of absolute products (Higham 2002, section 3.1), u = 2^-24,
    and that sum is at most 1 by Cauchy and Schwarz; the query's own rounding adds one u, and so
    does the result's.
    """
    steps = (dim + 2) * 2.0**-24
    return steps / (1 - steps)


def products(halves: Halves, queries: npt.NDArray[np.float64]) -> Floats:
    """Dot products [Q, n] of ``queries`` [Q, dim] with the rows [n, dim] that ``halves`` holds."""
    out = np.empty((len(queries), len(halves)), np.float32)
    wide = np.ascontiguousarray(queries * (EXPONENT / SCALE), np.float32)
    bits = np.asarray(halves).view(np.uint16)
    bits.flags.writeable = False  # as mapped rows are: one compiled function for both
    threads = max(1, min(available_cores(), halves.size // NUMBERS_A_THREAD))
    edges = np.linspace(0, len(halves), threads + 1).astype(int)
    if threads == 1:
        _multiply(bits, wide, out, 0, len(halves))
        return out
    with ThreadPoolExecutor(threads) as pool:
        done = [
            pool.submit(_multiply, bits, wide, out, begin, end)
            for begin, end in pairwise(edges.tolist())
        ]
        for part in done:
            part.result()
    return out


def _multiply_rows(bits: Any, queries: Any, out: Any, begin: int, end: int) -> None:
    dim = bits.shape[1]
    row = np.empty(dim, np.float32)
    for i in range(begin, end):
        for j in range(dim):
            half = np.uint32(bits[i, j])
            sign = (half & np.uint32(0x8000)) << np.uint32(16)
            wide = np.uint32(sign | ((half & np.uint32(0x7FFF)) << np.uint32(13)))
            row[j] = wide.view(np.float32)
        for q in range(queries.shape[0]):
            total = np.float32(0)
            for j in range(dim):
                total += row[j] * queries[q, j]
            out[q, i] = total


_multiply = cast(
    "Callable[[Any, Any, Any, int, int], None]",
    numba.njit(cache=True, nogil=True, fastmath={"contract", "reassoc"})(_multiply_rows),
)
