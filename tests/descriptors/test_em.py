from typing import Any

import numpy as np
import pytest
from sklearn.mixture import GaussianMixture

from tests.descriptors.mixtures import rows, some
from triptych.clustering.kmeans import kmeans
from triptych.descriptors.em import DYING, Fit, _maximise, fit
from triptych.descriptors.mixture import Mixture, Moments
from triptych.descriptors.sample import Floats
from triptych.errors import UserError


def fitted(x: Floats, components: int, **changed: Any) -> Fit:
    given = {"seed": 0, "starts": 1, "floor": 0.01, "start_iterations": 5, "iterations": 30}
    return fit(x, components, **(given | {"tolerance": 1e-6} | changed))


@pytest.fixture
def x() -> Floats:
    return rows(some(3, components=5, width=6), 3000)


def test_each_step_is_scikit_learns(x: Floats) -> None:
    start = kmeans(x, 5, seed=0, iterations=5).labels
    groups = [x[start == k].astype("f8") for k in range(5)]
    peer = GaussianMixture(
        5,
        covariance_type="diag",
        weights_init=np.array([len(group) / len(x) for group in groups]),
        means_init=np.array([group.mean(axis=0) for group in groups]),
        precisions_init=np.array([1 / group.var(axis=0) for group in groups]),
        reg_covar=0,
        tol=0,
        max_iter=12,
    )
    with pytest.warns(UserWarning, match="did not converge"):
        peer.fit(x.astype("f8"))
    ours = fitted(x, 5, floor=1e-6, iterations=12, tolerance=0.0)
    np.testing.assert_allclose(ours.mixture.weights, peer.weights_, atol=1e-5)
    np.testing.assert_allclose(ours.mixture.means, peer.means_, atol=1e-4)
    np.testing.assert_allclose(ours.mixture.variances, peer.covariances_, rtol=1e-3)
    assert ours.history[-1] == pytest.approx(peer.lower_bound_, abs=0.01)


def test_the_likelihood_never_falls_and_the_end_is_where_it_gains_little(x: Floats) -> None:
    for floor in (0.001, 0.5):  # the second stops variances from shrinking
        found = fitted(x, 8, floor=floor, iterations=200, tolerance=1e-4)
        gains = np.diff(found.history)
        assert found.revived == 0
        assert gains.min() > -1e-5
        assert len(found.history) < 200
        assert gains[-1] < 1e-4 <= gains[:-1].min()


def test_real_rows_are_as_likely_as_under_scikit_learns_fit(boxing: Floats) -> None:
    centred = boxing - boxing.mean(axis=0)
    axes = np.linalg.svd(centred, full_matrices=False)[2][:10]
    x = np.ascontiguousarray(centred @ axes.T)
    ours = [
        fitted(x, 8, seed=seed, starts=8, start_iterations=10, iterations=100, tolerance=1e-3)
        for seed in range(7)
    ]
    theirs = [
        GaussianMixture(8, covariance_type="diag", random_state=seed).fit(x).lower_bound_
        for seed in range(7)
    ]
    assert np.median([found.history[-1] for found in ours]) >= np.median(theirs) - 0.02


def test_no_variance_falls_below_the_floor() -> None:
    x = np.random.default_rng(0).normal(size=(400, 3)).astype("f4")
    x[:100] = x[:1] + 1e-6  # a quarter of the rows are one point, away from zero
    found = fitted(x, 4, floor=0.05)
    least = 0.05 * x.astype("f8").var(axis=0)
    assert (found.mixture.variances >= least * (1 - 1e-12)).all()
    assert found.mixture.variances.min(axis=0) == pytest.approx(least)


def test_a_component_that_starves_takes_half_of_the_heaviest() -> None:
    random = np.random.default_rng(0)
    x = random.normal(size=(2001, 2)).astype("f4")
    x[:1000] += 6
    x[-1] = 500  # k-means gives it a cluster of its own
    assert np.bincount(kmeans(x, 3, seed=0).labels).min() == 1
    found = fitted(x, 3)
    assert found.revived > 0
    assert found.mixture.weights.min() >= DYING / 3
    assert_whole(found.mixture)


def test_the_starved_one_stands_beside_the_heaviest_along_its_widest_column() -> None:
    """By hand: half of the 100 rows each, half a deviation of 3 to either side."""
    q = np.array([[60.0], [100.0], [0.5]])
    means, variances = np.array([[5, 5], [1, 2], [7, 7.0]]), np.array([[1, 1], [4, 9], [1, 1.0]])
    moments = Moments(161, q[:, 0], q * means, q * (variances + means**2), 0.0)
    found, revived = _maximise(moments, np.full(2, 1e-3))
    assert revived == 1
    np.testing.assert_allclose(found.weights, np.array([60, 50, 50]) / 160)
    np.testing.assert_allclose(found.means, [[5, 5], [1, 0.5], [1, 3.5]])
    np.testing.assert_allclose(found.variances, [[1, 1], [4, 9], [4, 9]])


def assert_whole(mixture: Mixture) -> None:
    assert mixture.weights.sum() == pytest.approx(1)
    assert mixture.weights.min() > 0
    assert mixture.variances.min() > 0
    assert np.isfinite(mixture.means).all()


def test_as_many_components_as_rows_still_make_a_mixture() -> None:
    x = np.random.default_rng(0).normal(size=(12, 2)).astype("f4")
    assert_whole(fitted(x, 12).mixture)
    assert_whole(fitted(x, 1).mixture)


def test_the_same_seed_gives_the_same_bits_and_another_another_start(x: Floats) -> None:
    first, again, other = fitted(x, 5), fitted(x, 5), fitted(x, 5, seed=1)
    assert first.mixture.means.tobytes() == again.mixture.means.tobytes()
    assert first.history == again.history != other.history


def test_rows_that_make_no_mixture_are_refused() -> None:
    with pytest.raises(UserError, match="3 rows cannot make 4 components; sample more"):
        fitted(np.eye(3, dtype="f4"), 4)
    with pytest.raises(UserError, match="too few rows that differ for 4 components"):
        fitted(np.repeat(np.eye(3, dtype="f4"), 5, axis=0), 4)
    with pytest.raises(ValueError, match="no variance"):
        fitted(np.ones((9, 2), "f4"), 2)
