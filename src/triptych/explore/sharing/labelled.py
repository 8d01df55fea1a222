"""What labels the members of a cluster have in common, beside what chance gives."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np
import numpy.typing as npt

from triptych.clustering import composition
from triptych.errors import UserError
from triptych.seeds import derive

LISTED = 3  # labels of a cluster
Z = 1.959964  # of a normal distribution, 95 % within


@dataclass(frozen=True)
class Column:
    """A column of labels by the collection's clips, "" where one has none."""

    name: str
    labels: npt.NDArray[np.str_]  # [clips]


@dataclass(frozen=True)
class Common:
    """The most frequent label of a cluster, as a share of its labelled clips.

    The interval is Wilson's with as many trials as there are films: clips of one film are not
    independent, and a bootstrap of a share of 1 has no width at all.
    """

    column: str
    label: str
    count: int
    labelled: int
    films: int
    value: float
    low: float
    high: float
    chance: float  # mean of as many clips drawn at random, most frequent label of theirs
    others: list[tuple[str, int]]  # with the first, most frequent first

    @property
    def told(self) -> bool:
        """Whether chance is below the whole interval."""
        return self.low > self.chance


class Counted:
    """One column of labels over one clustering."""

    def __init__(
        self, column: Column, clusters: npt.NDArray[np.int64], k: int,
        films: npt.NDArray[np.int64], least: int, seed: int,
    ) -> None:  # fmt: skip
        """``clusters`` and ``films`` [clips], -1 in no cluster; ``least`` clips make a candidate.

        Raises UserError where the labelled clips all have one label.
        """
        self.column, self.films = column, films
        self.clusters = np.where(column.labels != "", clusters, -1)
        known = self.clusters >= 0
        self.classes, codes = np.unique(column.labels[known], return_inverse=True)
        if len(self.classes) < 2:
            raise UserError(
                f"labels: all {int(known.sum())} clustered clips with a {column.name!r} have the "
                "same, so every cluster would be pure; give labels of two kinds or more"
            )
        self.table = composition.tally(self.clusters[known], codes, k, len(self.classes))
        enough = self.table.sum(1) >= least
        place = derive(seed, "chance", column.name)
        self.chance = composition.by_chance(self.table, enough, seed=place)
        self.purest = self.chance.purest if enough.any() else None

    def of(self, cluster: int) -> Common | None:
        """What cluster ``cluster`` has in common; None where none of its clips has a label."""
        counts = self.table[cluster]
        labelled = int(counts.sum())
        if not labelled:
            return None
        first = np.argsort(-counts, kind="stable")[:LISTED].tolist()
        films = len(np.unique(self.films[self.clusters == cluster]))
        share = float(counts[first[0]] / labelled)
        return Common(
            self.column.name,
            str(self.classes[first[0]]),
            int(counts[first[0]]),
            labelled,
            films,
            share,
            *wilson(share, films),
            float(self.chance.purity[cluster]),
            [(str(self.classes[at]), int(counts[at])) for at in first if counts[at]],
        )


def wilson(share: float, trials: int) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson 1927)."""
    middle = share + Z * Z / (2 * trials)
    half = Z * sqrt(share * (1 - share) / trials + (Z / (2 * trials)) ** 2)
    scale = 1 + Z * Z / trials
    return max(0.0, (middle - half) / scale), min(1.0, (middle + half) / scale)
