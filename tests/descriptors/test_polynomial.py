import numpy as np
import pytest

from triptych.descriptors.polynomial import REACH, SIGMA, expand


def fitted(picture: np.ndarray, y: int, x: int) -> np.ndarray:
    """y, x, y^2, x^2, xy of the weighted least-squares fit around a pixel, by NumPy's solver."""
    padded = np.pad(picture.astype(np.float64), REACH, mode="edge")
    patch = padded[y : y + 2 * REACH + 1, x : x + 2 * REACH + 1]
    down, along = np.mgrid[-REACH : REACH + 1, -REACH : REACH + 1].reshape(2, -1)
    root = np.exp(-(down**2 + along**2) / (4 * SIGMA**2))
    terms = np.stack([down, along, down**2, along**2, down * along, np.ones_like(down)], 1)
    found, *_ = np.linalg.lstsq(terms * root[:, None], patch.ravel() * root, rcond=None)
    return found[:5]


@pytest.mark.parametrize("size", [(40, 50), (9, 33), (3, 4)])
def test_the_weighted_least_squares_fit(size: tuple[int, int]) -> None:
    picture = np.random.default_rng(0).uniform(0, 255, size).astype(np.float32)
    out = np.empty((5, *size), np.float32)
    expand(picture, out)
    height, width = size
    for y in {0, 1, height // 2, height - 1}:
        for x in {0, 2, width // 2, width - 1}:
            np.testing.assert_allclose(out[:, y, x], fitted(picture, y, x), atol=2e-3)


def test_a_quadratic_is_found_as_it_is() -> None:
    y, x = np.mgrid[0:40, 0:40].astype(np.float64)
    picture = (3 + 2 * x - y + 0.5 * x * x + 0.25 * y * y - 0.125 * x * y).astype(np.float32)
    out = np.empty((5, 40, 40), np.float32)
    expand(picture, out)
    at_y, at_x = 20, 17
    slope_y = -1 + 0.5 * at_y - 0.125 * at_x
    slope_x = 2 + at_x - 0.125 * at_y
    np.testing.assert_allclose(out[:, at_y, at_x], [slope_y, slope_x, 0.25, 0.5, -0.125], atol=1e-3)
