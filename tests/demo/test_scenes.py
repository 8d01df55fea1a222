import colorsys

import numpy as np
import pytest

from triptych.demo import scenes
from triptych.demo.kitchen import TASKS, Scene


def top(palette: int, seed: int) -> np.ndarray:
    return np.asarray(scenes.table_top(Scene("a", palette, seed), 128, 96))


def test_a_scene_looks_the_same_every_time_and_no_two_look_alike() -> None:
    assert np.array_equal(top(0, 5), top(0, 5))
    tops = [top(0, seed) for seed in range(6)]
    for place, one in enumerate(tops):
        for other in tops[:place]:
            assert np.abs(one.astype(int) - other).mean() > 10


def test_the_palette_shows_in_the_hue() -> None:
    def hue(palette: int) -> complex:
        colours = [np.median(top(palette, seed).reshape(-1, 3), 0) / 255 for seed in range(8)]
        angles = [2 * np.pi * colorsys.rgb_to_hsv(*colour)[0] for colour in colours]
        return complex(np.mean(np.exp(1j * np.array(angles))))

    for palette in range(len(TASKS)):
        turned = hue(palette) / np.exp(2j * np.pi * palette / len(TASKS))
        assert abs(np.angle(turned)) < 2 * np.pi / len(TASKS)


@pytest.mark.parametrize("texture", scenes.TEXTURES, ids=lambda texture: texture.__name__)
def test_textures_mix_two_colours(texture: object) -> None:
    y, x = np.mgrid[0:60, 0:90] / 60
    shares = texture(x, y, np.random.default_rng(0))  # type: ignore[operator]
    assert shares.shape == x.shape
    assert shares.min() >= 0
    assert shares.max() <= 1
    assert np.ptp(shares) > 0.3
