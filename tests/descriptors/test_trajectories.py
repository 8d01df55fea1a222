from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from tests.descriptors.scenes import OWN, PAN, SIDE, START, film, texture
from triptych.descriptors.extract import trajectories
from triptych.descriptors.how import How
from triptych.descriptors.pyramid import Floats, Grey
from triptych.descriptors.trajectories import Trajectories
from triptych.errors import UserError

FRAMES = 22


def described(
    pictures: list[Grey], people: list[tuple[float, ...]] | None = None, fast: bool = False
) -> Floats:
    tracker = Trajectories(pictures[0].shape[0], pictures[0].shape[1], "none", fast)
    return np.concatenate([tracker.take(picture, people or []) for picture in pictures])  # type: ignore[arg-type]


def near_the_square(rows: Floats, edge: int) -> np.ndarray:
    """Which trajectories are in the square at the middle of their life, or so near to its edge."""
    middle = rows[:, 0] - 7.5
    inside = np.ones(len(rows), bool)
    for axis in range(2):
        from_edge = rows[:, 1 + axis] - (START[axis] + OWN[axis] * middle)
        inside &= (from_edge > -edge) & (from_edge < SIDE + edge)
    return inside


def test_the_camera_s_motion_is_taken_out_and_the_square_s_own_is_kept() -> None:
    rows = described(film(FRAMES))
    assert set(rows[:, 0].tolist()) <= set(range(15, FRAMES))
    # What the square passes over is carried along for a while.
    assert near_the_square(rows, 16).mean() > 0.8
    own = rows[near_the_square(rows, -8)]
    assert len(own) > 50
    # As it is seen it goes one way; without the camera's motion, another.
    np.testing.assert_allclose(np.median(own[:, 5]), 15 * np.hypot(*OWN), rtol=0.02)
    relative = np.array(OWN) - PAN
    steps = np.median(own[:, 10:40].reshape(-1, 15, 2), axis=(0, 1))
    np.testing.assert_allclose(steps, relative / np.hypot(*relative) / 15, atol=0.003)
    still = own[:, 136:244].reshape(-1, 12, 9)[:, :, 8]
    assert np.median(still) < 0.3


def test_a_camera_that_pans_over_what_stands_still_gives_nothing() -> None:
    assert len(described(film(FRAMES, square=False))) == 0


def test_people_do_not_say_how_the_camera_moves() -> None:
    """A box around nearly everything: too few corners are left to tell."""
    everywhere = [(0.0, 0.0, 143.0, 105.0)]
    rows = described(film(FRAMES, square=False), everywhere)  # type: ignore[arg-type]
    assert len(rows) > 500
    steps = np.median(rows[:, 10:40].reshape(-1, 15, 2), axis=(0, 1))
    np.testing.assert_allclose(steps, np.array(PAN) / np.hypot(*PAN) / 15, atol=0.003)
    outside = [(-50.0, -9.0, -1.0, 1e9), (1e6, 0.0, 2e6, 9.0)]  # boxes need not be in the picture
    assert len(described(film(FRAMES, square=False), outside)) == 0  # type: ignore[arg-type]


def test_places_are_relative_to_the_picture_and_times_to_the_start() -> None:
    rows = described(film(FRAMES))
    np.testing.assert_allclose(rows[:, 7], rows[:, 1] / 144, rtol=1e-6)
    np.testing.assert_allclose(rows[:, 8], rows[:, 2] / 112, rtol=1e-6)
    np.testing.assert_array_equal(rows[:, 9], rows[:, 0] - 7.5)
    levels = 2 * np.log2(rows[:, 6])
    np.testing.assert_allclose(levels, levels.round(), atol=1e-5)
    assert set(levels.round()) <= {0, 1, 2, 3}


@pytest.mark.parametrize("frames", [1, 2, 15])
def test_too_few_frames_give_nothing(frames: int) -> None:
    assert described(film(frames)).shape == (0, 436)


def test_one_colour_gives_nothing_and_a_cut_is_survived() -> None:
    grey = [np.full((48, 64), 128, np.uint8)] * 18
    assert len(described(grey)) == 0
    cuts = [texture(48, 64, seed=number) for number in range(20)]
    assert np.isfinite(described(cuts)).all()


def test_pictures_smaller_than_a_patch_are_refused() -> None:
    with pytest.raises(UserError, match="64x31"):
        Trajectories(31, 64)


def pairs_of(reference: Floats, rows: Floats) -> list[tuple[int, int]]:
    """Each row of the reference and the nearest free one of the same frame and scale, in 0.1 px."""
    free = set(range(len(rows)))
    found = []
    for one, row in enumerate(reference):
        off = np.abs(rows[:, 1:3] - row[1:3]).max(axis=1)
        alike = (rows[:, 0] == row[0]) & (np.abs(rows[:, 6] - row[6]) < 0.1) & (off < 0.1)
        best = min((at for at in np.flatnonzero(alike) if at in free), key=off.item, default=None)
        if best is not None:
            free.remove(best)
            found.append((one, int(best)))
    return found


@pytest.mark.parametrize("keypoints", ["sift", "none"])
def test_parity_with_the_original_program(data: Path, reference: Floats, keypoints: str) -> None:
    film = data / "idt_reference" / "person01_boxing_d1_uncomp.avi"
    rows = np.concatenate(list(trajectories(film, How(keypoints))))  # type: ignore[arg-type]
    rows[:, 9] = np.clip(rows[:, 9] / 360, 0, 0.999)
    pairs = np.array(pairs_of(reference, rows))
    assert len(pairs) >= 0.99 * len(reference)
    assert len(rows) - len(pairs) <= 0.01 * len(reference)
    theirs, ours = reference[pairs[:, 0]], rows[pairs[:, 1]]
    correlations = [
        np.corrcoef(one[10:], other[10:])[0, 1] for one, other in zip(theirs, ours, strict=True)
    ]
    assert np.median(correlations) >= 0.999
    assert np.quantile(correlations, 0.01) >= 0.97
    np.testing.assert_allclose(ours[:, 3:10], theirs[:, 3:10], atol=0.1)
    np.testing.assert_allclose(
        ours[:, 40:136], theirs[:, 40:136], atol=0.02
    )  # HOG, no camera in it


def test_fast_trajectories_go_nearly_the_same_ways(data: Path) -> None:
    file = data / "idt_reference" / "person01_boxing_d1_uncomp.avi"
    found = []
    for fast in (False, True):
        ended = islice(trajectories(file, How("none", fast)), 60)
        found.append(np.concatenate(list(ended)))
    slow, quick = found
    assert len(quick) == pytest.approx(len(slow), rel=0.15)
    assert not np.array_equal(slow, quick)
    alike = []
    for row in quick:
        same = slow[(slow[:, 0] == row[0]) & (slow[:, 6] == row[6])]
        same = same[np.abs(same[:, 1:3] - row[1:3]).max(axis=1) < 0.1]
        alike += [np.corrcoef(row[10:], other[10:])[0, 1] for other in same[:1]]
    assert len(alike) > 0.1 * len(quick)  # of the others most begin in another frame
    assert np.median(alike) > 0.999
