import cv2
import numpy as np
import pytest

from tests.descriptors.scenes import texture
from triptych.descriptors.displacement import refine, weave
from triptych.descriptors.polynomial import expand
from triptych.descriptors.pyramid import ITERATIONS, Floats


def flow(first: np.ndarray, second: np.ndarray, iterations: int = ITERATIONS) -> Floats:
    models = []
    for picture in (first, second):
        models.append(np.empty((5, *picture.shape), np.float32))
        expand(cv2.GaussianBlur(picture.astype(np.float32), (3, 3), 0), models[-1])
    here, there = np.zeros((2, 2, *first.shape), np.float32)
    for _ in range(iterations):
        refine(models[0], weave(models[1]), here, there)
        here, there = there, here
    return here


def moved(picture: np.ndarray, x: float, y: float) -> np.ndarray:
    matrix = np.array([[1, 0, x], [0, 1, y]], np.float64)
    size = (picture.shape[1], picture.shape[0])
    return np.asarray(cv2.warpAffine(picture, matrix, size, borderMode=cv2.BORDER_REFLECT))


@pytest.mark.parametrize("size", [(90, 120), (33, 61), (32, 32)])
def test_it_is_opencv_s_on_one_level(size: tuple[int, int]) -> None:
    first = texture(*size)
    second = moved(first, 1.3, -0.7)
    theirs = cv2.calcOpticalFlowFarneback(
        first, second, None, 0.5, 0, 10, ITERATIONS, 7, 1.5, cv2.OPTFLOW_FARNEBACK_GAUSSIAN
    )
    off = np.abs(flow(first, second) - np.moveaxis(np.asarray(theirs), 2, 0))
    assert np.median(off) < 1e-5
    assert np.quantile(off, 0.99) < 1e-3


def test_a_known_displacement_is_found() -> None:
    first = texture(80, 100)
    found = flow(first, moved(first, 1.25, -0.5), iterations=4)
    inner = found[:, 20:-20, 20:-20].reshape(2, -1)
    np.testing.assert_allclose(np.median(inner, axis=1), [1.25, -0.5], atol=0.05)


def test_what_is_flat_does_not_move_and_what_leaves_is_finite() -> None:
    flat = np.full((40, 40), 90, np.uint8)
    assert not flow(flat, flat).any()
    here, there = np.random.default_rng(0).normal(size=(2, 5, 40, 50)).astype(np.float32)
    wild = np.full((2, 40, 50), 1e4, np.float32)
    wild[1, :20] = -1e6
    out = np.empty_like(wild)
    refine(here, weave(there), wild, out)
    assert np.isfinite(out).all()
