"""One column of vectors, laid out to be searched.

Features lie in a cone, so that any two clips have a high cosine, and how high differs from column
to column. Search therefore corrects a cosine for chance like Cohen's kappa,
(cosine - mean) / (1 - mean), the mean over the column's clips. The mean of the cosines is the
cosine to the mean vector m, and for unit vectors v and q

    q v - q m = (q - m) (v - m) + m (v - m).

So a column keeps v - m in half precision and the last term, a number for each clip, beside the
vectors as they are. The products of half precision are then of what sets clips apart, and its error
is relative to that, however narrow the cone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from triptych.embeddings.products import Halves, error, from_halves, products, to_halves
from triptych.errors import UserError

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]
DECIMALS = 9  # of a cosine; rounding errors beyond them must not decide between equal clips
ALIKE = 10.0 ** (1 - DECIMALS)  # where all are so near to the query, none is nearer
NUMBERS_AT_ONCE = 4_000_000  # of a block that is worked on in double precision


@dataclass(frozen=True)
class Column:
    """The vectors of the clips that have some, in the table's order.

    ``raw`` float32 [n, dim]; ``centred`` the same at unit length less ``mean`` [dim], in half
    precision; ``along`` float32 [n] the products of ``mean`` with the centred rows; ``clips`` [n]
    the table's rows of them, of ``count``, None where all have a vector.
    """

    name: str
    count: int
    raw: Floats
    centred: Halves
    along: Floats
    clips: npt.NDArray[np.int32] | None
    mean: Doubles
    bounds: Bounds

    @classmethod
    def of(cls, name: str, vectors: Floats, present: npt.NDArray[np.bool_]) -> Column:
        """From a column of an embedding table, in memory."""
        raw = vectors if present.all() else vectors[present]
        mean = Mean(raw.shape[1])
        step = rows_at_once(raw.shape[1])
        for begin in range(0, len(raw), step):
            mean.add(name, raw[begin : begin + step])
        centred, along = np.empty(raw.shape, np.float16), np.empty(len(raw), np.float32)
        bounds = Bounds()
        for begin, block in halved(raw, mean.value):
            end = begin + len(block.along)
            centred[begin:end], along[begin:end] = block.centred, block.along
            bounds = bounds.with_(block.bounds)
        clips = None if present.all() else np.flatnonzero(present).astype(np.int32)
        return cls(name, len(vectors), raw, centred, along, clips, mean.value, bounds)

    def above_chance(self, queries: Doubles) -> tuple[Floats, Doubles]:
        """Corrected cosines [Q, count] of ``queries`` [Q, dim], and how far each may be off, [Q].

        0 for clips without a vector, and for a query that all clips are nearly equal to.
        """
        queries = self._unit(queries)
        spread = 1 - queries @ self.mean
        apart = spread > ALIKE
        scale = np.where(apart, 1 / np.where(apart, spread, 1), 0)
        found = products(self.centred, (queries - self.mean) * scale[:, None])
        for row, times in zip(found, scale.astype(np.float32), strict=True):
            row += self.along * times
        off = self._off(queries) * scale
        if self.clips is None:
            return found, off
        out = np.zeros((len(queries), self.count), np.float32)
        out[:, self.has] = found
        return out, off

    def exactly(self, query: Doubles, rows: Rows) -> Doubles:
        """Corrected cosines [n] of ``query`` [dim] and the clips ``rows`` [n], in float64."""
        query = self._unit(query[None])[0]
        mean = float(query @ self.mean)
        places, has = self.places(rows)
        out = np.zeros(len(rows))
        if 1 - mean <= ALIKE:
            return out
        where, step = np.flatnonzero(has), rows_at_once(len(query))
        for begin in range(0, len(where), step):
            part = where[begin : begin + step]
            vectors = self.raw[places[part]].astype(np.float64)
            lengths = np.sqrt((vectors * vectors).sum(axis=1))
            cosines = np.round((vectors @ query) / np.where(lengths > 0, lengths, 1), DECIMALS)
            out[part] = (cosines - mean) / (1 - mean)
        return out

    @property
    def has(self) -> slice | npt.NDArray[np.int32]:
        """The clips that have a vector, to index an array of all clips with."""
        return slice(None) if self.clips is None else self.clips

    def places(self, rows: Rows) -> tuple[Rows, npt.NDArray[np.bool_]]:
        """Where in the column the clips ``rows`` are, and whether they are there at all."""
        if self.clips is None:
            return rows, np.ones(len(rows), bool)
        places = np.searchsorted(self.clips, rows)
        places[places == len(self.clips)] = 0
        if not len(self.clips):
            return places, np.zeros(len(rows), bool)
        return places, self.clips[places] == rows

    def _off(self, queries: Doubles) -> Doubles:
        """How far the products, and the cosines' last decimal, may be from the truth, [Q]."""
        lengths = np.sqrt(((queries - self.mean) ** 2).sum(axis=1))
        summed = error(self.raw.shape[1]) * self.bounds.row
        single = 2.0**-21 * (self.bounds.along + lengths * self.bounds.row)
        return np.asarray(lengths * (self.bounds.lost + summed) + single + 10.0**-DECIMALS)

    def _unit(self, queries: Doubles) -> Doubles:
        if queries.shape[1] != self.raw.shape[1]:
            raise UserError(
                f"the query's {self.name} has {queries.shape[1]} numbers and the clips' has "
                f"{self.raw.shape[1]}: they come from two models; embed the clips again"
            )
        return unit_rows(queries)


class Bounds(NamedTuple):
    """The largest length of a centred row, of what it lost to half precision, and ``along``."""

    row: float = 0.0
    lost: float = 0.0
    along: float = 0.0

    def with_(self, other: Bounds) -> Bounds:
        """The larger of each."""
        return Bounds(*map(max, self, other))


class Block(NamedTuple):
    """What a column keeps of some rows beside them."""

    centred: Halves
    along: Floats
    bounds: Bounds


class Mean:
    """The mean of unit vectors, of blocks that come one after the other."""

    def __init__(self, dim: int) -> None:
        self.total = np.zeros(dim)
        self.rows = 0

    @property
    def value(self) -> Doubles:
        """Float64 [dim]; zeros where nothing came."""
        return self.total / max(self.rows, 1)

    def add(self, name: str, block: Floats) -> None:
        """Take the rows [n, dim] in; UserError where one is not finite."""
        rows = unit_rows(block.astype(np.float64))
        if not np.isfinite(rows).all():
            raise UserError(
                f"{name}: vectors that are not finite numbers cannot be searched; embed again"
            )
        self.total += rows.sum(axis=0)
        self.rows += len(rows)


def rows_at_once(dim: int) -> int:
    """How many rows of ``dim`` numbers are worked on together."""
    return max(1, NUMBERS_AT_ONCE // dim)


def halved(raw: Floats, mean: Doubles) -> Iterator[tuple[int, Block]]:
    """Go through ``raw`` [n, dim] in blocks; yields where each begins too."""
    step = rows_at_once(raw.shape[1])
    for begin in range(0, len(raw), step):
        rows = unit_rows(raw[begin : begin + step].astype(np.float64)) - mean
        centred = to_halves(rows.astype(np.float32))
        along = (rows @ mean).astype(np.float32)
        lost = _lengths(from_halves(centred).astype(np.float64) - rows)
        most = (float(part.max()) for part in (_lengths(rows), lost, np.abs(along)))
        yield begin, Block(centred, along, Bounds(*most))


def unit_rows(rows: Doubles) -> Doubles:
    """Vectors [n, dim] at unit length, in float64; zeros stay zeros."""
    lengths = _lengths(rows)[:, None]
    return np.asarray(rows / np.where(lengths > 0, lengths, 1))


def _lengths(rows: Doubles) -> Doubles:
    return np.asarray(np.sqrt((rows * rows).sum(axis=1)))
