import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from triptych.errors import UserError
from triptych.training.sampler import balanced_draws, draws_by_file, plain_draws


def skewed() -> np.ndarray:
    """The skew at which DeepCluster's sampler was measured: 70, 20, 9 and 1 % of the clips."""
    labels = np.repeat([0, 1, 2, 3], [700, 200, 90, 10])
    return np.random.default_rng(0).permutation(labels)


def test_one_edge_sees_every_cluster_equally_often() -> None:
    labels = skewed()
    draws = balanced_draws({"edge": labels}, 1000, seed=1)
    assert np.bincount(labels[draws.rows]).tolist() == [250, 250, 250, 250]
    assert (draws.weights["edge"] == 1).all()


def test_the_release_s_sampler_would_fail_this() -> None:
    # As released: indices into the collection, used as positions of a list in cluster order.
    labels = skewed()
    in_cluster_order = np.argsort(labels, kind="stable")
    generator = np.random.default_rng(2)
    drawn = np.concatenate([generator.choice(np.flatnonzero(labels == c), 250) for c in range(4)])
    released = np.bincount(labels[in_cluster_order[drawn]], minlength=4) / 1000
    assert released[0] > 0.6  # measured 0.71 in reference/deep-clustering.md
    ours = np.bincount(labels[balanced_draws({"e": labels}, 1000, 3).rows]) / 1000
    assert abs(ours - 0.25).max() < 0.01


def test_a_small_cluster_is_not_repeated_before_all_its_clips_were_drawn() -> None:
    labels = np.array([0] * 97 + [1] * 3)
    rows = balanced_draws({"e": labels}, 60, seed=0).rows
    of_the_small = rows[labels[rows] == 1]
    assert sorted(np.bincount(of_the_small)[97:]) == [10, 10, 10]


def test_clips_that_an_edge_cannot_use_are_never_drawn_for_it() -> None:
    labels = np.array([0, 0, -1, 1, -1, 1])
    draws = balanced_draws({"e": labels}, 100, seed=0)
    assert set(draws.rows) == {0, 1, 3, 5}


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.tuples(st.integers(-1, 3), st.integers(-1, 2)), min_size=6, max_size=40),
    st.integers(0, 2**31),
)
def test_weighted_means_are_uniform_over_clusters_for_every_edge(
    pairs: list[tuple[int, int]], seed: int
) -> None:
    labels = {name: np.array([pair[i] for pair in pairs]) for i, name in enumerate(("a", "b"))}
    if any((values < 0).all() for values in labels.values()):
        return
    value = np.random.default_rng(seed).normal(size=len(pairs))
    draws = balanced_draws(labels, 40_000, seed)
    for name, known in labels.items():
        wanted = np.mean([value[known == c].mean() for c in np.unique(known[known >= 0])])
        got = (draws.weights[name] * value[draws.rows]).sum() / len(draws.rows)
        assert got == pytest.approx(wanted, abs=0.05)
        assert draws.weights[name].max() <= 2 + 1e-6  # the balance heuristic is bounded


def test_the_same_seed_draws_the_same_and_another_does_not() -> None:
    labels = {"e": skewed()}
    first, again, other = (balanced_draws(labels, 64, seed).rows for seed in (5, 5, 6))
    assert (first == again).all()
    assert (first != other).any()


def test_draws_for_the_papers_ask_lie_within_the_binomial_interval() -> None:
    """Edges share a batch, so an edge's clusters are uniform in expectation, not in count."""
    labels = skewed()
    other = np.random.default_rng(1).permutation(np.repeat([0, 1, 2], [900, 60, 40]))
    count = 20_000
    draws = balanced_draws({"a": labels, "b": other}, count, seed=4)
    for name, known, clusters in (("a", labels, 4), ("b", other, 3)):
        mass = np.bincount(known[draws.rows], draws.weights[name], minlength=clusters) / count
        error = 1.96 * np.sqrt(1 / clusters * (1 - 1 / clusters) / count)
        assert abs(mass - 1 / clusters).max() < 3 * error


def test_plain_draws_visit_every_usable_clip_once_before_any_twice() -> None:
    labels = {"a": np.array([0, 0, 0, -1, -1, 1]), "b": np.array([-1, -1, 0, 1, -1, 0])}
    draws = plain_draws(labels, 13, seed=0)
    counts = np.bincount(draws.rows, minlength=6)
    assert counts[4] == 0
    assert sorted(counts[[0, 1, 2, 3, 5]]) == [2, 2, 3, 3, 3]
    assert all((weights == 1).all() for weights in draws.weights.values())


def test_no_clip_with_teacher_and_student_is_refused() -> None:
    for draw in (balanced_draws, plain_draws):
        with pytest.raises(UserError, match="no clip has both a teacher and a student"):
            draw({"e": np.full(5, -1)}, 8, seed=0)


def test_every_run_of_a_batch_is_of_one_file_and_files_are_drawn_alike() -> None:
    files = np.array([0] * 50 + [1] * 4 + [2] * 9 + [3] * 2)
    labels = {"e": np.where(np.arange(65) == 60, -1, 0), "f": np.where(np.arange(65) < 3, 0, -1)}
    draws = draws_by_file(labels, files, 400, 4, seed=0)
    runs = files[draws.rows].reshape(-1, 4)
    assert (runs == runs[:, :1]).all()
    assert np.bincount(runs[:, 0]).tolist() == [25, 25, 25, 25]
    assert 60 not in draws.rows, "no edge can use it"
    assert {edge: values.tolist() for edge, values in draws.weights.items()} == {
        "e": [1] * 400,
        "f": [1] * 400,
    }
    for rows in draws.rows.reshape(-1, 4):
        times = np.bincount(rows)[np.unique(rows)]
        assert times.max() <= (2 if files[rows[0]] == 3 else 1), "twice only where they are few"
    assert not np.array_equal(draws.rows, draws_by_file(labels, files, 400, 4, seed=1).rows)
    assert np.array_equal(draws.rows, draws_by_file(labels, files, 400, 4, seed=0).rows)


def test_a_count_that_ends_within_a_run_is_kept_and_nobody_is_refused() -> None:
    files = np.array([0, 0, 1, 1])
    assert len(draws_by_file({"e": np.zeros(4, int)}, files, 7, 2, seed=0).rows) == 7
    with pytest.raises(UserError, match="no clip has both"):
        draws_by_file({"e": np.full(4, -1)}, files, 4, 2, seed=0)
