import numpy as np
import pytest

from tests.descriptors.scenes import texture
from triptych.descriptors.histograms import WIDTH, describe


def slopes(picture: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    along, down = np.zeros((2, *picture.shape))
    along[:, 1:-1] = picture[:, 2:] - picture[:, :-2]
    down[1:-1] = picture[2:] - picture[:-2]
    return along, down


def cells(along: np.ndarray, down: np.ndarray, corner: tuple[int, int], still: bool) -> np.ndarray:
    """A patch's histogram by a loop over its pixels: cells x by x and y by y, then bins."""
    left, top = corner
    sums = np.zeros((2, 2, 9 if still else 8))
    for y in range(32):
        for x in range(32):
            vx, vy = along[top + y, left + x], down[top + y, left + x]
            cell, size = sums[x // 16, y // 16], np.hypot(vx, vy)
            if still and size <= 0.4:
                cell[8] += 1
                continue
            turn = np.arctan2(vy, vx) / (2 * np.pi) * 8 % 8
            lower, share = int(turn) % 8, turn - int(turn)
            cell[lower] += size * (1 - share)
            cell[(lower + 1) % 8] += size * share
    lifted = sums.ravel() + 0.05
    return np.asarray(np.sqrt(lifted / lifted.sum()))


def plain(grey: np.ndarray, flow: np.ndarray, corner: tuple[int, int]) -> np.ndarray:
    """Of each cell the bins of HOG, HOF, MBHx and MBHy."""
    flow = flow.astype(np.float64)
    histograms = [
        cells(*slopes(grey.astype(np.float64)), corner, False),
        cells(flow[0], flow[1], corner, True),
        cells(*slopes(flow[0]), corner, False),
        cells(*slopes(flow[1]), corner, False),
    ]
    return np.concatenate([one.reshape(4, -1) for one in histograms], axis=1).ravel()


CORNERS = [(0, 0), (33, 14), (7, 3), (33, 0), (20, 14), (7, 3)]


@pytest.mark.parametrize("strength", [1e-4, 0.3, 3.0])
def test_every_patch_is_as_a_loop_over_its_pixels_has_it(strength: float) -> None:
    """In the weakest flow the 0.05 that each bin is lifted by decide."""
    random = np.random.default_rng(0)
    grey = texture(46, 65)
    flow = random.normal(size=(2, 46, 65)).astype(np.float32) * np.float32(strength)
    corners = np.array(CORNERS, np.int32)
    order = np.argsort(corners[:, 1], kind="stable")
    slots, thirds = np.array([4, 0, 1, 2, 3, 5]), np.array([0, 1, 2, 0, 1, 2])
    sums = np.full((7, 3, WIDTH), 0.5, np.float32)
    describe(grey, flow, corners, order, slots, thirds, sums)
    for corner, slot, third in zip(CORNERS, slots, thirds, strict=True):
        np.testing.assert_allclose(sums[slot, third] - 0.5, plain(grey, flow, corner), atol=1e-3)
        sums[slot, third] = 0.5
    assert (sums == 0.5).all()  # no other third and no other slot was touched


@pytest.mark.parametrize("eighth", range(16))
def test_directions_by_hand(eighth: int) -> None:
    """A flow of one direction: one bin, or two alike where it lies between them."""
    angle = eighth * np.pi / 8
    flow = np.empty((2, 32, 32), np.float32)
    flow[0], flow[1] = 100 * np.cos(angle), 100 * np.sin(angle)
    sums = np.zeros((1, 3, WIDTH), np.float32)
    zero = np.zeros(1, np.int64)
    describe(np.zeros((32, 32), np.uint8), flow, np.zeros((1, 2), np.int32), zero, zero, zero, sums)
    cells = sums[0, 0].reshape(4, 33)
    wanted = np.zeros(9)
    wanted[eighth // 2] += 0.5
    wanted[(eighth + 1) // 2 % 8] += 0.5
    np.testing.assert_allclose(cells[0, 8:17] ** 2, wanted / 4, atol=1e-3)
    assert np.allclose(cells[:, :8], (1 / 32) ** 0.5)  # nothing to see: all bins alike


def test_what_stands_still_has_a_bin_of_its_own() -> None:
    flow = np.zeros((2, 32, 32), np.float32)
    flow[0] = 0.4
    sums = np.zeros((1, 3, WIDTH), np.float32)
    zero = np.zeros(1, np.int64)
    grey = np.zeros((32, 32), np.uint8)
    describe(grey, flow, np.zeros((1, 2), np.int32), zero, zero, zero, sums)
    hof = sums[0, 0].reshape(4, 33)[:, 8:17]
    assert hof[0, 8] == hof.max()
    flow[0] = 0.41
    sums[:] = 0
    describe(grey, flow, np.zeros((1, 2), np.int32), zero, zero, zero, sums)
    assert hof[0, 0] == hof.max()
