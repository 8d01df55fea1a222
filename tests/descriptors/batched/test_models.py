from pathlib import Path

import numpy as np
import pytest

from tests.descriptors.batched.frames import BOXING, CPU, FIGHT, batch, real
from tests.descriptors.scenes import texture
from triptych.descriptors.batched.models import Expansion
from triptych.descriptors.pyramid import Pyramid


@pytest.mark.parametrize("film", [BOXING, FIGHT])
def test_models_of_real_frames_are_the_compiled_ones(data: Path, film: Path) -> None:
    check(real(data, 2, film))


@pytest.mark.parametrize("size", [(32, 32), (47, 33), (90, 400)])
def test_models_of_odd_sizes_are_the_compiled_ones(size: tuple[int, int]) -> None:
    check([texture(*size), texture(*size, seed=1)])


def check(pictures: list[np.ndarray]) -> None:
    pyramid = Pyramid(*pictures[0].shape)  # type: ignore[misc]
    found = Expansion(pyramid, CPU).models(batch(pictures))
    for number, picture in enumerate(pictures):
        for level, wanted in zip(found, pyramid.models(picture), strict=True):
            np.testing.assert_allclose(level[:, number].numpy(), wanted, atol=1e-4)
