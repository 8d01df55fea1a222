import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from triptych.descriptors.batched.linear import filtering, resizing, symmetric


@pytest.mark.parametrize(("border", "theirs"), [("edge", "nearest"), ("mirror", "mirror")])
@given(size=st.integers(3, 40), reach=st.integers(0, 30), seed=st.integers(0, 99))
def test_a_filter_is_scipy_s(border, theirs, size: int, reach: int, seed: int) -> None:  # type: ignore[no-untyped-def]
    random = np.random.default_rng(seed)
    taps, line = random.normal(size=2 * reach + 1), random.normal(size=size)
    wanted = ndimage.correlate1d(line, taps, mode=theirs)
    np.testing.assert_allclose(filtering(taps, size, border) @ line, wanted, atol=1e-9)


def test_halves_by_hand() -> None:
    half = tuple(map(np.float32, (1, 2, 3)))
    assert symmetric(half).tolist() == [3, 2, 1, 2, 3]
    assert symmetric(tuple(map(np.float32, (0, 2, 3))), -1).tolist() == [-3, -2, 0, 2, 3]


@pytest.mark.parametrize(("size", "wanted"), [(40, 28), (28, 40), (33, 33), (32, 45)])
def test_a_change_of_size_is_opencv_s(size: int, wanted: int) -> None:
    line = np.random.default_rng(0).normal(size=(1, size)).astype(np.float32)
    theirs = cv2.resize(line, (wanted, 1), interpolation=cv2.INTER_LINEAR)
    np.testing.assert_allclose(resizing(size, wanted) @ line[0], theirs[0], atol=1e-5)
