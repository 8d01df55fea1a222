from pathlib import Path

import numpy as np
import pytest

from tests.explore.sharing import films as made
from triptych.explore.sharing.clips import Clips
from triptych.explore.sharing.looks import APART, BINS, histogram, look, motion, scene
from triptych.manifest.schema import Manifest

AWAY = {(1, 0): 4, (0, 1): 6, (-1, 0): 0, (0, -1): 2, (1, 1): 5}  # bins within a speed


@pytest.mark.parametrize(("way", "direction"), AWAY.items())
def test_a_pixel_counts_for_where_it_goes_and_how_fast(
    way: tuple[int, int], direction: int
) -> None:
    flow = np.zeros((72, 96, 2), np.float32)
    pixels = 0.5 * 96 * APART / np.hypot(*way)  # half a width a second: the second of three speeds
    flow[:20, :20] = np.array(way) * pixels
    flow += np.array([3.0, -2.0])  # the camera's
    found = histogram(flow)
    assert found.sum() == 72 * 96
    assert found[0] == 72 * 96 - 400
    assert found[1 + 8 + direction] == 400


def test_motion_is_of_the_direction_and_not_of_what_moves_where() -> None:
    seen = [motion(made.frames(number)[::1][:16]) for number in range(8)]
    assert all(one.shape == (BINS,) for one in seen)
    assert all(float(one @ one) == pytest.approx(1, abs=1e-5) for one in seen)
    found = np.array(seen)[:, 1:]
    sideways = found[:, [bin for bin in range(24) if bin % 8 in (0, 4)]].sum(1)
    upright = found[:, [bin for bin in range(24) if bin % 8 in (2, 6)]].sum(1)
    across = np.array(made.MOTIONS[:8]) == "across"
    assert (sideways > upright).tolist() == across.tolist()


def test_scenes_correlate_as_their_pictures_do() -> None:
    draw = np.random.default_rng(0)
    one, other = (draw.integers(0, 255, (5, 72, 96, 3)).astype(np.uint8) for _ in range(2))

    def cells(frames: np.ndarray) -> np.ndarray:
        mean = frames.astype(float).mean(0)
        squares = [
            mean[top : top + 12, left : left + 12].mean((0, 1))
            for top in range(0, 72, 12)
            for left in range(0, 96, 12)
        ]
        return np.concatenate(squares)

    expected = np.corrcoef(cells(one), cells(other))[0, 1]
    assert float(scene(one) @ scene(other)) == pytest.approx(expected, abs=1e-4)
    assert not scene(np.full((3, 72, 96, 3), 77, np.uint8)).any()


def test_films_are_looked_at_and_others_are_passed_over(films: Path, tmp_path: Path) -> None:
    clips = Clips.of(Manifest.read(films / "manifest.parquet"))
    seen = look(clips, [5, 1, 3], workers=0)
    assert seen.rows.tolist() == [1, 3, 5]
    assert seen.scene.shape == (3, 144)
    assert seen.motion.shape == (3, BINS)
    assert not seen.reasons
    (tmp_path / made.name(1)).write_bytes(b"no film")
    moved = Clips(tmp_path, clips.table)
    none = look(moved, [1, 2], workers=0)
    assert len(none.rows) == 0
    assert "not there" in none.reasons[2]
    assert made.name(1) in none.reasons[1]
    silent = clips.table.set_column(5, "has_video", [[False] * made.COUNT])
    assert not look(Clips(films, silent), [1], workers=0).reasons
