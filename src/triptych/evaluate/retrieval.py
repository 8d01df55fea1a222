"""Zero-shot retrieval: a query of some modalities looks for its clip among the clips of others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from triptych.config import Config
from triptych.embeddings.table import EmbeddingTable
from triptych.errors import UserError
from triptych.evaluate.evaluator import interval_protocol
from triptych.evaluate.folds import Strings
from triptych.evaluate.joint import Floats, Name, modalities_of, summed
from triptych.evaluate.labels import Joined
from triptych.evaluate.ranks import (
    Codes,
    Standing,
    average_precision,
    comparable,
    hits,
    ranks,
    stand,
)
from triptych.evaluate.tally import Found, Tally

AT = (1, 5, 10)
SCORES_AT_ONCE = 2**24


class Retrieval(Config):
    """The protocol: what asks, what is looked through, what is right, what ties and gaps count."""

    query: tuple[Name, ...] = Field(("text",), description="modalities of a query, added")
    through: tuple[Name, ...] = Field(
        (), description="modalities of a clip, added; default: all that share a space, less query"
    )
    right: Literal["clip", "label", "words"] = Field(
        "clip",
        description="the clip itself; or a clip of its label from another group; or the words of "
        "each label ask, and its clips are right",
    )
    ties: Literal["average", "optimistic", "pessimistic"] = Field(
        "average", description="over all orders of the tied; right ones first; wrong ones first"
    )
    missing: Literal["missed", "out"] = Field(
        "missed", description="a query whose right clip lacks what is looked through: missed, or "
        "left out of the denominator"
    )  # fmt: skip
    complete: bool = Field(
        False, description="a clip that lacks one of several added modalities counts as lacking all"
    )

    @model_validator(mode="after")
    def _not_itself(self) -> Retrieval:
        shared = set(self.query) & set(self.through)
        if self.right == "clip" and shared:
            raise ValueError(
                f"query and through both have {sorted(shared)[0]}, so that a clip would find itself"
            )
        if not self.query:
            raise ValueError("query names no modality")
        return self

    def of(self, table: EmbeddingTable) -> Retrieval:
        """With ``through`` spelt out for the modalities of ``table``."""
        others = [name for name in modalities_of(table) if name not in self.query]
        return self if self.through else self.model_copy(update={"through": tuple(others)})


@dataclass(frozen=True)
class _Task:
    """Queries (Q, D) and items (N, D); an item is right for a query of its code."""

    queries: Floats
    items: Floats
    wanted: Codes
    given: Codes
    names: Strings  # of the queries
    groups: Strings
    apart: tuple[Codes, Codes] | None
    counts: dict[str, Any]


def retrieve(
    table: EmbeddingTable,
    settings: Retrieval | None = None,
    *,
    joined: Joined | None = None,
    words: Mapping[str, Floats] | None = None,
) -> Found:
    """Rank clips by the dot product of sums of their ``shared_*`` vectors with the query's.

    ``joined`` gives labels, groups and the split; where it has one only the test part takes part.
    ``words`` are the vectors of the labels' words, for right="words". R@k, medians and means of the
    rank of the first right clip, and with several right ones the mean average precision; see
    `ranks` for ties. Raises UserError where the table or the labels do not allow it.
    """
    settings = (settings or Retrieval()).of(table)
    if joined is None and settings.right != "clip":
        raise UserError(f"right={settings.right}: needs labels; give a labels file")
    rows, groups, joined = _tested(table, joined)
    items = summed(table, settings.through, complete=settings.complete)
    there = items.present[rows]
    if not there.any():
        raise UserError(
            f"none of the {len(rows)} clips has {' or '.join(settings.through)} to look through"
        )
    if settings.right == "words":
        assert joined is not None
        task = _by_words(joined, items.values[rows], there, words or {})
    else:
        asked = summed(table, settings.query, complete=settings.complete)
        task = _by_clips(table, rows, groups, joined, settings, (asked, items))
    standing = stand(task.queries, task.items, task.wanted, task.given, apart=task.apart)
    counted = np.ones(len(standing.above), bool)
    if settings.missing == "out":
        counted = standing.found
    if not standing.found.any():
        raise UserError("no query has a right clip to find; look through other modalities")
    tallies = _tallies(task, standing, counted, settings)
    protocol = {
        **settings.model_dump(mode="json"),
        "score": "dot product of sums of shared vectors",
        "n_items": len(task.items),
        "n_items_of_some_modalities_only": int(items.partial[rows].sum()),
        "n_clips_without_what_is_looked_through": int(np.count_nonzero(~there)),
        "n_queries": int(counted.sum()),
        "n_queries_missed": int((counted & ~standing.found).sum()),
        "n_queries_left_out": int((~counted).sum()),
        **task.counts,
        "ranks": "median and mean over the queries that have a right clip",
        "part": "all clips" if joined is None else "labelled clips, of a split those of its test",
        **interval_protocol(task.groups[counted]),
        "interval_of": "queries, drawn by group; the clips looked through stay",
    }
    return Found(tallies, _chance(task, counted), protocol)


def _tested(
    table: EmbeddingTable, joined: Joined | None
) -> tuple[NDArray[np.int64], Strings, Joined | None]:
    """Rows of the table and groups of the clips that take part, and their labels."""
    if joined is None:
        return np.arange(len(table)), table.column("path").astype(str), None
    kept = np.arange(len(joined.rows))
    if joined.split is not None:
        kept = np.flatnonzero(joined.split == "test")
        if not len(kept):
            raise UserError(
                "labels: the column split leaves nothing to test on; mark some rows test"
            )
    rows, groups = joined.rows[kept], joined.groups[kept]
    return rows, groups, Joined(rows, joined.labels[kept], groups, None, None, 0, [])


def _by_clips(
    table: EmbeddingTable,
    rows: NDArray[np.int64],
    groups: Strings,
    joined: Joined | None,
    settings: Retrieval,
    joints: Any,
) -> _Task:
    asked, items = joints
    names = table.column("clip_id")[rows].astype(str)
    asks, there = asked.present[rows], items.present[rows]
    if settings.right == "clip":
        codes, apart = np.arange(len(rows)), None
    else:
        assert joined is not None
        codes = np.unique(joined.labels, return_inverse=True)[1]
        of = np.unique(groups, return_inverse=True)[1]
        # A query that has no clip of its label in another group asks for nothing.
        _, pair, own = np.unique(
            np.stack([codes, of], axis=1), axis=0, return_inverse=True, return_counts=True
        )
        asks = asks & (np.bincount(codes)[codes] > own[pair.reshape(-1)])
        apart = of[asks], of[there]
    if not asks.any():
        raise UserError(
            f"none of the {len(rows)} clips has {' or '.join(settings.query)} to ask with"
            + ("" if settings.right == "clip" else " and another group's clip of its label")
        )
    counts = {"n_clips": len(rows), "n_clips_that_ask_nothing": int(np.count_nonzero(~asks))}
    return _Task(
        asked.values[rows][asks], items.values[rows][there], codes[asks], codes[there],
        names[asks], groups[asks], apart, counts,
    )  # fmt: skip


def _by_words(
    joined: Joined, items: Floats, there: NDArray[np.bool_], words: Mapping[str, Floats]
) -> _Task:
    names = np.unique(joined.labels)
    known = [name for name in names if str(name) in words]
    if not known:
        raise UserError(
            f"right=words: the model knows no word of the {len(names)} labels; label clips in the "
            "words of their captions"
        )
    # Words that say nothing to the model ask too: all clips are equally near to zeros.
    blank = np.zeros(items.shape[1], np.float32)
    queries = np.stack([words.get(str(name), blank) for name in names])
    given = np.searchsorted(names, joined.labels[there])
    counts = {
        "n_clips": len(joined.labels),
        "n_words_unknown_to_the_model": len(names) - len(known),
    }
    return _Task(queries, items[there], np.arange(len(names)), given, names, names, None, counts)


def _tallies(
    task: _Task, standing: Standing, counted: NDArray[np.bool_], settings: Retrieval
) -> list[Tally]:
    def tally(metric: str, values: NDArray[np.float64], rows: Any, **more: Any) -> Tally:
        return Tally(metric, values[rows][:, None], task.names[rows], task.groups[rows], **more)

    place = ranks(standing, settings.ties)
    found = [tally(f"R@{k}", hits(standing, k, settings.ties), counted) for k in AT]
    found.append(tally("median rank", place, standing.found, statistic="median"))
    found.append(tally("mean rank", place, standing.found))
    if settings.right != "clip":
        found.append(tally("mAP", _precisions(task, settings.ties), counted))
    return found


def _precisions(task: _Task, ties: str) -> NDArray[np.float64]:
    """Average precision of every query, (Q,), on scores rounded so that twins tie.

    As shares of what the longest item could score: vectors may be of any length.
    """
    queries, items = comparable(task.queries), task.items.astype(np.float64)
    items /= np.linalg.norm(items, axis=1).max() or 1.0
    step = max(1, SCORES_AT_ONCE // len(items))
    found = []
    for start in range(0, len(queries), step):
        rows = slice(start, start + step)
        scores = np.round(queries[rows] @ items.T, 9)
        right = task.wanted[rows, None] == task.given
        if task.apart is not None:
            scores[task.apart[0][rows, None] == task.apart[1]] = -np.inf
        found.append(average_precision(scores, right, ties))
    return np.concatenate(found)


def _chance(task: _Task, counted: NDArray[np.bool_]) -> dict[str, float]:
    """The figures of scores that are all equal."""
    nothing = np.zeros((max(len(task.queries), len(task.items)), 1), np.float32)
    guess = stand(
        nothing[: len(task.queries)], nothing[: len(task.items)],
        task.wanted, task.given, apart=task.apart,
    )  # fmt: skip
    place = ranks(guess)[guess.found]
    found = {f"R@{k}": float(hits(guess, k)[counted].mean()) for k in AT}
    found |= {"median rank": float(np.median(place)), "mean rank": float(place.mean())}
    counts, of = np.unique(
        np.stack([guess.right, guess.right + guess.wrong], axis=1)[counted],
        axis=0, return_inverse=True,
    )  # fmt: skip
    each = [average_precision(np.zeros((1, n)), np.arange(n)[None] < r)[0] for r, n in counts]
    return found | {"mAP": float(np.array(each)[of.reshape(-1)].mean())}
