"""The refresh within a step: clusters of the queue and the batch, whose centroids are targets."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from triptych.clustering import online
from triptych.clustering.sinkhorn import sinkhorn
from triptych.clustering.whiten import Whitening
from triptych.embeddings.extract import Features
from triptych.methods.method import Cluster, Joint, Method
from triptych.seeds import derive
from triptych.state.assignments import Assignment
from triptych.state.training_state import TrainingState
from triptych.training.recipe import Recipe

if TYPE_CHECKING:
    from triptych.training.step import BatchStep

# Of Sinkhorn: SeLaVi's weight of the entropy, 1 / 20, and how often sizes are scaled. SeLaVi weighs
# it against log-probabilities; cosines do not depend on how long the vectors have become.
EPSILON, ITERATIONS = 0.05, 100
Fused = Mapping[str, tuple[Tensor, Tensor]]  # by clustering: (clips, width), and which have any


@dataclass(frozen=True)
class Plan:
    """What the recipe says of clusters over the queue, and which step this is."""

    k: int
    iterations: int
    every: int
    by: Literal["kmeans", "sinkhorn"]
    per_file: int
    seed: int
    step: int  # within the epoch
    place: int  # within the run
    warmup: int = 0  # steps of the run before its first centroids


def plan_of(recipe: Recipe, joint: Joint, epoch: int, step: int, steps: int) -> Plan:
    """The plan of ``step`` of ``epoch``, each of which has ``steps``; ``joint`` is the method's."""
    warmup = joint.warmup if recipe.joint.warmup is None else recipe.joint.warmup
    return Plan(
        recipe.clustering.k,
        recipe.clustering.iterations,
        recipe.queue.every,
        recipe.queue.by,
        recipe.draws.per_file,
        recipe.seed,
        step,
        epoch * steps + step,
        math.ceil(warmup * recipe.epochs * steps),
    )


@torch.no_grad()
def refresh(step: BatchStep, plan: Plan, clips: Fused) -> None:
    """Centroids that are due, in the state, and the clusters of the batch's ``clips``, in ``step``.

    Every ``plan.every`` steps k-means goes on from the centroids there are, over queue and batch
    together; at all others clips are assigned to them. While these are fewer than k, or the step is
    of the warm-up, there are no centroids, and nothing is learned from any.
    """
    state = step.state
    for cluster in queued(step.method):
        fused, known = clips[cluster.name]
        batch, held = fused[known], cluster.online
        if held.anew and plan.step == 0:
            state.centroids.pop(cluster.name, None)
        if state.queue is None or plan.place < plan.warmup:  # the recipe wants none, or none yet
            continue
        queue = state.queue.rows if held.early or state.queue.full else batch[:0]
        before = state.centroids.get(cluster.name)
        due = plan.step if held.anew else plan.place
        enough = len(queue) + len(batch) >= plan.k
        if enough and (before is None or due % plan.every == 0):
            rows = torch.cat([queue, batch])
            state.centroids[cluster.name] = _moved(rows, before, cluster, plan)
        if cluster.name in state.centroids:
            found = _assigned(queue, batch, state.centroids[cluster.name], cluster, plan)
            labels = torch.full((len(known),), -1, dtype=torch.int64, device=known.device)
            labels[known] = found
            step.assigned[cluster.name] = labels


def push(state: TrainingState, method: Method, plan: Plan, clips: Fused) -> None:
    """Put what the batch's ``clips`` were into the queue."""
    if state.queue is None:
        return
    for cluster in queued(method):
        fused, known = clips[cluster.name]
        if cluster.online.half:
            turn = torch.arange(len(known), device=known.device) % plan.per_file
            known = known & (turn < -(-plan.per_file // 2))
        state.queue.push(fused[known])


def queued(method: Method) -> tuple[Cluster, ...]:
    """The clusterings over the queue."""
    return tuple(cluster for cluster in method.clusters if cluster.over == "queue")


def metric_of(cluster: Cluster) -> online.Metric:
    """By what rows go to centroids."""
    return "cosine" if cluster.online.cosine else "euclidean"


def _moved(rows: Tensor, before: Tensor | None, cluster: Cluster, plan: Plan) -> Tensor:
    """The centroids (k, width) after this step."""
    draw = torch.Generator().manual_seed(derive(plan.seed, "queue", cluster.name, plan.place))
    if plan.by == "sinkhorn":
        if before is None:
            before = rows[torch.randperm(len(rows), generator=draw)[: plan.k].to(rows.device)]
        return _balanced_means(rows, before, plan)
    return online.update(
        rows,
        before,
        plan.k,
        metric=metric_of(cluster),
        iterations=plan.iterations,
        reseed=cluster.online.reseed,
        generator=draw,
    ).centroids


def _assigned(
    queue: Tensor, batch: Tensor, centroids: Tensor, cluster: Cluster, plan: Plan
) -> Tensor:
    """The cluster of each clip of the batch; where they are balanced, together with the queue."""
    if plan.by == "sinkhorn":
        return _balanced((queue, batch), centroids)[len(queue) :]
    return online.assign(batch, centroids, metric_of(cluster))


def _balanced(parts: Sequence[Tensor], centroids: Tensor) -> Tensor:
    """Labels of clusters of one size, of all rows together, by cosines to the centroids."""
    points = F.normalize(centroids, dim=1)
    cosines = torch.cat([F.normalize(rows, dim=1) @ points.T for rows in parts])
    return sinkhorn(cosines, EPSILON, ITERATIONS).argmax(1)


def _balanced_means(rows: Tensor, centroids: Tensor, plan: Plan) -> Tensor:
    """k-means with balanced labels; a cluster that is left empty stays where it was."""
    labels = _balanced((rows,), centroids)
    for _ in range(plan.iterations):
        sums = torch.zeros_like(centroids).index_add_(0, labels, rows)
        counts = torch.bincount(labels, minlength=len(centroids))[:, None]
        centroids = torch.where(counts > 0, sums / counts.clamp(min=1), centroids)
        before, labels = labels, _balanced((rows,), centroids)
        if torch.equal(before, labels):
            break
    return centroids


def examined(
    state: TrainingState, method: Method
) -> tuple[dict[str, Features], dict[str, Assignment], dict[str, float]]:
    """The queue as features, its clusters, and their squared distance to centroids, per row.

    Empty where there is no queue, or nothing in it.
    """
    features: dict[str, Features] = {}
    found: dict[str, Assignment] = {}
    inertia: dict[str, float] = {}
    if state.queue is None or not state.queue.filled:
        return features, found, inertia
    rows = state.queue.rows
    for cluster in queued(method):
        values = rows.cpu().numpy()
        features[cluster.name] = Features(values, torch.ones(len(rows), dtype=torch.bool).numpy())
        centroids = state.centroids.get(cluster.name)
        if centroids is None:
            continue
        labels = online.assign(rows, centroids, metric_of(cluster))
        none = Whitening.none(rows.shape[1])
        found[cluster.name] = Assignment(labels.cpu().numpy(), centroids.cpu().numpy(), none)
        inertia[cluster.name] = float((rows - centroids[labels]).square().sum(1).mean())
    return features, found, inertia
