"""Search: the clips nearest to some words, a sound, a video or a span of one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from triptych.clustering.whiten import unit
from triptych.embeddings.table import EmbeddingTable
from triptych.errors import UsageError, UserError
from triptych.manifest.schema import MODALITIES

Vector = npt.NDArray[np.float32]
ROWS_AT_ONCE = 16_384
DECIMALS = 9  # of a cosine; rounding errors beyond them must not decide between equal clips
OWN, ACROSS = 1.0, 0.25


@dataclass(frozen=True)
class Hit:
    """One clip found; ``start`` and ``end`` in seconds of its file, ``path`` from the root."""

    path: str
    start: float
    end: float
    score: float
    text: str
    clip_id: str
    cluster: int

    def row(self) -> dict[str, Any]:
        """What ``--json`` gives: path, start, end, score, text."""
        return {name: getattr(self, name) for name in ("path", "start", "end", "score", "text")}


def search(
    embeddings: EmbeddingTable,
    query: Mapping[str, Vector],
    top: int = 10,
    *,
    through: Sequence[str] = (),
    own: float = OWN,
    across: float = ACROSS,
) -> list[Hit]:
    """The ``top`` clips nearest to ``query``, best first, ties in the order of the table.

    ``query`` holds float32 (dim,) vectors by the table's column names. Each modality of a clip, or
    each that is named in ``through``, is compared once:

    - in its own space where the query has that modality: cosine of ``vector_m``, weight ``own``;
    - else across modalities where the method gave them a common space: cosine of the clip's
      ``shared_m`` to the mean of the query's shared vectors, weight ``across``. It is the lesser
      because it knows of a clip only the clusters that it is in.

    Features lie in a cone, so that any two clips have a high cosine, and how high differs from
    modality to modality. Each comparison is therefore corrected for chance like Cohen's kappa:
    (cosine - mean) / (1 - mean), the mean over the clips that have the modality: an average clip
    gets 0 and an identical one 1. What a clip lacks counts 0, neither for nor against it. The score
    is the weighted mean, at most 1.

    Every clip is compared, exactly. Raises UserError where query and clips share no space, or the
    query comes from another model.
    """
    through = through or MODALITIES
    _check(top, through)
    scores = np.zeros(len(embeddings))
    weights = 0.0
    for modality in through:
        compared = _compare(embeddings, query, modality)
        if compared is not None:
            column, vector = compared
            weight = own if column.startswith("vector_") else across
            scores += weight * _above_chance(embeddings, column, vector)
            weights += weight
    if not weights:
        raise UserError(_no_common_space(embeddings, query, through))
    scores = scores / weights
    best = np.argsort(-scores, kind="stable")[:top]
    return [_hit(embeddings, int(row), float(scores[row])) for row in best]


def _check(top: int, through: Sequence[str]) -> None:
    if top < 1:
        raise UsageError(f"top={top}: ask for at least one hit")
    for modality in through:
        if modality not in MODALITIES:
            raise UsageError(f"through={modality!r}: one of {', '.join(MODALITIES)}")


def _compare(
    embeddings: EmbeddingTable, query: Mapping[str, Vector], modality: str
) -> tuple[str, Vector] | None:
    """The clips' column to look at and the query's vector for it."""
    columns = embeddings.names()
    if f"vector_{modality}" in columns and f"vector_{modality}" in query:
        return f"vector_{modality}", query[f"vector_{modality}"]
    shared = [query[name] for name in sorted(query) if name.startswith("shared_")]
    if f"shared_{modality}" in columns and shared:
        return f"shared_{modality}", unit(np.stack(shared)).mean(axis=0)
    return None


def _above_chance(
    embeddings: EmbeddingTable, column: str, vector: Vector
) -> npt.NDArray[np.float64]:
    cosines = np.zeros(len(embeddings))
    present = np.zeros(len(embeddings), bool)
    for begin, vectors, has in _blocks(embeddings, column):
        if vectors.shape[1] != len(vector):
            raise UserError(
                f"the query's {column} has {len(vector)} numbers and the clips' has "
                f"{vectors.shape[1]}: they come from two models; embed the clips again"
            )
        cosines[begin : begin + len(vectors)] = _cosines(vectors, vector)
        present[begin : begin + len(vectors)] = has
    if not present.any():
        return cosines
    mean = cosines[present].mean()
    spread = 1 - mean
    if spread <= 10.0 ** (1 - DECIMALS):  # all are alike, and like the query: none is nearer
        return np.zeros(len(embeddings))
    return np.where(present, (cosines - mean) / spread, 0.0)


def _cosines(vectors: Vector, vector: Vector) -> npt.NDArray[np.float64]:
    """In double precision: ``_above_chance`` magnifies what single precision rounds away."""
    left, right = vectors.astype(np.float64), vector.astype(np.float64)
    lengths = np.sqrt((left * left).sum(axis=1)) * np.sqrt(right @ right)
    cosines = (left @ right) / np.where(lengths > 0, lengths, 1)
    return np.asarray(np.round(cosines, DECIMALS))


def _blocks(
    embeddings: EmbeddingTable, column: str
) -> Iterator[tuple[int, Vector, npt.NDArray[np.bool_]]]:
    for begin in range(0, len(embeddings), ROWS_AT_ONCE):
        part = embeddings.table.slice(begin, ROWS_AT_ONCE)
        yield begin, *EmbeddingTable(embeddings.root, part, embeddings.info).vectors(column)


def _no_common_space(
    embeddings: EmbeddingTable, query: Mapping[str, Vector], through: Sequence[str]
) -> str:
    asked = sorted({name.split("_", 1)[1] for name in query} & set(MODALITIES))
    learned = sorted(name.removeprefix("vector_") for name in embeddings.names())
    return (
        f"a query by {' and '.join(asked) or 'nothing'} cannot be compared with the "
        f"{' and '.join(through)} of these clips: the model has learned {', '.join(learned)}, "
        "and modalities meet only under methods that cluster across them; "
        "query by what it has learned, or train with method=xdc"
    )


def _hit(embeddings: EmbeddingTable, row: int, score: float) -> Hit:
    names = ("path", "start", "end", "text", "clip_id", "cluster")
    found = embeddings.table.select(names).slice(row, 1).to_pylist()[0]
    return Hit(score=score, **found)
