import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.descriptors.mixtures import rows, scikit, some
from triptych.descriptors import mixture as module
from triptych.descriptors.mixture import Moments


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 99),
    count=st.integers(1, 50),
    components=st.integers(1, 6),
    width=st.integers(1, 5),
)
def test_the_sums_are_those_of_scikit_learns_posteriors(
    seed: int, count: int, components: int, width: int
) -> None:
    mixture = some(seed, components, width)
    x = rows(mixture, count, seed + 1)
    found = mixture.on("cpu").moments(torch.from_numpy(x))
    peer = scikit(mixture.weights, mixture.means, mixture.variances)
    q = peer.predict_proba(x.astype("f8"))
    assert found.rows == count
    np.testing.assert_allclose(found.q, q.sum(axis=0), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(found.qx, q.T @ x, rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(found.qxx, q.T @ x.astype("f8") ** 2, rtol=1e-4, atol=2e-3)
    assert found.likelihood == pytest.approx(peer.score_samples(x.astype("f8")).sum(), rel=1e-4)


def test_the_sums_of_two_blocks_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    mixture = some()
    x = torch.from_numpy(rows(mixture, 90))
    posterior = mixture.on("cpu")
    whole = posterior.moments(x)
    monkeypatch.setattr(module, "ROWS", 7)  # blocks within a call, and calls
    parts = posterior.moments(x[:40]) + posterior.moments(x[40:]) + Moments.none(3, 4)
    assert parts.rows == whole.rows == 90
    assert parts.likelihood == pytest.approx(whole.likelihood)
    for name in ("q", "qx", "qxx"):
        np.testing.assert_allclose(getattr(parts, name), getattr(whole, name), atol=1e-4)


def test_a_row_far_from_every_component_belongs_to_the_nearest() -> None:
    mixture = some()
    far = torch.full((1, 4), 1e4)
    found = mixture.on("cpu").moments(far)
    assert found.q.sum() == pytest.approx(1)
    assert found.q.max() == pytest.approx(1)
    assert np.isfinite(found.likelihood)


def test_no_rows_sum_to_nothing() -> None:
    found = some().on("cpu").moments(torch.empty(0, 4))
    assert found.rows == found.likelihood == 0
    assert not found.q.any()
