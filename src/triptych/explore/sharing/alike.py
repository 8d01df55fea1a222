"""How alike clips are beside pairs drawn at random: a share of such pairs, .5 by chance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from triptych.clustering.whiten import unit

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.int64]

DRAWS = 1000
DRAWS_OF_ALL = 200
FEWEST = 3  # films, of a cluster for an interval, of the collection for a yardstick
COVERAGE = (2.5, 97.5)
DECIMALS = 6


@dataclass(frozen=True)
class Alike:
    """The chance that two clips are more alike than two of the collection drawn at random.

    Of different films always: clips of one film are alike in everything. The area under the ROC
    curve of telling the one pairs from the other; the 95 % interval is a bootstrap over films,
    None where there are fewer than three.
    """

    value: float
    low: float | None
    high: float | None
    clips: int
    films: int

    @property
    def told(self) -> bool:
        """Whether chance is below the whole interval."""
        return self.low is not None and self.low > 0.5


class Yardstick:
    """Random pairs of a collection, against which any clips of it are measured."""

    def __init__(
        self, rows: Rows, vectors: npt.NDArray[np.float32], films: npt.NDArray[np.int64],
        drawn: Sequence[int], *, centred: bool,
    ) -> None:  # fmt: skip
        """``vectors`` [n, d] are of ``rows`` [n], ascending, and ``films`` [n] say whose they are.

        ``drawn`` are rows drawn at random; ``centred`` takes the mean of their vectors from all.
        """
        self.rows, self.films = rows, films
        places = self._places(drawn)
        mean = vectors[places].mean(axis=0) if centred and len(places) else 0.0
        self.vectors = unit(np.asarray(vectors - mean, np.float32))
        similar, apart = self._pairs(places)
        self.sorted = np.sort(similar[np.triu(apart)])
        self.enough = len(np.unique(films[places])) >= FEWEST
        self._among = self.shares(similar), apart

    def _places(self, rows: Sequence[int]) -> Rows:
        wanted = np.unique(np.asarray(rows, np.int64))
        return np.flatnonzero(np.isin(self.rows, wanted))

    def _pairs(self, places: Rows) -> tuple[Floats, npt.NDArray[np.bool_]]:
        """Cosines of all pairs [n, n], and which are of different films."""
        chosen = self.vectors[places].astype(np.float64)
        films = self.films[places]
        # A pair may be among those drawn too: it has to equal itself, whatever the order of sums.
        return np.round(chosen @ chosen.T, DECIMALS), films[:, None] != films[None]

    def shares(self, similar: Floats) -> Floats:
        """Share of the random pairs that are less alike; of equal ones half."""
        below = np.searchsorted(self.sorted, similar, "left")
        upto = np.searchsorted(self.sorted, similar, "right")
        return np.asarray((below + upto) / (2 * max(len(self.sorted), 1)), np.float64)

    def measure(self, rows: Sequence[int], *, seed: int) -> Alike | None:
        """How alike the clips ``rows`` are; None where fewer than two films of them can be."""
        places = self._places(rows)
        films, film = np.unique(self.films[places], return_inverse=True)
        if len(films) < 2 or not self.enough:
            return None
        similar, apart = self._pairs(places)
        shares = self.shares(similar) * apart
        # Sums over the clips of each two films, so that a draw of films is a product.
        member = np.eye(len(films))[film]
        total, count = member.T @ shares @ member, member.T @ apart @ member
        value = float(total.sum() / count.sum())
        low = high = None
        if len(films) >= FEWEST:
            draw = np.random.default_rng(seed)
            even = np.full(len(films), 1 / len(films))
            times = draw.multinomial(len(films), even, size=DRAWS).astype(np.float64)
            pairs = np.einsum("df,fg,dg->d", times, count, times)
            some = pairs > 0  # a draw of one film alone has no pair
            found = np.einsum("df,fg,dg->d", times, total, times)[some] / pairs[some]
            low, high = (float(edge) for edge in np.percentile(found, COVERAGE))
        return Alike(value, low, high, len(places), len(films))

    def best_by_chance(self, sizes: Sequence[int], *, seed: int) -> float | None:
        """What the most alike of clusters of those sizes would have, were they drawn at random."""
        shares, apart = self._among
        sizes = [min(size, len(apart)) for size in sizes if size > 1]
        if not sizes or not self.enough:
            return None
        draw = np.random.default_rng(seed)
        best = []
        for _ in range(DRAWS_OF_ALL):
            values = []
            for size in sizes:
                some = draw.choice(len(apart), size, replace=False)
                grid = np.ix_(some, some)
                count = apart[grid].sum()
                if count:
                    values.append(float((shares[grid] * apart[grid]).sum() / count))
            best.append(max(values, default=0.5))
        return float(np.mean(best))
