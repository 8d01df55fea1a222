"""A measure example by example: its interval, and its difference to another in the same draws."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from triptych.evaluate import bootstrap
from triptych.evaluate.bootstrap import Interval, Numbers
from triptych.evaluate.evaluator import Measure
from triptych.evaluate.folds import Strings


@dataclass(frozen=True)
class Tally:
    """``values`` (N, R) of N examples in R runs; ``names`` (N,) tell the same examples again.

    The figure is the mean of the examples' values, each counted ``weights`` times, or with
    ``classes`` the mean of the classes' means; or the median. Of several runs it is the mean.
    """

    metric: str
    values: Numbers
    names: Strings
    groups: Strings
    weights: Numbers | None = None
    classes: Strings | None = None
    statistic: Literal["mean", "median"] = "mean"

    def __post_init__(self) -> None:
        for column in (self.values, self.names, self.groups, self.weights, self.classes):
            if column is not None and len(column) != len(self.names):
                raise ValueError(f"{self.metric}: {len(column)} for {len(self.names)} examples")

    @property
    def each(self) -> list[float]:
        """The figure of each run."""
        return [replace(self, values=run[:, None]).value for run in self.values.T]

    @property
    def value(self) -> float:
        """The figure."""
        if self.statistic == "median":
            return float(np.median(self.values, axis=0).mean())
        values, weights = self.values.mean(axis=1), self.weights
        if self.classes is None:
            return float(np.average(values, weights=weights))
        _, of = np.unique(self.classes, return_inverse=True)
        sums = np.bincount(of, values if weights is None else values * weights)
        counts = np.bincount(of, weights)
        return float((sums[counts > 0] / counts[counts > 0]).mean())

    def interval(self, seed: int = 0) -> Interval:
        """The figure with its interval over groups."""
        if self.statistic == "median":
            return bootstrap.median(self.values, self.groups, seed)
        return self._mean(self.values.mean(axis=1), seed)

    def measure(self, seed: int) -> Measure:
        """The figure as a row of a table."""
        return Measure(self.metric, *self.interval(seed), len(self.names))

    def over(self, other: Tally, seed: int = 0) -> Interval:
        """How much more it is than ``other``, on the examples that both have, in the same draws."""
        mine, theirs = _common([self, other])
        if self.statistic == "mean":
            return mine._mean(mine.values.mean(axis=1) - theirs.values.mean(axis=1), seed)
        pair = [bootstrap.medians(one.values, one.groups, seed) for one in (mine, theirs)]
        (value, draws), (less, fewer) = pair
        return Interval(value - less, *map(float, np.percentile(draws - fewer, bootstrap.COVERAGE)))

    def _mean(self, values: Numbers, seed: int) -> Interval:
        return bootstrap.share(
            values, self.groups, seed, classes=self.classes, weights=self.weights
        )

    def _take(self, rows: NDArray[np.int64]) -> Tally:
        columns: dict[str, Any] = {
            name: getattr(self, name)[rows]
            for name in ("values", "names", "groups", "weights", "classes")
            if getattr(self, name) is not None
        }
        return replace(self, **columns)


@dataclass(frozen=True)
class Found:
    """What an evaluation across modalities gives: measures, their chance, and the protocol."""

    tallies: list[Tally]
    chance: dict[str, float]  # by metric, of what looks at nothing; the protocol says how
    protocol: dict[str, Any]


def together(runs: Sequence[Tally]) -> Tally:
    """Several runs of one measure as one, of the examples that all have."""
    aligned = _common(runs)
    return replace(aligned[0], values=np.concatenate([one.values for one in aligned], axis=1))


def _common(tallies: Sequence[Tally]) -> list[Tally]:
    names = tallies[0].names
    for one in tallies[1:]:
        names = np.intersect1d(names, one.names)
    if not len(names):
        raise ValueError(f"{tallies[0].metric}: no example is in all of {len(tallies)} runs")
    found = []
    for one in tallies:
        order = np.argsort(one.names)
        found.append(one._take(order[np.searchsorted(one.names[order], np.sort(names))]))
    return found
