import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.cluster import KMeans as Reference

from triptych.clustering import online
from triptych.clustering.lloyd import Faiss
from triptych.clustering.online import Metric, assign, update
from triptych.errors import UserError


def queue(rows: int = 800, width: int = 12, seed: int = 0, spread: float = 0.6) -> torch.Tensor:
    random = np.random.default_rng(seed)
    middle = random.standard_normal((9, width))
    noise = spread * random.standard_normal((rows, width))
    return torch.from_numpy((middle[np.arange(rows) % 9] + noise).astype("f4"))


def cosine(left: list[float], right: list[float]) -> float:
    length = math.hypot(*left) * math.hypot(*right)
    return sum(a * b for a, b in zip(left, right, strict=True)) / length if length else 0.0


def literal_labels(rows: torch.Tensor, centroids: torch.Tensor, metric: Metric) -> list[int]:
    labels = []
    for row in rows.double().tolist():
        costs = [
            -cosine(row, centroid) if metric == "cosine" else math.dist(row, centroid)
            for centroid in centroids.double().tolist()
        ]
        labels.append(costs.index(min(costs)))
    return labels


@settings(deadline=None, max_examples=40)
@given(
    rows=st.integers(1, 30),
    clusters=st.integers(1, 8),
    seed=st.integers(0, 10_000),
    metric=st.sampled_from(["euclidean", "cosine"]),
)
def test_each_row_goes_to_its_nearest_centroid(
    rows: int, clusters: int, seed: int, metric: Metric
) -> None:
    torch.manual_seed(seed)
    x, centroids = torch.randn(rows, 4), torch.randn(clusters, 4)
    labels = assign(x, centroids, metric)
    assert labels.dtype == torch.int64
    assert labels.tolist() == literal_labels(x, centroids, metric)


@pytest.mark.parametrize("seed", range(4))
def test_on_a_frozen_queue_it_reaches_what_offline_k_means_reaches(seed: int) -> None:
    x = queue(seed=seed)
    start = x[torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))[:12]]
    # In three updates of few iterations, each going on from the last, as a loop calls it.
    centroids = start
    for _ in range(3):
        found = update(x, centroids, 12, iterations=60, tolerance=0.0)
        centroids = found.centroids
    reference = Reference(12, init=start.numpy(), n_init=1, max_iter=300, tol=0).fit(x.numpy())
    np.testing.assert_array_equal(found.labels.numpy(), reference.labels_)
    np.testing.assert_allclose(found.centroids.numpy(), reference.cluster_centers_, atol=1e-5)
    inertia = (x.double() - found.centroids[found.labels].double()).square().sum().item()
    assert inertia == pytest.approx(reference.inertia_, rel=1e-6)
    course = Faiss(x.numpy()).iterate(start.numpy(), 180)
    np.testing.assert_allclose(found.centroids.numpy(), course.centroids, atol=1e-5)
    assert found.iterations < 60
    assert found.reseeded == 0


def test_without_centroids_it_starts_at_rows_that_the_generator_draws() -> None:
    x = queue()
    for seed in (0, 1):
        drawn = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))[:12]
        generator = torch.Generator().manual_seed(seed)
        found = update(x, None, 12, iterations=5, generator=generator)
        expected = update(x, x[drawn], 12, iterations=5)
        assert found.centroids.tolist() == expected.centroids.tolist()
        assert found.iterations == 5


def test_going_on_from_where_it_ended_changes_nothing() -> None:
    x = queue()
    first = update(x, x[:12], 12, iterations=300, tolerance=0.0)
    again = update(x, first.centroids, 12)
    assert again.iterations == 1
    assert again.labels.tolist() == first.labels.tolist()
    torch.testing.assert_close(again.centroids, first.centroids)


def test_a_tolerance_is_of_the_squared_moves_of_all_centroids_together() -> None:
    # The centroids 0 and 10 move to 1 and 12: squared moves 1 + 4.
    x = torch.tensor([[0.0], [2.0], [11.0], [13.0]])
    start = torch.tensor([[0.0], [10.0]])
    assert update(x, start, 2, tolerance=5.0).iterations == 1
    assert update(x, start, 2, tolerance=4.9).iterations == 2


def test_labels_are_of_the_centroids_that_are_returned() -> None:
    # The 4s go to 7.9, which they and 20 move to 28/3: from there 0 is nearer to them.
    x = torch.tensor([[0.0], [4.0], [4.0], [20.0]])
    found = update(x, torch.tensor([[0.0], [7.9]]), 2, tolerance=100.0)
    assert found.iterations == 1
    assert found.centroids[:, 0].tolist() == pytest.approx([0.0, 28 / 3])
    assert found.labels.tolist() == [0, 0, 0, 1]


def test_the_cosine_kind_by_hand() -> None:
    # Directions decide: (4, 4) and (0, 1) point to (0, 1)'s side no more than (1, 0)'s ...
    x = torch.tensor([[10.0, 0.0], [1.0, 0.5], [0.0, 2.0], [0.1, 1.0]])
    found = update(x, torch.tensor([[1.0, 0.0], [0.0, 5.0]]), 2, metric="cosine", iterations=1)
    assert found.labels.tolist() == [0, 0, 1, 1]
    # ... and a centroid is the mean of its rows as long as they are, not of unit vectors.
    assert found.centroids.tolist() == [[5.5, 0.25], [pytest.approx(0.05), 1.5]]
    # By distance (1, 0.5) would have gone to the other: 4.5 from one, 1.4 from the other.
    assert update(x, found.centroids, 2, iterations=1).labels.tolist() == [0, 1, 1, 1]


def literal_update(
    rows: torch.Tensor, centroids: torch.Tensor, metric: Metric, iterations: int
) -> torch.Tensor:
    """Lloyd as the library of 2020 runs it: an empty cluster becomes zero."""
    for _ in range(iterations):
        labels = literal_labels(rows, centroids, metric)
        made = []
        for cluster in range(len(centroids)):
            own = [
                row for row, label in zip(rows.double(), labels, strict=True) if label == cluster
            ]
            made.append(torch.stack(own).mean(0) if own else torch.zeros(rows.shape[1]).double())
        centroids = torch.stack(made)
    return centroids


@settings(deadline=None, max_examples=30)
@given(
    seed=st.integers(0, 10_000),
    metric=st.sampled_from(["euclidean", "cosine"]),
    iterations=st.integers(1, 4),
    copies=st.integers(0, 10),
)
def test_without_reseeding_it_is_lloyd_with_zeros_for_what_is_empty(
    seed: int, metric: Metric, iterations: int, copies: int
) -> None:
    torch.manual_seed(seed)
    x = torch.randn(12, 3)
    x = torch.cat([x, x[:1].expand(copies, 3)])
    start = torch.randn(8, 3)
    found = update(x, start, 8, metric=metric, iterations=iterations, tolerance=-1.0, reseed=False)
    expected = literal_update(x, start, metric, iterations)
    torch.testing.assert_close(found.centroids.double(), expected, atol=1e-5, rtol=1e-5)
    assert found.reseeded == 0


def test_an_empty_cluster_stays_at_zero_only_where_asked() -> None:
    x = torch.tensor([[5.0, 5.0], [6.0, 5.0], [5.0, 6.0], [9.0, 9.0]])
    start = torch.tensor([[5.0, 5.0], [-50.0, -50.0]])
    for metric in ("euclidean", "cosine"):
        left = update(x, start, 2, metric=metric, reseed=False)
        assert left.centroids[1].tolist() == [0.0, 0.0]
        assert left.labels.tolist() == [0, 0, 0, 0]
    found = update(x, start, 2)
    assert found.reseeded == 1
    assert found.labels.tolist() == [0, 0, 0, 1]
    assert found.centroids[1].tolist() == [9.0, 9.0]


@settings(deadline=None, max_examples=60)
@given(
    distinct=st.integers(1, 12),
    clusters=st.integers(1, 12),
    copies=st.integers(1, 40),
    seed=st.integers(0, 10_000),
    metric=st.sampled_from(["euclidean", "cosine"]),
)
def test_with_reseeding_clusters_are_as_many_as_rows_differ(
    distinct: int, clusters: int, copies: int, seed: int, metric: Metric
) -> None:
    # Points on a circle differ in their direction too; all centroids start at the same place.
    torch.manual_seed(seed)
    angles = torch.arange(distinct) * (2 * math.pi / distinct)
    pool = torch.stack([angles.cos(), angles.sin()], 1)
    x = torch.cat([pool, pool[:1].expand(copies, 2), pool[torch.randint(distinct, (12,))]])
    start = x[:1].expand(clusters, 2)
    found = update(x, start, clusters, metric=metric, iterations=30)
    assert torch.isfinite(found.centroids).all()
    filled = int((torch.bincount(found.labels, minlength=clusters) > 0).sum())
    assert filled == min(distinct, clusters)


def test_several_empty_clusters_are_not_sent_to_the_same_far_row() -> None:
    x = torch.zeros(60, 2)
    x[50:57] = torch.tensor([100.0, 0.0])  # seven copies of the farthest row
    x[57:] = torch.tensor([0.0, 50.0])
    found = update(x, torch.tensor([[0.0, 0.0], [-1e3, 0.0], [-2e3, 0.0]]), 3)
    assert sorted(torch.bincount(found.labels).tolist()) == [3, 7, 50]
    assert found.reseeded == 2


def test_the_same_input_gives_the_same_bits() -> None:
    x = queue(spread=2.0)
    runs = [update(x, None, 20, generator=torch.Generator().manual_seed(4)) for _ in range(2)]
    assert runs[0].centroids.numpy().tobytes() == runs[1].centroids.numpy().tobytes()
    assert runs[0].labels.tolist() == runs[1].labels.tolist()


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_blocks_do_not_show(metric: Metric, monkeypatch: pytest.MonkeyPatch) -> None:
    x = queue(rows=1100, spread=2.0)
    start = torch.cat([x[:15], torch.full((5, 12), -1e3)])
    whole = update(x, start, 20, metric=metric)
    monkeypatch.setattr(online, "BLOCK_ON_CPU", 1)
    parts = update(x, start, 20, metric=metric)
    assert whole.reseeded > 0
    assert whole.labels.tolist() == parts.labels.tolist()
    torch.testing.assert_close(whole.centroids, parts.centroids)


def test_a_queue_in_half_precision_is_clustered_in_32_bits() -> None:
    x = queue().half()
    half, single = update(x, x[:12], 12), update(x.float(), x[:12].float(), 12)
    assert half.centroids.dtype == torch.float32
    assert half.centroids.tolist() == single.centroids.tolist()


def test_nothing_carries_a_gradient_and_the_input_is_left_alone() -> None:
    x = queue().requires_grad_()
    start = torch.cat([x.detach()[:11], torch.full((1, 12), -1e3)])
    kept = start.clone()
    found = update(x, start, 12)
    assert found.reseeded > 0
    assert not found.centroids.requires_grad
    assert start.tolist() == kept.tolist()


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda x: update(x, None, 7), "6 rows, 7 clusters"),
        (lambda x: update(x, None, 0), "0 clusters"),
        (lambda x: update(x, x[:2], 2, iterations=0), "0 iterations"),
        (lambda x: update(x, x[:2], 3), r"\(2, 12\) for 3 clusters of width 12"),
        (lambda x: update(x, x[:2, :5], 2), r"\(2, 5\) for 2 clusters of width 12"),
    ],
)
def test_wrong_arguments_are_a_programming_error(
    call: Callable[[torch.Tensor], object], words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        call(queue(rows=6))


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_features_that_are_no_numbers_are_refused_in_one_line(value: float, metric: Metric) -> None:
    x = queue(rows=50)
    x[30, 2] = value
    with pytest.raises(UserError, match="hold NaN or infinity") as caught:
        update(x, x[:4], 4, metric=metric)
    assert "\n" not in str(caught.value)
