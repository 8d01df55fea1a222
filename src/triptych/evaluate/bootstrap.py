"""Bootstrap intervals over groups: clips of one source are drawn together or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from triptych.seeds import derive

Numbers = NDArray[np.float64]

DRAWS = 10_000
LEAST_DRAWS = 1_000
# Draws times groups: with many groups fewer draws are enough and all that is affordable.
WORK = 20_000_000
COVERAGE = (2.5, 97.5)


class Interval(NamedTuple):
    """A figure with its 95 % percentile interval."""

    value: float
    low: float
    high: float


def draws_for(groups: int, draws: int = DRAWS) -> int:
    """How many draws ``groups`` groups get."""
    return int(np.clip(WORK // groups, min(LEAST_DRAWS, draws), draws))


def share(
    right: ArrayLike,
    groups: ArrayLike,
    seed: int,
    *,
    classes: ArrayLike | None = None,
    weights: ArrayLike | None = None,
) -> Interval:
    """Mean of ``right`` [N] over examples; with ``classes`` [N], the mean of each class's mean.

    With ``weights`` [N] an example counts so many times in its mean. A class of which a draw has no
    example, or none with a weight, is left out of that draw.
    """
    values = np.asarray(right, dtype=np.float64)
    times_each = np.ones(len(values)) if weights is None else np.asarray(weights, np.float64)
    _, group = np.unique(np.asarray(groups), return_inverse=True)
    kinds = np.zeros(len(values), dtype=np.int64)
    if classes is not None:
        _, kinds = np.unique(np.asarray(classes), return_inverse=True)
    shape = (group.max() + 1, kinds.max() + 1)
    cells = group * shape[1] + kinds
    sums = np.bincount(cells, values * times_each, minlength=shape[0] * shape[1]).reshape(shape)
    counts = np.bincount(cells, times_each, minlength=shape[0] * shape[1]).reshape(shape)

    def means(times: Numbers) -> Numbers:
        drawn = times @ counts
        each = np.divide(times @ sums, drawn, out=np.full(drawn.shape, np.nan), where=drawn > 0)
        found: Numbers = np.nanmean(each, axis=1)
        return found

    found = np.concatenate([means(times) for times in _times(shape[0], seed, DRAWS)])
    low, high = np.percentile(found, COVERAGE)
    return Interval(float(means(np.ones((1, shape[0])))[0]), float(low), float(high))


def median(values: ArrayLike, groups: ArrayLike, seed: int) -> Interval:
    """The mean over the columns of ``values`` [N, R] of their medians."""
    value, found = medians(values, groups, seed)
    low, high = np.percentile(found, COVERAGE)
    return Interval(value, float(low), float(high))


def medians(values: ArrayLike, groups: ArrayLike, seed: int) -> tuple[float, Numbers]:
    """The same, and of each draw, [draws]."""
    columns = np.asarray(values, np.float64)
    return spread(
        lambda rows: float(np.median(columns[rows], axis=0).mean()), groups, seed, LEAST_DRAWS
    )


def paired_difference(right: ArrayLike, other: ArrayLike, groups: ArrayLike, seed: int) -> Interval:
    """Mean of ``right`` less ``other``, [N] each, on the same examples in the same draws.

    An interval that holds 0 says that the two have not been told apart.
    """
    return share(np.asarray(right, float) - np.asarray(other, float), groups, seed)


def agreement(
    statistic: Callable[[NDArray[np.int64]], float], groups: ArrayLike, seed: int, draws: int
) -> Interval:
    """An interval for a measure of two labellings; ``statistic`` takes rows [M], with repeats."""
    return around(*spread(statistic, groups, seed, draws))


def spread(
    statistic: Callable[[NDArray[np.int64]], float], groups: ArrayLike, seed: int, draws: int
) -> tuple[float, Numbers]:
    """``statistic`` of all rows, and of each draw, [draws]; the same draws for the same groups."""
    _, group = np.unique(np.asarray(groups), return_inverse=True)
    rows = np.arange(len(group))
    found = [
        statistic(np.repeat(rows, times[group]))
        for block in _times(group.max() + 1, seed, draws)
        for times in block.astype(np.int64)
    ]
    return statistic(rows), np.array(found)


def around(value: float, found: Numbers) -> Interval:
    """The spread of the draws ``found`` about their own mean, laid around ``value``.

    A row drawn twice agrees with itself, which lifts every measure of agreement in every draw.
    """
    low, high = value + np.percentile(found, COVERAGE) - found.mean()
    return Interval(value, float(low), float(high))


def _times(groups: int, seed: int, draws: int) -> Iterator[NDArray[Any]]:
    """How often each group is drawn: blocks [draws, groups], float64 for a matrix product."""
    random = np.random.default_rng(derive(seed, "bootstrap"))
    left = draws_for(groups, draws)
    step = max(1, 1_000_000 // groups)
    while left > 0:
        now = min(step, left)
        left -= now
        yield random.multinomial(groups, np.full(groups, 1 / groups), size=now).astype(np.float64)
