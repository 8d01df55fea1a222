from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.explore.sharing import films as made
from tests.explore.test_thumbnails import opened
from triptych.explore.sharing.clips import Clips
from triptych.explore.sharing.gather import Shared, Wall
from triptych.explore.sharing.groupings import Grouping
from triptych.explore.sharing.pictures import (
    HEIGHT,
    MOVING,
    STILL,
    WIDTH,
    moment,
    pictures,
    seconds,
)
from triptych.manifest.schema import Manifest


def wall(shown: list[int]) -> Wall:
    grouping = Grouping("a", "by hand", np.zeros(16, np.int64), 1, None, None)
    one = Shared(0, "asked for", 16, 16, None, None, {}, shown)
    return Wall(grouping, [one], 1, 5, 1, {}, {}, {})


def resized(frame: np.ndarray) -> np.ndarray:
    """A frame as a picture shows it: scaled to its width, its middle rows."""
    tall = round(made.HEIGHT * WIDTH / made.WIDTH)
    above = (tall - HEIGHT) // 2
    scaled = np.asarray(Image.fromarray(frame).resize((WIDTH, tall)), float)
    return scaled[above : above + HEIGHT]


def test_a_clip_moves_as_its_film_does(films: Path) -> None:
    clips = Clips.of(Manifest.read(films / "manifest.parquet"))
    found = pictures(clips, [wall([0, 5])], workers=0)
    assert set(found.loops) == set(found.stills) == {0, 5}
    strip = opened(found.loops[5])
    assert strip.shape == (HEIGHT, WIDTH * MOVING, 3)
    film = [resized(frame) for frame in made.frames(5)]
    for number, frame in enumerate(np.split(strip.astype(float), MOVING, axis=1)):
        apart = [np.abs(frame - other).mean() for other in film]
        assert int(np.argmin(apart)) == int((number + 0.5) / MOVING * made.FRAMES)
    still = found.stills[0]
    assert len(still) == STILL
    assert still[0].shape == (HEIGHT, WIDTH, 3)


def test_a_file_that_is_gone_has_a_reason(films: Path, tmp_path: Path) -> None:
    clips = Clips.of(Manifest.read(films / "manifest.parquet"))
    found = pictures(Clips(tmp_path, clips.table), [wall([3])], workers=0)
    assert (found.loops, found.stills) == ({}, {})
    assert found.reasons == {3: "the file is not there"}


@pytest.mark.parametrize(
    ("span", "shown"), [((1.0, 2.5), (1.0, 2.5)), ((10.0, 20.0), (14.0, 16.0))]
)
def test_a_loop_is_of_the_middle_and_as_fast_as_the_film(
    span: tuple[float, float], shown: tuple[float, float]
) -> None:
    assert moment(*span) == shown
    assert seconds(*span) == pytest.approx(shown[1] - shown[0])
    assert seconds(4.0, 4.0) > 0
