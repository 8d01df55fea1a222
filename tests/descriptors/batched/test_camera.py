from pathlib import Path

import numpy as np
import torch

from tests.descriptors.batched.frames import batch, real
from triptych.descriptors import camera
from triptych.descriptors.batched.camera import carried, steady

CAMERAS = np.array(
    [
        np.eye(3),
        [[1.02, 0.01, -3.3], [-0.02, 0.97, 4.1], [1e-4, -2e-4, 1]],
        [[0, 0, 0], [0, 0, 0], [0, 0, 0]],  # nothing is anywhere
        [[1, 0, 5e9], [0, 1, 0], [0, 0, 1]],
    ]
)


def test_steady_frames_are_the_compiled_ones(data: Path) -> None:
    pictures = real(data, 5)
    before, now = batch(pictures[:-1]), batch(pictures[1:])
    found = steady(before, now, torch.from_numpy(CAMERAS))
    assert found.dtype == torch.uint8
    for pair, one in enumerate(CAMERAS):
        wanted = camera.steady(pictures[pair], pictures[pair + 1], one)
        np.testing.assert_array_equal(found[pair].numpy(), wanted)


def test_corners_are_carried_as_one_by_one(data: Path) -> None:
    pictures = real(data, 3)
    random = np.random.default_rng(0)
    flow = random.normal(size=(2, 3, *pictures[0].shape)).astype(np.float32)
    places = [camera.corner_places(picture, None) for picture in pictures]
    pixels = [places[0][1], places[1][1][:0], places[2][1]]
    found = carried(torch.from_numpy(flow), pixels)
    assert [len(ends) for ends in found] == [len(some) for some in pixels]
    for number in (0, 2):
        wanted = camera.corners(pictures[number], flow[:, number], None)
        np.testing.assert_array_equal(places[number][0], wanted[0])
        np.testing.assert_allclose(found[number], wanted[1], atol=1e-4)
