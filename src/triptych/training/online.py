"""The refresh within a step: clusters of the queue and the batch, whose centroids are targets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor

from triptych.clustering import online
from triptych.clustering.whiten import Whitening
from triptych.embeddings.extract import Features
from triptych.methods.method import Cluster, Method
from triptych.seeds import derive
from triptych.state.assignments import Assignment
from triptych.state.training_state import TrainingState
from triptych.training.recipe import Recipe

if TYPE_CHECKING:
    from triptych.training.step import BatchStep

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


def plan_of(recipe: Recipe, epoch: int, step: int, steps: int) -> Plan:
    """The plan of ``step`` of ``epoch``, each of which has ``steps``."""
    return Plan(
        recipe.clustering.k,
        recipe.clustering.iterations,
        recipe.queue.every,
        recipe.queue.by,
        recipe.draws.per_file,
        recipe.seed,
        step,
        epoch * steps + step,
    )


@torch.no_grad()
def refresh(step: BatchStep, plan: Plan, clips: Fused) -> None:
    """Centroids that are due, in the state, and the clusters of the batch's ``clips``, in ``step``.

    Every ``plan.every`` steps k-means goes on from the centroids there are, over queue and batch
    together; at all others clips are assigned to them. While these are fewer than k there are no
    centroids, and nothing is learned from any.
    """
    state = step.state
    for cluster in queued(step.method):
        fused, known = clips[cluster.name]
        batch, held = fused[known], cluster.online
        if held.anew and plan.step == 0:
            state.centroids.pop(cluster.name, None)
        if state.queue is None:  # the recipe wants no centroids
            continue
        rows = torch.cat([state.queue.rows, batch]) if held.early or state.queue.full else batch
        before = state.centroids.get(cluster.name)
        due = plan.step if held.anew else plan.place
        if len(rows) >= plan.k and (before is None or due % plan.every == 0):
            state.centroids[cluster.name] = _moved(rows, before, cluster, plan)
        if cluster.name in state.centroids:
            labels = torch.full((len(known),), -1, dtype=torch.int64, device=known.device)
            labels[known] = online.assign(batch, state.centroids[cluster.name], metric_of(cluster))
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
    seed = derive(plan.seed, "queue", cluster.name, plan.place)
    return online.update(
        rows,
        before,
        plan.k,
        metric=metric_of(cluster),
        iterations=plan.iterations,
        reseed=cluster.online.reseed,
        generator=torch.Generator().manual_seed(seed),
    ).centroids


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
