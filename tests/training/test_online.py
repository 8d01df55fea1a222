from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from triptych import config
from triptych.clips.dataset import ClipBatch
from triptych.methods.method import Cluster, Joint, Method, Online, declare
from triptych.state.queue import Queue
from triptych.state.training_state import TrainingState
from triptych.training import online
from triptych.training.online import Plan
from triptych.training.recipe import Recipe
from triptych.training.step import BatchStep, recall_of, triplets_of

PLAN = Plan(k=3, iterations=50, every=4, by="kmeans", per_file=1, seed=0, step=0, place=0)


def blobs(count: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows about three far points, and which of them each is about."""
    draw = torch.Generator().manual_seed(seed)
    which = torch.randint(3, (count,), generator=draw)
    far = torch.tensor([[9.0, 0.0], [0.0, 9.0], [-9.0, -9.0]])
    return far[which] + 0.1 * torch.randn(count, 2, generator=draw), which


def state_of(size: int = 40) -> TrainingState:
    return TrainingState(nn.ModuleDict(), nn.ModuleDict(), {}, queue=Queue(size, 2))


def method_of(how: Online = Online()) -> Method:  # noqa: B008 - frozen
    method = declare("mcn", ("video", "text"))
    return replace(method, clusters=(replace(method.clusters[0], online=how),))


def step_of(state: TrainingState, method: Method, clips: int) -> BatchStep:
    batch = ClipBatch(torch.arange(clips), {}, {})
    recipe = Recipe()
    return BatchStep(
        method,
        state,
        batch,
        {},
        torch.device("cpu"),
        0.0,
        triplets_of(recipe, 0),
        recall_of(recipe),
    )


def refreshed(
    state: TrainingState,
    fused: torch.Tensor,
    plan: Plan,
    how: Online = Online(),  # noqa: B008
) -> torch.Tensor:
    """The clusters of a batch, all clips of which have something; the queue takes it."""
    step = step_of(state, method_of(how), len(fused))
    clips = {"fused": (fused, torch.ones(len(fused), dtype=torch.bool))}
    online.refresh(step, plan, clips)
    online.push(state, step.method, plan, clips)
    return step.clusters("fused")


def same_partition(one: torch.Tensor, other: torch.Tensor) -> bool:
    return bool(((one[:, None] == one) == (other[:, None] == other)).all())


@pytest.mark.parametrize("by", ["kmeans", "sinkhorn"])
def test_queue_and_batch_are_clustered_together(by: str) -> None:
    """A batch of one clip could not be; beside the queue it falls to those like it."""
    state = state_of()
    rows, _ = blobs(31, 0)
    state.queue.push(rows[:30])  # type: ignore[union-attr]
    plan = replace(PLAN, by=by, seed=3)
    labels = refreshed(state, rows[30:], plan)
    centroids = state.centroids["fused"]
    nearest = torch.cdist(rows, centroids).argmin(1)
    assert labels[0] == nearest[30]
    if by == "kmeans":
        for cluster in range(3):
            mean = rows[nearest == cluster].mean(0)
            torch.testing.assert_close(centroids[cluster], mean)


def test_centroids_move_when_they_are_due_and_stay_otherwise() -> None:
    state = state_of()
    batches = [blobs(10, seed)[0] + 0.3 * seed for seed in range(9)]
    moved = []
    before = torch.zeros(3, 2)
    for place, batch in enumerate(batches):
        labels = refreshed(state, batch, replace(PLAN, place=place, step=place % 3))
        centroids = state.centroids["fused"]
        moved.append(not torch.equal(centroids, before))
        assert torch.equal(labels, torch.cdist(batch, centroids).argmin(1))
        before = centroids
    assert moved == [True, False, False, False, True, False, False, False, True]


def test_clusters_keep_their_numbers_from_one_clustering_to_the_next() -> None:
    state = state_of()
    rows, which = blobs(40, 1)
    first = refreshed(state, rows, PLAN)
    again = refreshed(state, rows + 0.05, replace(PLAN, place=4))
    assert torch.equal(first, again)
    assert same_partition(first, which)


def test_fewer_clips_than_clusters_have_no_centroids_until_the_queue_helps() -> None:
    state = state_of()
    rows, _ = blobs(6, 0)
    assert refreshed(state, rows[:2], PLAN).tolist() == [-1, -1]
    assert not state.centroids
    assert (refreshed(state, rows[2:4], replace(PLAN, place=1)) >= 0).all()


def test_the_released_way_clusters_the_batch_alone_until_the_queue_is_full() -> None:
    how = Online(early=False)
    state = state_of(size=20)
    far = torch.full((10, 2), 500.0)
    state.queue.push(far)  # type: ignore[union-attr]
    rows, _ = blobs(30, 0)
    refreshed(state, rows[:10], replace(PLAN, every=1), how)
    assert state.centroids["fused"].abs().max() < 20, "what the queue holds has no say"
    refreshed(state, rows[10:20], replace(PLAN, every=1, place=1), how)
    assert state.centroids["fused"].abs().max() > 100


def test_the_released_way_begins_every_epoch_from_other_rows() -> None:
    state = state_of()
    rows, _ = blobs(40, 0)
    plan = replace(PLAN, iterations=1, every=100)
    ends = []
    for place, step in ((0, 0), (1, 1), (2, 0)):
        refreshed(state, rows, replace(plan, place=place, step=step), Online(anew=True))
        ends.append(state.centroids["fused"].clone())
    assert torch.equal(ends[0], ends[1])
    assert not torch.equal(ends[1], ends[2])


def test_the_released_way_counts_the_steps_of_an_epoch_not_of_the_run() -> None:
    state = state_of()
    moved, before = [], torch.zeros(3, 2)
    for place in range(10):  # epochs of five steps, clusterings every three
        rows = blobs(10, place)[0] + 0.3 * place
        plan = replace(PLAN, every=3, place=place, step=place % 5)
        refreshed(state, rows, plan, Online(anew=True))
        moved.append(not torch.equal(state.centroids["fused"], before))
        before = state.centroids["fused"]
    assert moved == [True, False, False, True, False] * 2


@pytest.mark.parametrize(("per_file", "kept"), [(1, [0, 1, 2, 3]), (2, [0, 2]), (4, [0, 1])])
def test_the_released_way_queues_one_half_of_every_file(per_file: int, kept: list[int]) -> None:
    state = state_of()
    rows = torch.arange(8.0).reshape(4, 2)
    refreshed(state, rows, replace(PLAN, per_file=per_file), Online(half=True))
    assert torch.equal(state.queue.rows, rows[kept])  # type: ignore[union-attr]


def test_clips_with_nothing_are_in_no_cluster_and_not_in_the_queue() -> None:
    state = state_of()
    rows, _ = blobs(8, 0)
    known = torch.arange(8) != 5
    step = step_of(state, method_of(), 8)
    online.refresh(step, PLAN, {"fused": (rows, known)})
    online.push(state, step.method, PLAN, {"fused": (rows, known)})
    assert (step.clusters("fused") >= 0).tolist() == known.tolist()
    assert torch.equal(state.queue.rows, rows[known])  # type: ignore[union-attr]


def test_balanced_clusters_are_of_one_size_where_k_means_are_not() -> None:
    draw = torch.Generator().manual_seed(0)
    far = torch.tensor([[9.0, 0.0], [0.0, 9.0], [-9.0, -9.0]])
    skewed = torch.tensor([0] * 24 + [1] * 3 + [2] * 3)
    rows = far[skewed] + torch.randn(30, 2, generator=draw)
    sizes = {}
    for by in ("kmeans", "sinkhorn"):
        state = state_of()
        labels = refreshed(state, rows, replace(PLAN, by=by))
        sizes[by] = sorted(torch.bincount(labels, minlength=3).tolist())
    assert sizes["kmeans"] == [3, 3, 24]
    assert sizes["sinkhorn"][0] >= 8


def test_where_the_recipe_wants_no_centroids_nothing_is_clustered() -> None:
    state = state_of()
    state.queue = None
    assert refreshed(state, blobs(9, 0)[0], PLAN).tolist() == [-1] * 9
    assert not state.centroids


def test_what_health_looks_at_is_the_queue() -> None:
    state, method = state_of(), method_of()
    assert online.examined(state, method) == ({}, {}, {})
    rows, _ = blobs(30, 0)
    refreshed(state, rows, PLAN)
    features, found, inertia = online.examined(state, method)
    np.testing.assert_array_equal(features["fused"].values, rows.numpy())
    assert features["fused"].present.all()
    centroids = state.centroids["fused"]
    labels = torch.from_numpy(found["fused"].labels)
    assert torch.equal(labels, torch.cdist(rows, centroids).argmin(1))
    expected = (rows - centroids[labels]).square().sum(1).mean()
    assert inertia["fused"] == pytest.approx(expected.item(), rel=1e-5)


def test_the_plan_is_the_recipe_s() -> None:
    recipe = Recipe.model_validate(
        {
            "clustering": {"k": 7, "iterations": 9},
            "queue": {"every": 3, "by": "sinkhorn"},
            "draws": {"per_file": 2},
            "seed": 5,
        }
    )
    assert online.plan_of(recipe, Joint(()), epoch=2, step=1, steps=10) == Plan(
        7, 9, 3, "sinkhorn", 2, 5, step=1, place=21
    )
    # A quarter of 20 epochs of 10 steps; the recipe's word counts before the method's.
    joint = Joint((), warmup=0.25)
    assert online.plan_of(recipe, joint, epoch=0, step=0, steps=10).warmup == 50
    none = config.override(recipe, ["joint.warmup=0"])
    assert online.plan_of(none, joint, epoch=0, step=0, steps=10).warmup == 0


def test_the_warm_up_fills_the_queue_and_makes_no_centroids() -> None:
    state = state_of()
    for place in range(3):
        labels = refreshed(state, blobs(6, place)[0], replace(PLAN, place=place, warmup=2))
        assert (not state.centroids) == (place < 2)
        assert bool((labels >= 0).all()) == (place == 2)
    assert state.queue is not None
    assert state.queue.filled == 18


def test_only_clusters_over_the_queue_are_made_in_steps() -> None:
    assert online.queued(declare("xdc", ("video", "text"))) == ()
    assert [one.name for one in online.queued(declare("mcn", ("video", "text")))] == ["fused"]
    assert online.metric_of(Cluster("a", ("video",), over="queue")) == "euclidean"
    (released,) = declare("mcn_released", ("video", "text")).clusters
    assert online.metric_of(released) == "cosine"
