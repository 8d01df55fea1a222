"""Search: the clips nearest to some words, a sound, a video or a span of one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from triptych.embeddings.catalogue import Catalogue
from triptych.embeddings.column import Floats, Rows
from triptych.embeddings.index import Index
from triptych.embeddings.table import EmbeddingTable
from triptych.errors import UsageError, UserError
from triptych.explore.comparison import ACROSS, OWN, Comparison, Query
from triptych.explore.moments import Moment, join, single
from triptych.progress import say

HOW = ("exact", "approximate")
# Up to here all clips are compared unless it is asked otherwise: it takes a fraction of a second.
MOST_EXACT = 1_000_000
BLOCK = 256  # clips of which first only the best is looked at
DEEP = 64  # how many clips are ranked at first; more where joining them leaves too few


@dataclass(frozen=True)
class Hit:
    """One clip found, or several neighbours: ``start`` and ``end`` in seconds of the file.

    ``path`` is from the root. Of several ``text`` is all their words, and ``score``, ``clip_id``
    and ``cluster`` are those of the best.
    """

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
    clips: Catalogue | EmbeddingTable,
    query: Query,
    top: int = 10,
    *,
    through: Sequence[str] = (),
    own: float = OWN,
    across: float = ACROSS,
    joined: bool = False,
    within: str | None = None,
    how: str | None = None,
) -> list[Hit]:
    """The ``top`` clips nearest to ``query``, best first, ties in the order of the table.

    ``query`` holds float32 (dim,) vectors by the table's column names. Each modality of a clip, or
    each that is named in ``through``, is compared once:

    - in its own space where the query has that modality: cosine of ``vector_m``, weight ``own``;
    - else across modalities where the method gave them a common space: cosine of the clip's
      ``shared_m`` to the mean of the query's shared vectors, weight ``across``.

    Each comparison is corrected for chance (see ``triptych.embeddings.column``): an average clip
    gets 0 and an identical one 1. The score is the weighted mean over what the clip has, at most 1;
    0 of a clip that has nothing to compare.

    ``joined``: neighbouring clips of one file that are all good become one hit, see ``moments``.
    ``within``: only clips of this file. ``how``: "exact" compares every clip: a first pass in half
    precision, whose error is bounded, and then in double precision all that could be among the
    best; so the ranking is that of double precision. "approximate" compares what an index finds
    (``triptych.embeddings.index``), which is made if need be. By default exact up to
    ``MOST_EXACT`` clips.

    Raises UserError where query and clips share no space, the query comes from another model, or
    there is no such file.
    """
    if top < 1:
        raise UsageError(f"top={top}: ask for at least one hit")
    catalogue = Catalogue.of(clips) if isinstance(clips, EmbeddingTable) else clips
    comparison = Comparison.of(catalogue, [query], through, own, across)
    if within is not None:
        rows = np.sort(catalogue.rows_of(file_number(catalogue, within)))
        ranked = _sorted(rows, comparison.exactly(rows)[0])
    else:
        ranked = _ranked(catalogue, comparison, max(top, DEEP), how)

    def exactly(rows: Rows) -> Any:
        return comparison.exactly(rows)[0]

    found = join(catalogue, ranked, exactly, top) if joined else single(catalogue, ranked, top)
    return [_hit(catalogue, moment) for moment in found]


def best(comparison: Comparison, deep: int) -> Iterator[tuple[int, float]]:
    """All clips and their scores, the best first; those beyond ``deep`` take longer."""
    quick, off = comparison.quickly()
    scores, slack = quick[0], 2 * float(off[0])
    done = 0
    while done < len(scores):
        deep = min(deep, len(scores))
        # The k-th best of the true scores is at least the k-th best of these less the error.
        rows = np.flatnonzero(scores >= _among_the_best(scores, deep) - slack)
        order = list(_sorted(rows, comparison.exactly(rows)[0]))
        yield from order[done:deep]
        done, deep = deep, 4 * deep


def _among_the_best(scores: Floats, deep: int) -> float:
    """The score of the clip at place ``deep``, counted from the best as 1."""
    blocks = len(scores) // BLOCK
    if blocks >= deep:
        # The best of each block are scores too: what is below so many of them is not among these.
        best = scores[: blocks * BLOCK].reshape(blocks, BLOCK).max(axis=1)
        scores = scores[scores >= np.partition(best, blocks - deep)[blocks - deep]]
    return float(np.partition(scores, len(scores) - deep)[len(scores) - deep])


def near(
    indexes: Sequence[Index], comparison: Comparison, deep: int
) -> Iterator[tuple[int, float]]:
    """The clips that an index of each part finds, and their scores: the best first, by and large.

    They are looked for ``deep`` and more at a time; within each time the order is exact.
    """
    seen: set[int] = set()
    while True:
        found = [
            index.candidates(part.queries[0], deep)
            for index, part in zip(indexes, comparison.parts, strict=True)
        ]
        rows = np.array(sorted(set(np.concatenate(found).tolist()) - seen), np.int64)
        if not len(rows):
            return
        yield from _sorted(rows, comparison.exactly(rows)[0])
        seen.update(rows.tolist())
        deep *= 4


def _ranked(
    catalogue: Catalogue, comparison: Comparison, deep: int, how: str | None
) -> Iterator[tuple[int, float]]:
    if how is None:
        how = "exact" if len(catalogue) <= MOST_EXACT else "approximate"
    if how not in HOW:
        raise UsageError(f"how={how!r}: one of {', '.join(HOW)}")
    if how == "exact":
        return best(comparison, deep)
    indexes = [catalogue.index(part.column.name) for part in comparison.parts]
    there = [index for index in indexes if index is not None]
    if len(there) < len(indexes):
        say(f"search: {len(catalogue):,} clips in memory are compared exactly, without an index")
        return best(comparison, deep)
    return near(there, comparison, deep)


def file_number(catalogue: Catalogue, path: str) -> int:
    """Which of ``catalogue.files`` is meant, by its path from the root or from here."""
    names = {name: number for number, name in enumerate(catalogue.files)}
    root = catalogue.root.resolve()
    for known in (path, *catalogue.from_root(path)):
        if known in names:
            return names[known]
    example = next(iter(names), None)
    like = f", as {example}" if example else ""
    raise UserError(f"{path}: no clip of this file under {root}; name it as hits do{like}")


def _sorted(rows: Rows, scores: Floats) -> Iterator[tuple[int, float]]:
    order = np.argsort(-scores, kind="stable")
    return zip(rows[order].tolist(), scores[order].tolist(), strict=True)


def _hit(catalogue: Catalogue, moment: Moment) -> Hit:
    clips = catalogue.rows(np.array(moment.rows))
    best = clips[moment.rows.index(moment.best)]
    texts = dict.fromkeys(clip["text"] for clip in clips if clip["text"])
    return Hit(
        path=best["path"],
        start=min(clip["start"] for clip in clips),
        end=max(clip["end"] for clip in clips),
        score=moment.score,
        text=" ".join(texts),
        clip_id=best["clip_id"],
        cluster=best["cluster"],
    )
