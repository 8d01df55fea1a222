"""Where the right item stands among all: ranks, recall and average precision, ties made explicit.

A query has one right item or several. Among items of equal scores no order is given, so that a
rank has a range: ``ties`` says what counts. "average": the mean over all orders of the tied, each
as likely; "optimistic": right items first; "pessimistic": wrong ones first.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

Numbers = NDArray[np.float64]
Codes = NDArray[np.int64]
TIES = ("average", "optimistic", "pessimistic")
# Scores that differ by less, as a share of the longest query and item, are tied: two products of
# the same vectors differ by rounding, whatever block they were computed in.
TIED = 1e-9
NUMBERS_AT_ONCE = 2**22  # 32 MiB, of items and of scores


@dataclass(frozen=True)
class Standing:
    """The best right item of each query: who is above it, and who stands level with it; (Q,)."""

    above: Codes  # items of a higher score, all wrong
    right: Codes  # right items of its score, itself with them; 0: there is none, it is missed
    wrong: Codes  # wrong items of its score

    @property
    def found(self) -> NDArray[np.bool_]:
        """Which queries have a right item at all."""
        return self.right > 0

    def __getitem__(self, rows: Any) -> Standing:
        return Standing(self.above[rows], self.right[rows], self.wrong[rows])


def stand(
    queries: NDArray[Any],
    items: NDArray[Any],
    wanted: Codes,
    given: Codes,
    *,
    apart: tuple[Codes, Codes] | None = None,
) -> Standing:
    """Stand every item before every query, by the dot product, in blocks of bounded memory.

    ``queries`` (Q, D) and ``items`` (N, D), any float type, also mapped from disk; an item is right
    for a query where ``given`` (N,) equals ``wanted`` (Q,). ``apart`` gives codes of queries and of
    items: an item of a query's own code is not there for it, neither right nor wrong. Products are
    in double precision. Beside its arguments it holds some 200 MiB and three numbers a query.
    """
    asked = comparable(queries)
    lengths = [float(np.linalg.norm(rows, axis=1).max()) for _, rows in _blocks(items)]
    tied = TIED * (max(lengths, default=0.0) or 1.0)
    best = _best_right(asked, items, wanted, given, apart)
    above, right, wrong = (np.zeros(len(asked), np.int64) for _ in range(3))
    for start, first, scores in _scores(asked, items, apart):
        rows = slice(start, start + len(scores))
        higher = scores > best[rows, None] + tied
        above[rows] += np.count_nonzero(higher, axis=1)
        higher |= scores < best[rows, None] - tied
        # The level ones are few, but where vectors are all alike.
        row, column = np.nonzero(~higher)
        good = wanted[start + row] == given[first + column]
        right[rows] += np.bincount(row[good], minlength=len(scores))
        wrong[rows] += np.bincount(row[~good], minlength=len(scores))
    above[right == 0] = wrong[right == 0] = 0
    return Standing(above, right, wrong)


def stand_by(scores: NDArray[Any], right: NDArray[np.bool_]) -> Standing:
    """The same from a matrix of scores (Q, N), equal where they are equal, -inf: not there."""
    values = np.asarray(scores, np.float64)
    there = values > -np.inf
    best = np.where(right & there, values, -np.inf).max(axis=1, initial=-np.inf)[:, None]
    found = best > -np.inf
    level = (values == best) & found
    return Standing(
        ((values > best) & found).sum(axis=1),
        (level & right).sum(axis=1),
        (level & ~right).sum(axis=1),
    )


def ranks(standing: Standing, ties: str = "average") -> Numbers:
    """The rank of each query's first right item, from 1; infinite where it has none. (Q,).

    With r right and w wrong items at the same score, the first right one comes on average behind
    w / (r + 1) of the wrong ones: half of them where r = 1.
    """
    behind = {
        "average": standing.wrong / (standing.right + 1),
        "optimistic": np.zeros(len(standing.wrong)),
        "pessimistic": standing.wrong.astype(np.float64),
    }[ties]
    return np.where(standing.found, 1.0 + standing.above + behind, np.inf)


def hits(standing: Standing, k: int, ties: str = "average") -> Numbers:
    """Whether a right item is among the first ``k``, (Q,); 0 where there is none.

    Under "average" it is the probability of that when the tied come in random order: for one right
    item among n tied that begin at rank b, (k - b + 1) / n, held between 0 and 1. So constant
    scores give k / N, as guessing does.
    """
    if ties != "average":
        return (ranks(standing, ties) <= k).astype(np.float64)
    room = np.maximum(k - standing.above, 0)  # places among the first k for the tied
    wrong, right = standing.wrong, standing.right
    # All of these places go to wrong ones with C(wrong, room) / C(wrong + right, room).
    some = standing.found & (room > 0) & (room <= wrong)
    w, n, m = (np.where(some, part, 1).astype(np.float64) for part in (wrong, wrong + right, room))
    missed = np.exp(gammaln(w + 1) - gammaln(w - m + 1) - gammaln(n + 1) + gammaln(n - m + 1))
    sure = standing.found & (room > wrong)
    return np.where(some, 1.0 - missed, sure.astype(np.float64))


def average_precision(
    scores: NDArray[Any], right: NDArray[np.bool_], ties: str = "average"
) -> Numbers:
    """Average precision of each query over all items, (Q,); 0 where no item is right.

    ``scores`` (Q, N), -inf: not there. Under "average" the mean over all orders of the tied, in
    closed form (McSherry and Najork 2008): place i of n tied, r of them right, behind q right ones,
    holds a right one with r / n, and then q + 1 + (i - 1)(r - 1) / (n - 1) are found so far.
    """
    return np.array(
        [_average_precision(row[row > -np.inf], good[row > -np.inf], ties)
         for row, good in zip(np.asarray(scores, np.float64), right, strict=True)],
        np.float64,
    )  # fmt: skip


def _average_precision(scores: Numbers, right: NDArray[np.bool_], ties: str) -> float:
    if not right.any():
        return 0.0
    if ties != "average":
        order = np.lexsort((~right if ties == "optimistic" else right, -scores))
        good = right[order]
        return float((good.cumsum() / np.arange(1, len(good) + 1))[good].mean())
    order = np.argsort(-scores, kind="stable")
    _, first, group = np.unique(-scores[order], return_index=True, return_inverse=True)
    size = np.diff(np.append(first, len(order)))
    among = np.bincount(group, right[order])
    before = among.cumsum() - among
    place = np.arange(len(order)) - first[group]  # from 0, within the tied
    n, r = size[group], among[group]
    so_far = before[group] + 1 + place * (r - 1) / np.maximum(n - 1, 1)
    return float((r / n * so_far / (np.arange(len(order)) + 1)).sum() / right.sum())


def comparable(queries: NDArray[Any]) -> Numbers:
    """Queries at unit length, which leaves each one's ranks as they are; zeros stay zeros."""
    values = np.asarray(queries, np.float64)
    lengths = np.linalg.norm(values, axis=1, keepdims=True)
    return np.asarray(values / np.where(lengths > 0, lengths, 1))


def _blocks(items: NDArray[Any]) -> Iterator[tuple[int, Numbers]]:
    step = max(1, NUMBERS_AT_ONCE // max(1, items.shape[1]))
    for start in range(0, len(items), step):
        yield start, np.asarray(items[start : start + step], np.float64)


def _scores(
    queries: Numbers,
    items: NDArray[Any],
    apart: tuple[Codes, Codes] | None,
) -> Iterator[tuple[int, int, Numbers]]:
    """Blocks of scores with their first query and first item; -inf for those kept apart."""
    for first, block in _blocks(items):
        columns = slice(first, first + len(block))
        step = max(1, NUMBERS_AT_ONCE // len(block))
        for start in range(0, len(queries), step):
            rows = slice(start, start + step)
            scores = queries[rows] @ block.T
            if apart is not None:
                scores[apart[0][rows, None] == apart[1][None, columns]] = -np.inf
            yield start, first, scores


def _best_right(
    queries: Numbers,
    items: NDArray[Any],
    wanted: Codes,
    given: Codes,
    apart: tuple[Codes, Codes] | None,
) -> Numbers:
    """The highest score of a right item, (Q,); infinite where there is none."""
    best = np.full(len(queries), -np.inf)
    known, where, count = np.unique(given, return_index=True, return_counts=True)
    if apart is None and (count == 1).all():
        # One right item at most: no need to go through them all.
        place = np.minimum(np.searchsorted(known, wanted), max(len(known) - 1, 0))
        for row in range(len(queries)) if len(known) else ():
            if known[place[row]] == wanted[row]:
                best[row] = queries[row] @ np.asarray(items[where[place[row]]], np.float64)
    else:
        for start, first, scores in _scores(queries, items, apart):
            rows, columns = slice(start, start + len(scores)), slice(first, first + scores.shape[1])
            good = wanted[rows, None] == given[None, columns]
            here = np.where(good, scores, -np.inf).max(axis=1, initial=-np.inf)
            best[rows] = np.maximum(best[rows], here)
    return np.where(best > -np.inf, best, np.inf)
