"""Steps placed on a time line: from scores (T, K) of K ordered steps at T rows, exactly the best.

Rows are the time steps of one video, in order; higher scores are better. ``background`` is what a
row without a step scores, a number or (T,). Only differences count: an alignment's ``score`` is
the sum, over the rows that steps hold, of their scores less the background there, so that 0 is a
video of background alone and alignments of several videos can be compared.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar, cast

import numba
import numpy as np
import numpy.typing as npt
from scipy.special import gammaln, xlogy

from triptych.errors import UserError

Rows = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.float64]
Function = TypeVar("Function", bound=Callable[..., object])


def _compiled(function: Function) -> Function:
    """Compiled at its first call and kept on disk; no sum is taken in another order."""
    return cast("Function", numba.njit(cache=True, nogil=True)(function))


@dataclass(frozen=True)
class Alignment:
    """Where each of K steps lies: rows ``starts`` to ``ends`` - 1; both -1: it has no place."""

    starts: Rows  # (K,)
    ends: Rows  # (K,)
    score: float

    @property
    def placed(self) -> npt.NDArray[np.bool_]:
        """Which steps have a place, (K,)."""
        return self.starts >= 0

    def steps(self, rows: int) -> Rows:
        """The step of each of ``rows`` rows, -1 for background; of two steps the later one."""
        found = np.full(rows, -1, np.int64)
        for step in np.flatnonzero(self.placed):
            found[self.starts[step] : self.ends[step]] = step
        return found


def points(scores: npt.ArrayLike, background: npt.ArrayLike = 0.0) -> Alignment:
    """Every step on exactly one row, in order, background on all others.

    The dynamic programme of CrossTask's release (Zhukov et al. 2019), by which Miech et al. (2019)
    and MCN score zero-shot: the states are background, step 1, background, ... step K, background;
    a path begins in the first, may stay in background, goes one state further, or from a step to
    the next one, and ends in one of the last two. Where rows are fewer than steps no such path
    exists; then every row gets a step: those T of the K steps, in order, whose sum is highest, and
    the others have no place.

    Of equally good alignments, the one whose every step is earliest (for T < K: that takes the
    earliest steps). O(T K) time and memory, 12 bytes a cell beside the scores. Raises UserError
    where a number is not finite.
    """
    gains = _gains(scores, background)
    rows, steps = gains.shape
    if rows >= steps:
        starts, ends, score = _limited(_turned(gains), np.zeros((1, steps)), 1)
        return Alignment(starts, ends, float(score[0]))
    # Rows and steps change places: each row is put on one step, in order.
    places, _, score = _limited(np.ascontiguousarray(gains), np.zeros((1, rows)), 1)
    starts = np.full(steps, -1, np.int64)
    starts[places] = np.arange(rows)
    return Alignment(starts, np.where(starts < 0, -1, starts + 1), float(score[0]))


def spans(
    scores: npt.ArrayLike,
    background: npt.ArrayLike = 0.0,
    *,
    shortest: int = 1,
    longest: int | None = None,
    mean_rows: npt.ArrayLike | None = None,
) -> Alignment:
    """Every step on ``shortest`` to ``longest`` rows in a stretch, in order; background between.

    Background before, between and after steps may be of any length, none too. Order-constrained
    alignment as for Mining YouTube (Kuehne et al. 2019), exact where their decoder keeps a beam.
    ``mean_rows``, a number or (K,), adds to each step the logarithm of a Poisson probability of
    its length, less that at the mean, as Kuehne's decoder does; it makes sense for scores that
    are log-probabilities. Background has no length model.

    Where rows are too few for ``shortest`` it is lowered to T // K; where they are fewer than
    steps, it is as in `points`. Of equally good alignments: the one whose last step ends earliest,
    of those the one where it is shortest, then so for the step before it, and on.

    O(T K shortest) time without ``longest`` and ``mean_rows``, else O(T K longest), with at most T
    in the place of a missing ``longest``; O(T K) memory, 12 bytes a cell beside the scores. Raises
    UserError where a number is not finite.
    """
    gains = _gains(scores, background)
    rows, steps = gains.shape
    most = rows if longest is None else min(longest, rows)
    if shortest < 1 or (longest is not None and longest < shortest):
        raise ValueError(f"steps of {shortest} to {longest} rows: from 1 row on, and in order")
    least = min(shortest, rows // steps)
    if least < 1:
        return points(gains + _length_scores(1, 1, mean_rows, steps)[0])
    if longest is None and mean_rows is None:
        starts, ends, score = _unlimited(_turned(gains), least)
    else:
        lengths = _length_scores(least, most, mean_rows, steps)
        starts, ends, score = _limited(_turned(gains), lengths, least)
    return Alignment(starts, ends, float(score[0]))


def peaks(scores: npt.ArrayLike, threshold: float | None = None) -> Alignment:
    """Every step by itself, without an order: its highest row, of equal ones the first.

    With a ``threshold``: the stretch of rows at or above it around the highest row; a step that
    is nowhere so high has no place. The alignment's score is the sum over what steps hold.
    """
    values = _gains(scores, 0.0)
    starts = values.argmax(axis=0).astype(np.int64)
    ends = starts + 1
    if threshold is not None:
        for step, peak in enumerate(starts.copy()):
            low = np.flatnonzero(values[:, step] < threshold)
            if values[peak, step] < threshold:
                starts[step] = ends[step] = -1
                continue
            starts[step] = low[low < peak].max(initial=-1) + 1
            ends[step] = low[low > peak].min(initial=len(values))
    score = sum(
        values[a:b, step].sum() for step, (a, b) in enumerate(zip(starts, ends, strict=True))
    )
    return Alignment(starts, ends, float(score))


def best_steps(scores: npt.ArrayLike, background: npt.ArrayLike = -np.inf) -> Rows:
    """Every row by itself: its highest step (T,), of equal ones the first.

    -1 where none is above ``background``.
    """
    values = _gains(scores, 0.0)
    best = values.argmax(axis=1)
    highest = values[np.arange(len(values)), best]
    return np.where(highest > np.asarray(background, np.float64), best, -1)


def log_softmax(scores: npt.ArrayLike) -> Numbers:
    """Scores (T, K) as log-probabilities over the steps of each row."""
    values = _gains(scores, 0.0)
    values = values - values.max(axis=1, keepdims=True)
    return np.asarray(values - np.log(np.exp(values).sum(axis=1, keepdims=True)))


def _gains(scores: npt.ArrayLike, background: npt.ArrayLike) -> Numbers:
    """Scores less background, (T, K), checked."""
    values = np.asarray(scores, np.float64)
    if values.ndim != 2 or 0 in values.shape:
        raise ValueError(f"scores are (rows, steps) with one of each at least, not {values.shape}")
    ground = np.broadcast_to(np.asarray(background, np.float64), len(values))
    gains = np.asarray(values - ground[:, None])
    if not np.isfinite(gains).all():
        where = np.argwhere(~np.isfinite(gains))[0]
        raise UserError(
            f"alignment: the score of step {where[1]} at row {where[0]} is not finite; vectors of "
            "NaN or infinity come from a checkpoint that has diverged: take an earlier one"
        )
    return gains


def _turned(gains: Numbers) -> Numbers:
    """Step by step, (K, T), as the programmes run through them."""
    return np.ascontiguousarray(gains.T)


def _length_scores(least: int, most: int, means: npt.ArrayLike | None, steps: int) -> Numbers:
    """What a step of ``least`` to ``most`` rows gets for its length, (lengths, K)."""
    lengths = np.arange(least, most + 1, dtype=np.float64)[:, None]
    if means is None:
        return np.zeros((len(lengths), steps))
    mean = np.broadcast_to(np.asarray(means, np.float64), steps)
    if not (np.isfinite(mean).all() and (mean > 0).all()):
        raise ValueError(f"mean lengths must be above 0, not {mean}")
    at_mean = xlogy(mean, mean) - gammaln(mean + 1)
    return np.asarray(xlogy(lengths, mean) - gammaln(lengths + 1) - at_mean)


@_compiled
def _limited(gains: Numbers, lengths: Numbers, least: int) -> tuple[Rows, Rows, Numbers]:
    """The best for steps of ``least`` to ``least + len(lengths) - 1`` rows; T >= K least."""
    steps, rows = gains.shape
    most = least + len(lengths) - 1
    # best[k, t]: of the first k steps within the first t rows; held[k, t]: how many rows the k-th
    # has if it ends there, 0 if row t - 1 is background.
    best = np.full((steps + 1, rows + 1), -np.inf)
    best[0] = 0.0
    held = np.zeros((steps + 1, rows + 1), np.int32)
    for step in range(1, steps + 1):
        for end in range(step * least, rows + 1):
            best[step, end] = best[step, end - 1]
            total = 0.0
            for length in range(1, min(most, end) + 1):
                total += gains[step - 1, end - length]
                if length < least:
                    continue
                value = best[step - 1, end - length] + total + lengths[length - least, step - 1]
                if value > best[step, end]:
                    best[step, end] = value
                    held[step, end] = length
    starts, ends = _traced(held)
    return starts, ends, best[-1, -1:]


@_compiled
def _unlimited(gains: Numbers, least: int) -> tuple[Rows, Rows, Numbers]:
    """The best for steps of ``least`` rows or more, without a say of their length."""
    steps, rows = gains.shape
    best = np.full((steps + 1, rows + 1), -np.inf)
    best[0] = 0.0
    held = np.zeros((steps + 1, rows + 1), np.int32)
    for step in range(1, steps + 1):
        growing, length = -np.inf, 0  # the best in which the step holds the row before ``end``
        for end in range(step * least, rows + 1):
            new = best[step - 1, end - least]
            for back in range(1, least + 1):
                new += gains[step - 1, end - back]
            growing += gains[step - 1, end - 1]
            length += 1
            if new >= growing:
                growing, length = new, least
            best[step, end] = best[step, end - 1]
            if growing > best[step, end]:
                best[step, end] = growing
                held[step, end] = length
    starts, ends = _traced(held)
    return starts, ends, best[-1, -1:]


@_compiled
def _traced(held: npt.NDArray[np.int32]) -> tuple[Rows, Rows]:
    steps, end = held.shape[0] - 1, held.shape[1] - 1
    starts, ends = np.zeros(steps, np.int64), np.zeros(steps, np.int64)
    for step in range(steps, 0, -1):
        while held[step, end] == 0:
            end -= 1
        ends[step - 1] = end
        end -= held[step, end]
        starts[step - 1] = end
    return starts, ends
