from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from tests.descriptors.batched.frames import BOXING, CPU, FIGHT, batch, real
from tests.descriptors.scenes import texture
from triptych.descriptors.batched.flow import Flow, median
from triptych.descriptors.batched.models import Expansion
from triptych.descriptors.pyramid import Grey, Pyramid, flows


@pytest.mark.parametrize("film", [BOXING, FIGHT])
def test_flow_of_real_frames_is_the_compiled_one(data: Path, film: Path) -> None:
    check(real(data, 4, film))


@pytest.mark.parametrize("size", [(32, 32), (47, 33)])
def test_flow_of_odd_sizes_is_the_compiled_one(size: tuple[int, int]) -> None:
    picture = texture(size[0] + 3, size[1] + 3)
    check([picture[step:, step:][: size[0], : size[1]].copy() for step in range(3)])


def check(pictures: list[Grey]) -> None:
    """Within 0.001 pixels; a few pixels whose equations nearly have no solution may be off."""
    pyramid = Pyramid(*pictures[0].shape)  # type: ignore[misc]
    models = Expansion(pyramid, CPU).models(batch(pictures))
    here, there = [level[:, :-1] for level in models], [level[:, 1:] for level in models]
    found = Flow(pyramid, CPU).flows(here, there)
    compiled = [pyramid.models(picture) for picture in pictures]
    for pair in range(len(pictures) - 1):
        wanted = flows(compiled[pair], compiled[pair + 1])
        for level, one in zip(found, wanted, strict=True):
            off = np.abs(level[:, pair].numpy() - one)
            assert np.median(off) < 1e-5
            assert np.mean(off > 1e-3) < 1e-3


@pytest.mark.parametrize("size", [(40, 51), (5, 5), (1, 9)])
def test_the_median_is_opencv_s(size: tuple[int, int]) -> None:
    random = np.random.default_rng(0)
    pictures = random.normal(size=(2, 3, *size)).astype(np.float32)
    pictures[0] = np.round(pictures[0])  # many alike
    found = median(torch.from_numpy(pictures)).numpy()
    for one, wanted in zip(found.reshape(-1, *size), pictures.reshape(-1, *size), strict=True):
        np.testing.assert_array_equal(one, cv2.medianBlur(wanted, 5))


def test_what_is_flat_does_not_move() -> None:
    pyramid = Pyramid(40, 50)
    models = Expansion(pyramid, CPU).models(torch.full((2, 40, 50), 90, dtype=torch.uint8))
    found = Flow(pyramid, CPU).flows([m[:, :1] for m in models], [m[:, 1:] for m in models])
    assert all(float(level.abs().max()) < 1e-6 for level in found)
