import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist
from sklearn.cluster import KMeans as Reference

from triptych.clustering import lloyd
from triptych.clustering.lloyd import Faiss, Floats, Torch


@pytest.fixture
def x() -> Floats:
    random = np.random.default_rng(0)
    centres = 3 * random.standard_normal((12, 24))
    return (centres[random.integers(12, size=900)] + 4 * random.standard_normal((900, 24))).astype(
        "f4"
    )


def engines(x: Floats) -> list[Faiss | Torch]:
    return [Faiss(x), Torch(torch.from_numpy(x))]


def test_both_engines_reach_what_scikit_learn_reaches_from_the_same_start(x: Floats) -> None:
    start = x[:20]
    reference = Reference(20, init=start, n_init=1, max_iter=15, tol=0, algorithm="lloyd").fit(x)
    for engine in engines(x):
        course = engine.iterate(start, 15)
        labels = engine.nearest(course.centroids)
        inertia = engine.distances(course.centroids, labels).sum(dtype=np.float64)
        assert inertia == pytest.approx(reference.inertia_, rel=1e-4)
        assert np.mean(labels == reference.labels_) > 0.99


def test_nearest_and_distances_equal_brute_force(x: Floats) -> None:
    apart = cdist(x, x[:20], "sqeuclidean")
    for engine in engines(x):
        labels = engine.nearest(x[:20])
        assert labels.dtype == np.int64
        np.testing.assert_array_equal(labels, apart.argmin(1))
        np.testing.assert_allclose(
            engine.distances(x[:20], labels), apart.min(1), rtol=1e-4, atol=1e-5
        )


def test_history_starts_with_the_inertia_of_the_start_and_falls(x: Floats) -> None:
    before = cdist(x, x[:20], "sqeuclidean").min(1).sum()
    for engine in engines(x):
        course = engine.iterate(x[:20], 8)
        assert len(course.history) == 8
        assert course.history[0] == pytest.approx(before, rel=1e-4)
        assert list(course.history) == sorted(course.history, reverse=True)
        assert course.moved == 0


def test_every_row_counts_however_few_the_clusters(x: Floats) -> None:
    # faiss' default takes 256 rows for each cluster and drops the rest.
    before = cdist(x, x[:2], "sqeuclidean").min(1).sum()
    for engine in engines(x):
        assert engine.iterate(x[:2], 1).history[0] == pytest.approx(before, rel=1e-4)


def test_the_totals_of_shards_add_up_to_those_of_the_whole(
    x: Floats, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = torch.from_numpy(x)
    start = whole[:20]
    together = Torch(whole).totals(start)
    monkeypatch.setattr(lloyd, "BLOCK_ON_CPU", 1)
    shards = [Torch(part).totals(start) for part in whole.split(400)]
    assert torch.equal(sum(part.counts for part in shards), together.counts)
    assert torch.allclose(sum(part.sums for part in shards), together.sums, rtol=0, atol=1e-10)
    assert float(sum(part.inertia for part in shards)) == pytest.approx(float(together.inertia))


def test_an_empty_cluster_takes_half_of_the_most_populous_one(x: Floats) -> None:
    far = np.full((1, 24), 1e3, dtype="f4")
    start = np.concatenate([x[:5], far])
    for engine in engines(x):
        course = engine.iterate(start, 6)
        assert course.moved >= 1
        assert len(np.unique(engine.nearest(course.centroids))) == 6


def test_rows_are_the_features_on_the_host(x: Floats) -> None:
    for engine in engines(x):
        np.testing.assert_array_equal(engine.rows(np.array([5, 1])), x[[5, 1]])
