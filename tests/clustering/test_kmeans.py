import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.cluster import KMeans as Reference

from triptych.clustering import kmeans as module
from triptych.clustering.kmeans import kmeans, place
from triptych.clustering.lloyd import Floats, Torch
from triptych.errors import UserError


def blobs(rows: int = 1500, width: int = 16, centres: int = 10, spread: float = 0.2) -> Floats:
    random = np.random.default_rng(1)
    middle = random.standard_normal((centres, width))
    noise = spread * random.standard_normal((rows, width))
    return (middle[np.arange(rows) % centres] + noise).astype("f4")


def test_separated_blobs_are_found_and_new_points_placed() -> None:
    x = blobs()
    found = kmeans(x, 10, seed=0, starts=4)
    truth = np.arange(1500) % 10
    assert len(set(zip(truth.tolist(), found.labels.tolist(), strict=True))) == 10
    assert found.labels.dtype == np.int64
    assert found.centroids.shape == (10, 16)
    np.testing.assert_array_equal(
        place(x[:50] + np.float32(0.01), found.centroids), found.labels[:50]
    )


def test_inertia_is_the_sum_of_squared_distances_and_near_scikit_learns() -> None:
    x = blobs(spread=1.0)
    found = kmeans(x, 40, seed=3, iterations=40, starts=3)
    by_hand = ((x.astype("f8") - found.centroids[found.labels]) ** 2).sum()
    assert found.inertia == pytest.approx(by_hand, rel=1e-6)
    reference = Reference(40, n_init=3, max_iter=40, random_state=0).fit(x)
    assert found.inertia < 1.01 * reference.inertia_


def test_the_best_of_several_starts_is_kept() -> None:
    x = blobs(centres=30)
    alone = kmeans(x, 30, seed=5).inertia
    several = kmeans(x, 30, seed=5, starts=8).inertia
    assert several < alone


@pytest.mark.parametrize("threads", [1, 2])
def test_same_seed_same_bits(threads: int) -> None:
    import faiss
    from threadpoolctl import threadpool_limits

    x = blobs(rows=3000, width=32, spread=1.0)
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(threads)
    try:
        with threadpool_limits(threads):
            runs = [kmeans(x, 20, seed=7, starts=2) for _ in range(2)]
    finally:
        faiss.omp_set_num_threads(before)
    for run in runs[1:]:
        assert run.centroids.tobytes() == runs[0].centroids.tobytes()
        assert run.labels.tobytes() == runs[0].labels.tobytes()
        assert (run.inertia, run.history) == (runs[0].inertia, runs[0].history)
    assert not np.array_equal(kmeans(x, 20, seed=8).labels, runs[0].labels)


def test_tensors_and_other_layouts_give_what_plain_arrays_give() -> None:
    x = blobs()
    expected = kmeans(x, 10, seed=0)
    for other in (torch.from_numpy(x), np.asfortranarray(x), x.astype("f8")):
        np.testing.assert_array_equal(kmeans(other, 10, seed=0).labels, expected.labels)


def test_nothing_is_printed(capfd: pytest.CaptureFixture[str]) -> None:
    kmeans(blobs(rows=30), 30, seed=0)
    kmeans(blobs(rows=60), 30, seed=0)
    assert capfd.readouterr() == ("", "")


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_no_cluster_is_ever_empty(data: st.DataObject) -> None:
    distinct = data.draw(st.integers(2, 40))
    k = data.draw(st.integers(1, distinct))
    seed = data.draw(st.integers(0, 2**32 - 1))
    scale = data.draw(st.sampled_from([1e-3, 1.0, 100.0]))
    offset = data.draw(st.sampled_from([0.0, 1.0, 1000.0]))
    random = np.random.default_rng(seed)
    pool = (offset + scale * random.standard_normal((distinct, 3))).astype("f4")
    pool = np.unique(pool, axis=0)
    k = min(k, len(pool))
    copies = data.draw(st.integers(1, 30))
    x = np.concatenate(
        [pool, np.repeat(pool[:1], copies, axis=0), pool[random.integers(len(pool), size=20)]]
    )
    found = kmeans(x, k, seed=seed, iterations=5)
    assert np.bincount(found.labels, minlength=k).min() > 0
    assert np.isfinite(found.centroids).all()


def test_one_populous_duplicate_leaves_no_cluster_empty() -> None:
    rare = np.eye(9, dtype="f4")
    x = np.concatenate([np.zeros((500, 9), dtype="f4"), rare])
    found = kmeans(x, 10, seed=0)
    assert np.bincount(found.labels, minlength=10).tolist().count(1) == 9
    assert found.inertia < 1
    assert found.reassigned > 0
    np.testing.assert_array_equal(place(x, found.centroids), found.labels)


def test_points_nearer_than_float32_distances_can_tell_still_fill_every_cluster() -> None:
    x = np.ones((6, 4), dtype="f4") * 1000
    for step in range(5):
        x[step + 1] = np.nextafter(x[step], np.float32(np.inf))
    found = kmeans(np.repeat(x, 5, axis=0), 6, seed=0)
    assert np.bincount(found.labels, minlength=6).min() > 0
    assert found.reassigned > 0


def test_the_torch_engine_forces_a_label_where_rounding_hides_the_point(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # |x|^2 - 2xc + |c|^2 at 1000 +- 0.001 is all rounding, and some clusters stay empty for ever.
    monkeypatch.setattr(module, "Faiss", lambda x: Torch(torch.from_numpy(x)))
    for seed in range(4):
        noise = np.random.default_rng(seed).standard_normal((400, 64))
        x = (1000 + 1e-3 * noise).astype("f4")
        found = kmeans(x, 60, seed=seed, iterations=3)
        assert np.bincount(found.labels, minlength=60).min() > 0


def test_the_torch_engine_finds_what_faiss_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    x = blobs()
    expected = kmeans(x, 10, seed=0)
    monkeypatch.setattr(module, "Faiss", lambda x: Torch(torch.from_numpy(x)))
    found = kmeans(x, 10, seed=0)
    np.testing.assert_array_equal(found.labels, expected.labels)
    np.testing.assert_allclose(found.centroids, expected.centroids, atol=1e-5)


def refusal(x: Floats, k: int) -> str:
    with pytest.raises(UserError) as caught:
        kmeans(x, k, seed=0)
    text = str(caught.value)
    assert "\n" not in text
    return text


def test_what_cannot_be_clustered_is_refused_in_one_line() -> None:
    x = blobs(rows=30)
    assert refusal(x, 31) == (
        "k-means: 30 clips cannot make 31 clusters; ask for at most 30 clusters"
    )
    broken = x.copy()
    broken[3, 0], broken[4, 1], broken[9, 2] = np.nan, np.inf, 1e30
    assert "3 of 30 feature vectors hold NaN or infinity" in refusal(broken, 2)
    assert "all 30 feature vectors are the same" in refusal(np.ones((30, 4), dtype="f4"), 2)
    repeated = np.repeat(x[:5], 6, axis=0)
    assert "only 5 of 30 feature vectors differ, too few for 6 clusters" in refusal(repeated, 6)
    signed = np.array([[0.0], [-0.0], [1.0]], dtype="f4")
    assert "only 2 of 3 feature vectors differ" in refusal(signed, 3)


def test_wrong_arguments_are_a_programming_error() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        kmeans(blobs(), 0, seed=0)
