"""Lloyd's iterations on two engines: faiss on the CPU, torch on any device, same answers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple, Protocol

import faiss
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Floats = NDArray[np.float32]
Labels = NDArray[np.int64]

# Elements of a block of distances: small enough for the caches of a CPU (1024 rows at k = 1000s was
# fastest), large enough to keep a GPU busy.
BLOCK_ON_CPU = 1 << 21
BLOCK_ON_GPU = 1 << 27


class Course(NamedTuple):
    """Where Lloyd's iterations ended."""

    centroids: Floats  # [k, D]
    history: tuple[float, ...]  # inertia at the start of each iteration; shorter when converged
    moved: int  # centroids of empty clusters that were moved on the way


class Engine(Protocol):
    """The heavy part of k-means on one kind of device."""

    def iterate(self, centroids: Floats, iterations: int) -> Course:
        """Run ``iterations`` from these centroids [k, D]."""

    def nearest(self, centroids: Floats) -> Labels:
        """The closest centroid [N] of every row."""

    def distances(self, centroids: Floats, labels: Labels) -> Floats:
        """Squared distance [N] of each row to its own centroid, by subtraction."""

    def rows(self, where: Labels) -> Floats:
        """Some of the features, on the host."""


class Faiss:
    """faiss on the CPU; ``x`` is float32 [N, D], contiguous, never copied."""

    def __init__(self, x: Floats) -> None:
        self.x = x

    def iterate(self, centroids: Floats, iterations: int) -> Course:
        """Run faiss.Kmeans over all rows: its own default would silently take 256 per cluster."""
        k, width = centroids.shape
        run: Any = faiss.Kmeans(
            width,
            k,
            niter=iterations,
            verbose=False,
            min_points_per_centroid=1,
            max_points_per_centroid=len(self.x),
        )
        run.train(self.x, init_centroids=np.ascontiguousarray(centroids))
        moved = sum(int(step["nsplit"]) for step in run.iteration_stats)
        return Course(np.asarray(run.centroids), tuple(float(value) for value in run.obj), moved)

    def nearest(self, centroids: Floats) -> Labels:
        """The closest centroid [N] of every row."""
        index = faiss.IndexFlatL2(centroids.shape[1])
        index.add(np.ascontiguousarray(centroids))
        _, labels = index.search(self.x, 1)
        return np.asarray(labels, dtype=np.int64).ravel()

    def distances(self, centroids: Floats, labels: Labels) -> Floats:
        """Squared distance [N] of each row to its own centroid, by subtraction."""
        found = np.empty(len(self.x), dtype=np.float32)
        step = max(1, BLOCK_ON_CPU // centroids.shape[1])
        for start in range(0, len(self.x), step):
            span = slice(start, start + step)
            apart = self.x[span] - centroids[labels[span]]
            found[span] = np.einsum("nd,nd->n", apart, apart)
        return found

    def rows(self, where: Labels) -> Floats:
        """Some of the features."""
        return self.x[where]


class Totals(NamedTuple):
    """What one pass over the rows adds up: every field of two shards may simply be added."""

    sums: Tensor  # float64 [k, D]
    counts: Tensor  # int64 [k]
    inertia: Tensor  # float64 []


class Torch:
    """Plain Lloyd in torch; ``x`` is float32 [N, D] on the device that does the work."""

    def __init__(self, x: Tensor) -> None:
        self.x = x

    def iterate(self, centroids: Floats, iterations: int) -> Course:
        """Run Lloyd's iterations; a cluster left empty takes half of the most populous one."""
        current = self._here(centroids)
        history, moved = [], 0
        for _ in range(iterations):
            totals = self.totals(current)
            history.append(float(totals.inertia))
            current = (totals.sums / totals.counts.clamp(min=1)[:, None]).float()
            split = _split(current, totals.counts.cpu().numpy())
            moved += split
            if not split and history[-1:] == history[-2:-1]:
                break
        return Course(current.cpu().numpy(), tuple(history), moved)

    def totals(self, centroids: Tensor) -> Totals:
        """Assign every row to the closest of ``centroids`` [k, D] and add up what an update needs.

        Sums are in float64, so that neither their order nor the number of shards shows in float32.
        """
        k, width = centroids.shape
        sums = torch.zeros(k, width, dtype=torch.float64, device=self.x.device)
        counts = torch.zeros(k, dtype=torch.int64, device=self.x.device)
        inertia = torch.zeros((), dtype=torch.float64, device=self.x.device)
        squares = centroids.square().sum(1)
        for rows in self._blocks(k):
            apart, labels = closest(rows, centroids, squares)
            sums.index_add_(0, labels, rows.double())
            counts += torch.bincount(labels, minlength=k)
            inertia += (apart + rows.square().sum(1)).clamp(min=0).sum(dtype=torch.float64)
        return Totals(sums, counts, inertia)

    def nearest(self, centroids: Floats) -> Labels:
        """The closest centroid [N] of every row."""
        there = self._here(centroids)
        squares = there.square().sum(1)
        parts = [closest(rows, there, squares)[1].cpu() for rows in self._blocks(len(there))]
        return torch.cat(parts).numpy()

    def distances(self, centroids: Floats, labels: Labels) -> Floats:
        """Squared distance [N] of each row to its own centroid, by subtraction."""
        there, chosen = self._here(centroids), torch.from_numpy(labels).to(self.x.device)
        parts, start = [], 0
        for rows in self._blocks(there.shape[1]):
            own = chosen[start : start + len(rows)]
            parts.append((rows - there[own]).square().sum(1).cpu())
            start += len(rows)
        return torch.cat(parts).numpy()

    def rows(self, where: Labels) -> Floats:
        """Some of the features, on the host."""
        return self.x[torch.from_numpy(where).to(self.x.device)].cpu().numpy()

    def _here(self, centroids: Floats) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(centroids)).to(self.x.device)

    def _blocks(self, columns: int) -> Iterator[Tensor]:
        block = BLOCK_ON_CPU if self.x.device.type == "cpu" else BLOCK_ON_GPU
        step = max(256, block // columns)
        for start in range(0, len(self.x), step):
            yield self.x[start : start + step]


def closest(rows: Tensor, centroids: Tensor, squares: Tensor) -> tuple[Tensor, Tensor]:
    """The closest of ``centroids`` [k, D] to each of ``rows`` [N, D]: how near, and which, [N].

    With ``squares`` [k], the centroids' squared lengths, how near is the squared distance less
    |x|^2, which is the same for every centroid; with zeros it is the largest product, times -2.
    """
    best = torch.addmm(squares, rows, centroids.T, alpha=-2).min(1)
    return best.values, best.indices


def _split(centroids: Tensor, counts: NDArray[np.int64]) -> int:
    """Move the centroid of each empty cluster beside that of the most populous one, in place."""
    empty = np.flatnonzero(counts == 0)
    away = 1 + torch.tensor([1.0, -1.0], device=centroids.device).repeat(centroids.shape[1]) / 1024
    away = away[: centroids.shape[1]]
    for cluster in empty:
        full = int(counts.argmax())
        centroids[cluster] = centroids[full] * away
        centroids[full] = centroids[full] * (2 - away)
        counts[cluster] = counts[full] // 2
        counts[full] -= counts[cluster]
    return len(empty)
