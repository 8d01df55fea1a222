"""Search: the clips nearest to some words, a sound, a video or a span of one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.table import Table
from rich.text import Text

from triptych.embeddings.naming import clock
from triptych.embeddings.table import EmbeddingTable, unit
from triptych.errors import UsageError, UserError
from triptych.manifest.schema import MODALITIES

Vector = npt.NDArray[np.float32]
ROWS_AT_ONCE = 16_384
DECIMALS = 9  # of a cosine; rounding errors beyond them must not decide between equal clips
OWN, ACROSS = 1.0, 0.25
TIME = r"((?:\d+:){0,2}\d+(?:\.\d*)?)?"
SPAN = re.compile(f"(?:t=)?{TIME}(?:[-,]{TIME})?")
MEDIA = {
    *(".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".flv", ".wmv"),
    *(".3gp", ".ogv", ".wav", ".mp3", ".m4a", ".aac", ".flac", ".ogg", ".oga", ".opus", ".wma"),
}


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


@dataclass(frozen=True)
class Span:
    """A media file, or the part of it from ``start`` to ``end`` seconds."""

    path: Path
    start: float | None = None
    end: float | None = None


def search(
    embeddings: EmbeddingTable,
    query: Mapping[str, Vector],
    top: int = 10,
    *,
    through: Sequence[str] = MODALITIES,
    own: float = OWN,
    across: float = ACROSS,
) -> list[Hit]:
    """The ``top`` clips nearest to ``query``, best first, ties in the order of the table.

    ``query`` holds float32 (dim,) vectors by the table's column names. Each modality of a clip
    that is named in ``through`` is compared once:

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


def rows(hits: Sequence[Hit]) -> list[dict[str, Any]]:
    """Hits for ``--json``: path, start, end, score, text."""
    kept = ("path", "start", "end", "score", "text")
    return [{name: value for name, value in asdict(hit).items() if name in kept} for hit in hits]


def listing(hits: Sequence[Hit]) -> Table:
    """Hits for the terminal: file, start, end, score, words."""
    table = Table(box=None, pad_edge=False)
    for name in ("file", "start", "end", "score", "words"):
        number = name in ("start", "end", "score")
        table.add_column(name, justify="right" if number else "left", no_wrap=number)
    for hit in hits:
        cells = (hit.path, clock(hit.start, 1), clock(hit.end, 1), f"{hit.score:.3f}", hit.text)
        table.add_row(*map(Text, cells))  # Text: a "[red]" in a file's name is no markup
    return table


def read_query(given: str, start: float | None = None, end: float | None = None) -> str | Span:
    """What the user asks with: words, or the span of a media file.

    A file is given by its path, and a part of it by ``start`` and ``end`` in seconds or in the
    path, as ``cook.mp4#12.5-15`` or ``cook.mp4#1:02-1:10``. Raises UsageError where the file is not
    there or the span makes no sense.
    """
    name, hash_sign, part = given.rpartition("#")
    if hash_sign and not Path(given).exists() and (Path(name).is_file() or _is_media(name)):
        if start is not None or end is not None:
            raise UsageError(f"{given}: a span after # and --start or --end; give one of them")
        return _span(name, *_times(given, part))
    if Path(given).is_file() or _is_media(given):
        return _span(given, start, end)
    if start is not None or end is not None:
        raise UsageError(f"--start and --end are for files, and there is no file {given!r}")
    if not given.strip():
        raise UsageError("an empty query; give some words or a media file")
    return given


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


def _is_media(name: str) -> bool:
    return Path(name).suffix.lower() in MEDIA


def _span(name: str, start: float | None, end: float | None) -> Span:
    if not Path(name).is_file():
        raise UsageError(f"{name}: no such file; give some words, or the path of a media file")
    if start is not None and start < 0:
        raise UsageError(f"{name}: a span cannot start at {start:g} s")
    if end is not None and end <= (start or 0.0):
        raise UsageError(f"{name}: a span from {start or 0.0:g} s to {end:g} s holds nothing")
    return Span(Path(name), start, end)


def _times(given: str, part: str) -> tuple[float | None, float | None]:
    """The two times after a #: 12.5-15, 12.5- (to the end), -15, or 12.5."""
    found = SPAN.fullmatch(part)
    if found is None or not any(found.groups()):
        raise UsageError(f"{given}: after # give seconds, as #12.5-15 or #1:02-1:10")
    start, end = (_seconds(text) if text else None for text in found.groups())
    return start, end


def _seconds(text: str) -> float:
    total = 0.0
    for piece in text.split(":"):
        total = total * 60 + float(piece)
    return total
