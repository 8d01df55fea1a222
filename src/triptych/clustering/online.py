"""k-means that goes on from its last centroids, on the rows that a training loop has just now."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Literal, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from triptych.clustering.lloyd import BLOCK_ON_CPU, BLOCK_ON_GPU, closest
from triptych.errors import UserError

Metric = Literal["euclidean", "cosine"]

# Of a squared distance, as a share of the row's squared length: below it, products in float32
# cannot tell which of two centroids is nearer.
ROUNDING = 1e-6

DIVERGED = (
    "online k-means: the features to cluster hold NaN or infinity, so training has diverged or an "
    "input is broken; lower the learning rate, or start from an earlier checkpoint"
)


class Update(NamedTuple):
    """Where one update ended."""

    centroids: Tensor  # float32 [K, D]
    labels: Tensor  # int64 [N], what ``assign`` answers for the same rows and centroids
    iterations: int  # of Lloyd's, fewer than allowed when converged
    reseeded: int  # empty clusters that were given a far row, over all iterations


@torch.no_grad()
def update(
    rows: Tensor,
    centroids: Tensor | None,
    clusters: int,
    *,
    metric: Metric = "euclidean",
    iterations: int = 100,
    tolerance: float = 1e-4,
    reseed: bool = True,
    generator: torch.Generator | None = None,
) -> Update:
    """Lloyd's iterations over ``rows`` (N, D), from ``centroids`` (K, D) where there are any.

    This is the online k-means of Multimodal Clustering Networks (Chen et al., ICCV 2021, equation
    5). Without centroids it starts at ``clusters`` rows drawn without replacement by ``generator``
    (of the CPU, so that the draw is the same for every device). It ends after ``iterations``, or
    when the squared moves of all centroids together are at most ``tolerance``, in the rows' own
    squared units.

    ``metric`` "euclidean" is the paper's. "cosine" is the library's that the paper's code calls
    (fast_pytorch_kmeans of 2020): a row goes to the centroid of the largest cosine, and a centroid
    is the plain mean of its rows at the length that they have; this lowers no sum of distances, so
    it may move in circles until the iterations end.

    A cluster that is left empty gets the row farthest from its own centroid, the next one the row
    then farthest; where every row lies on a centroid it keeps its place. With ``reseed`` false its
    centroid becomes zero, as in that library. A row may then still be nearest to it: by the cosine
    when all others point away.

    Sums are in float64, in blocks, so memory beside the rows is bounded. The same input gives the
    same bits on the CPU. Raises ValueError for fewer rows than clusters (a loop waits until its
    queue holds enough), UserError where features are NaN or infinite.
    """
    if len(rows) < clusters or min(clusters, iterations) < 1:
        raise ValueError(f"{len(rows)} rows, {clusters} clusters, {iterations} iterations")
    current = _start(rows, clusters, generator) if centroids is None else centroids.float()
    if current.shape != (clusters, rows.shape[1]):
        shape = tuple(current.shape)
        raise ValueError(f"centroids {shape} for {clusters} clusters of width {rows.shape[1]}")
    labels = assign(rows, current, metric)
    taken = reseeded = 0
    for _ in range(iterations):
        taken += 1
        sums, counts = _totals(rows, labels, clusters)
        moved = (sums / counts.clamp(min=1)[:, None]).float()
        empty = (counts == 0).nonzero()[:, 0]
        if reseed and len(empty):
            moved[empty] = current[empty]
            reseeded += _reseed(rows, moved, labels, empty, metric)
        shift = float((moved - current).square().sum(dtype=torch.float64))
        if not math.isfinite(shift):
            raise UserError(DIVERGED)
        current = moved
        labels = assign(rows, current, metric)
        if shift <= tolerance:
            break
    return Update(current, labels, taken, reseeded)


@torch.no_grad()
def assign(rows: Tensor, centroids: Tensor, metric: Metric = "euclidean") -> Tensor:
    """The cluster of each of ``rows`` (N, D) among ``centroids`` (K, D): int64 (N,).

    The nearest centroid, or by "cosine" the one of the largest cosine, where that to a centroid of
    zeros is zero; the first of several as good.
    """
    points = centroids.float()
    if metric == "cosine":
        # The length of a row changes none of its choices, so one product serves both metrics.
        points, offsets = F.normalize(points, dim=1), points.new_zeros(len(points))
    else:
        offsets = points.square().sum(1)
    blocks = [closest(rows[span].float(), points, offsets)[1] for span in _spans(rows, len(points))]
    return torch.cat(blocks)


def _start(rows: Tensor, clusters: int, generator: torch.Generator | None) -> Tensor:
    drawn = torch.randperm(len(rows), generator=generator)[:clusters]
    return rows[drawn.to(rows.device)].float()


def _totals(rows: Tensor, labels: Tensor, clusters: int) -> tuple[Tensor, Tensor]:
    """The sum float64 (K, D) and the number int64 (K,) of each cluster's rows."""
    sums = torch.zeros(clusters, rows.shape[1], dtype=torch.float64, device=rows.device)
    for span in _spans(rows, rows.shape[1]):
        sums.index_add_(0, labels[span], rows[span].double())
    return sums, torch.bincount(labels, minlength=clusters)


def _reseed(rows: Tensor, centroids: Tensor, labels: Tensor, empty: Tensor, metric: Metric) -> int:
    """Move the ``empty`` of ``centroids``, in place, each to the row farthest from all so far.

    Returns how many were moved.
    """
    apart = torch.empty(len(rows), device=rows.device)
    for span in _spans(rows, rows.shape[1]):
        apart[span] = _apart(rows[span], centroids[labels[span]], metric)
    for moved, cluster in enumerate(empty.tolist()):
        row = rows[apart.argmax()].float()
        if apart.max() <= ROUNDING * (1 if metric == "cosine" else row.square().sum()):
            return moved
        centroids[cluster] = row
        for span in _spans(rows, rows.shape[1]):
            near = _apart(rows[span], centroids[cluster], metric)
            torch.minimum(apart[span], near, out=apart[span])
    return len(empty)


def _apart(rows: Tensor, points: Tensor, metric: Metric) -> Tensor:
    """Squared distance of each row to its point, by subtraction: zero where they are equal.

    By "cosine" at unit length, where it is twice what the cosine lacks of one.
    """
    rows = rows.float()
    if metric == "cosine":
        rows, points = F.normalize(rows, dim=1), F.normalize(points, dim=-1)
    return (rows - points).square().sum(1)


def _spans(rows: Tensor, columns: int) -> Iterator[slice]:
    """Blocks of the rows whose temporary values, ``columns`` for each row, stay small."""
    block = BLOCK_ON_CPU if rows.device.type == "cpu" else BLOCK_ON_GPU
    step = max(256, block // columns)
    for start in range(0, len(rows), step):
        yield slice(start, start + step)
