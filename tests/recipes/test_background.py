from pathlib import Path

import numpy as np
import pytest

from tests.clips.making import write_video
from triptych.manifest.scan import scan
from triptych.manifest.schema import Manifest
from triptych.recipes.background import choose_background, still_share
from triptych.recipes.plan import choose
from triptych.training.source import open_source

TIMES = range(0, 2000, 50)


def watched(number: int) -> np.ndarray:
    """A wall of random bricks before which a small square walks."""
    wall = np.random.default_rng(0).integers(0, 256, (12, 16, 3), dtype=np.uint8)
    picture = wall.repeat(8, 0).repeat(8, 1)
    picture[40:48, 2 * number : 2 * number + 8] = 255
    return picture


def carried(number: int) -> np.ndarray:
    """The same wall, past which the camera is carried."""
    return np.roll(watched(0), 12 * number, axis=1)


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Manifest]:
    folder = tmp_path_factory.mktemp("films")
    found = {}
    for name, picture in (("watched", watched), ("carried", carried)):
        (folder / name).mkdir()
        write_video(folder / name / "a.mp4", TIMES, picture=picture)
        found[name] = scan(folder / name, workers=0).manifest
    return found


def chosen(manifest: Manifest, *overrides: str) -> tuple[str, str | None]:
    recipe, _ = choose(manifest, overrides)
    source = open_source(manifest, recipe.clip, None)
    recipe, line = choose_background(manifest, source, recipe)
    return recipe.clip.background, line


def test_a_standing_camera_s_pictures_lose_what_stands_still(films: dict[str, Manifest]) -> None:
    background, line = chosen(films["watched"])
    assert background == "subtract"
    assert "% of what is seen stands still" in str(line)
    assert chosen(films["carried"]) == ("keep", None)


def test_words_say_what_matters_and_sound_alone_has_no_pictures(
    films: dict[str, Manifest],
) -> None:
    assert chosen(films["watched"], "method=xdc", "modalities=video,text") == ("keep", None)
    assert chosen(films["watched"], "modalities=audio") == ("keep", None)


def test_the_share_is_that_of_the_decoded_frames(films: dict[str, Manifest]) -> None:
    manifest = films["carried"]
    recipe, _ = choose(manifest, [])
    source = open_source(manifest, recipe.clip, None)
    assert len(manifest) == 1
    pictures = np.stack([carried(20 + round(2.5 * n)) for n in range(-4, 4)]).astype(float)
    moving = ((pictures - pictures.mean(0)) ** 2).mean()
    # Coding, scaling to 64 pixels and the nearest frame in time change it a little.
    expected = 1 - moving / ((pictures - pictures.mean()) ** 2).mean()
    assert still_share(manifest, source, recipe) == pytest.approx(expected, abs=0.08)


def test_stills_are_kept_or_nothing_would_be_left(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", TIMES, picture=lambda _: watched(0))
    assert chosen(scan(tmp_path, workers=0).manifest) == ("keep", None)


def test_where_nothing_can_be_read_nothing_is_known(
    films: dict[str, Manifest], tmp_path: Path
) -> None:
    manifest = films["watched"]
    recipe, _ = choose(manifest, [])
    moved = Manifest(tmp_path, manifest.table)
    (tmp_path / "a.mp4").write_bytes(b"no film")
    source = open_source(moved, recipe.clip, None)
    assert np.isnan(still_share(moved, source, recipe))
    assert choose_background(moved, source, recipe)[1] is None


def test_of_several_segments_each_is_judged_as_the_encoder_sees_it(
    films: dict[str, Manifest],
) -> None:
    for name, background in (("watched", "subtract"), ("carried", "keep")):
        for how in ("joined", "pooled"):
            chosen_so = chosen(films[name], "clip.segments=2", f"clip.segments_as={how}")
            assert chosen_so[0] == background
