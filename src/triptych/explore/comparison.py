"""What a query is compared with, clip by clip, and how the comparisons add up to a score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from triptych.clustering.whiten import unit
from triptych.embeddings.catalogue import Catalogue
from triptych.embeddings.column import Column, Doubles, Floats, Rows
from triptych.errors import UsageError, UserError
from triptych.manifest.schema import MODALITIES

Vector = npt.NDArray[np.float32]
Query = Mapping[str, Vector]
# Words find words better than they find pictures or sounds, whether these meet them in clusters
# (XDC) or in a space of their own (XCC): docs/search.md has what other weights give.
OWN, ACROSS = 1.0, 0.25


@dataclass(frozen=True)
class Part:
    """One column of the clips, the queries' vectors for it [Q, dim], and its weight."""

    column: Column
    queries: Doubles
    weight: float


@dataclass(frozen=True)
class Comparison:
    """Q queries against all clips; a clip's score is the weighted mean over the parts it has."""

    parts: tuple[Part, ...]

    @classmethod
    def of(
        cls,
        catalogue: Catalogue,
        queries: Sequence[Query],
        through: Sequence[str] = (),
        own: float = OWN,
        across: float = ACROSS,
    ) -> Comparison:
        """Of queries that have the same columns; parameters as for ``search``."""
        through = through or MODALITIES
        for modality in through:
            if modality not in MODALITIES:
                raise UsageError(f"through={modality!r}: one of {', '.join(MODALITIES)}")
        parts = []
        for modality in through:
            name = _compared(catalogue.names, queries[0], modality)
            if name is not None:
                vectors = np.stack([_vector(query, name) for query in queries])
                weight = own if name.startswith("vector_") else across
                parts.append(Part(catalogue.column(name), vectors.astype(np.float64), weight))
        if not parts:
            raise UserError(_no_common_space(catalogue, queries[0], through))
        return cls(tuple(parts))

    def quickly(self) -> tuple[Floats, Doubles]:
        """Scores [Q, clips] of all clips, and how far any may be off, [Q]."""
        count = self.parts[0].column.count
        total = np.zeros((len(self.parts[0].queries), count), np.float32)
        weights, off = np.zeros(count, np.float32), np.zeros(len(total))
        for part in self.parts:
            scores, error = part.column.above_chance(part.queries)
            total += np.float32(part.weight) * scores
            weights[part.column.has] += np.float32(part.weight)
            off = np.maximum(off, error)  # a mean is off by no more than its worst
        total /= np.where(weights > 0, weights, 1)
        largest = np.maximum(total.max(axis=1, initial=0), -total.min(axis=1, initial=0))
        return total, off + 2.0**-20 * largest  # of the sums in single precision

    def exactly(self, rows: Rows) -> Doubles:
        """Scores [Q, n] of the clips ``rows`` [n], in double precision; 0 without any part."""
        total, weights = np.zeros((len(self.parts[0].queries), len(rows))), np.zeros(len(rows))
        for part in self.parts:
            weights[part.column.places(rows)[1]] += part.weight
            for scores, query in zip(total, part.queries, strict=True):
                scores += part.weight * part.column.exactly(query, rows)
        return np.asarray(total / np.where(weights > 0, weights, 1))


def _compared(names: Sequence[str], query: Query, modality: str) -> str | None:
    """The clips' column to look at."""
    if f"vector_{modality}" in names and f"vector_{modality}" in query:
        return f"vector_{modality}"
    if f"shared_{modality}" in names and any(name.startswith("shared_") for name in query):
        return f"shared_{modality}"
    return None


def _vector(query: Query, name: str) -> Vector:
    """The query's vector for the clips' column ``name``."""
    if name.startswith("vector_"):
        return query[name]
    shared = [query[column] for column in sorted(query) if column.startswith("shared_")]
    return np.asarray(unit(np.stack(shared)).mean(axis=0))


def _no_common_space(catalogue: Catalogue, query: Query, through: Sequence[str]) -> str:
    asked = sorted({name.split("_", 1)[1] for name in query} & set(MODALITIES))
    learned = sorted(name.removeprefix("vector_") for name in catalogue.names)
    return (
        f"a query by {' and '.join(asked) or 'nothing'} cannot be compared with the "
        f"{' and '.join(through)} of these clips: the model has learned {', '.join(learned)}, "
        "and modalities meet only under methods that cluster across them; "
        "query by what it has learned, or train with method=xdc"
    )
