import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from sklearn.decomposition import PCA

from triptych.clustering.whiten import Floats, Whitening, unit
from triptych.errors import UserError


@pytest.fixture
def x() -> Floats:
    random = np.random.default_rng(0)
    mix = random.standard_normal((20, 20)) * np.linspace(0.05, 3, 20)
    return (random.standard_normal((9000, 20)) @ mix + 5).astype("f4")


def test_equals_scikit_learns_whitened_pca(x: Floats) -> None:
    ours = Whitening.fit(x, 8, l2=False).apply(x[:300])
    theirs = PCA(8, whiten=True, svd_solver="full").fit(x.astype("f8")).transform(x[:300])
    # The sign of an axis is free, so products between rows are compared; n - 1 against n.
    np.testing.assert_allclose(ours @ ours.T, theirs @ theirs.T * 9000 / 8999, atol=2e-3)


def test_whitened_features_have_unit_covariance_and_l2_unit_length(x: Floats) -> None:
    plain = Whitening.fit(x, l2=False).apply(x)
    np.testing.assert_allclose(np.cov(plain.T, bias=True), np.eye(20), atol=1e-3)
    np.testing.assert_allclose(plain.mean(0), 0, atol=1e-3)
    np.testing.assert_allclose(np.linalg.norm(Whitening.fit(x).apply(x), axis=1), 1, rtol=1e-5)


def test_directions_without_variance_are_left_out(x: Floats) -> None:
    doubled = np.concatenate([x, x, np.ones((9000, 3), dtype="f4")], axis=1)
    assert Whitening.fit(doubled).components.shape == (43, 20)
    assert Whitening.fit(doubled, 30).components.shape == (43, 20)
    few = Whitening.fit(x[:7], l2=False)
    assert few.components.shape == (20, 6)
    assert np.abs(few.apply(x[:7])).max() < 3


def test_saved_as_tensors_and_read_back_it_places_alike(x: Floats, tmp_path: object) -> None:
    fitted = Whitening.fit(x, 8)
    file = f"{tmp_path}/whitening.safetensors"
    save_file(fitted.tensors(), file)
    again = Whitening.from_tensors(load_file(file))
    assert again.apply(x).tobytes() == fitted.apply(x).tobytes()
    assert fitted.apply(torch.from_numpy(x)).tobytes() == fitted.apply(x).tobytes()


def test_what_cannot_be_whitened_is_refused() -> None:
    with pytest.raises(UserError, match="all 9 feature vectors are the same"):
        Whitening.fit(np.ones((9, 4), dtype="f4"))
    with pytest.raises(UserError, match="NaN or infinity"):
        Whitening.fit(np.array([[1.0, np.nan], [2.0, 3.0]], dtype="f4"))
    with pytest.raises(ValueError, match="at least one component"):
        Whitening.fit(np.eye(4, dtype="f4"), 0)


def test_unit_scales_one_vector_and_rows_of_them_and_leaves_zeros() -> None:
    np.testing.assert_allclose(unit(np.array([3, 4], np.float32)), [0.6, 0.8])
    rows = np.array([[3, 4], [0, 0]], np.float32)
    np.testing.assert_allclose(unit(rows), [[0.6, 0.8], [0, 0]])
