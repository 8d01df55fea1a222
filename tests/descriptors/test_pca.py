import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.decomposition import PCA

from triptych.descriptors.pca import Projection
from triptych.descriptors.sample import Floats
from triptych.errors import UserError


def project(fitted: Projection, x: Floats) -> Floats:
    found: Floats = fitted.on("cpu")(torch.from_numpy(x)).numpy()
    return found


def test_real_rows_are_projected_as_by_scikit_learn(boxing: Floats) -> None:
    ours = Projection.fit([boxing[:700], boxing[700:]], 0.9)
    theirs = PCA(0.9, svd_solver="full").fit(boxing.astype("f8"))
    assert ours.dim == theirs.n_components_
    assert ours.kept == pytest.approx(theirs.explained_variance_ratio_.sum(), abs=1e-6)
    mine, other = project(ours, boxing), theirs.transform(boxing.astype("f8"))
    np.testing.assert_allclose(mine * np.sign((mine * other).sum(axis=0)), other, atol=2e-5)


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 99),
    rows=st.integers(2, 60),
    columns=st.integers(1, 12),
    share=st.floats(0.01, 1),
)
def test_the_fewest_axes_that_hold_the_share(
    seed: int, rows: int, columns: int, share: float
) -> None:
    random = np.random.default_rng(seed)
    x = (random.normal(size=(rows, columns)) * random.uniform(0.1, 3, columns)).astype("f4")
    fitted = Projection.fit([x], share)
    assert fitted.kept >= share - 1e-6
    np.testing.assert_allclose(fitted.axes.T @ fitted.axes, np.eye(fitted.dim), atol=1e-5)
    spread = project(fitted, x).astype("f8").var(axis=0)
    total = x.astype("f8").var(axis=0).sum()
    assert spread.sum() / total == pytest.approx(fitted.kept, abs=1e-4)
    assert (spread[:-1] >= spread[1:] - 1e-5 * total).all()
    assert (spread.sum() - spread[-1]) / total < share + 1e-5


def test_columns_without_variance_take_no_axis() -> None:
    x = np.random.default_rng(0).normal(size=(50, 3)).astype("f4")
    wide = np.concatenate([x, x, np.full((50, 4), 7, "f4")], axis=1)
    fitted = Projection.fit([wide], 1.0)
    assert fitted.axes.shape == (10, 3)
    np.testing.assert_allclose(project(fitted, wide).mean(axis=0), 0, atol=1e-5)
    assert (fitted.axes.max(axis=0) >= -fitted.axes.min(axis=0)).all()


def test_rows_that_are_all_the_same_are_refused() -> None:
    with pytest.raises(UserError, match="all 9 rows of the sample are the same"):
        Projection.fit([np.full((9, 4), 0.3, "f4")], 0.9)
