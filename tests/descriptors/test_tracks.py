from collections.abc import Sequence

import numpy as np
import pytest

from tests.descriptors.scenes import texture
from triptych.descriptors.pyramid import Floats
from triptych.descriptors.tracks import COLUMNS, LENGTH, Tracks

HEIGHT, WIDTH = 60, 400
Step = tuple[float, float]


def constant(x: float, y: float, size: tuple[int, int] = (HEIGHT, WIDTH)) -> Floats:
    flow = np.empty((2, *size), np.float32)
    flow[0], flow[1] = x, y
    return flow


def walked(steps: Sequence[Step], free: Sequence[Step] | None = None, scale: float = 1) -> Floats:
    """The rows of tracks that all take the same steps; ``free`` are those without the camera's."""
    picture = texture(HEIGHT, WIDTH)
    tracks = Tracks(HEIGHT, WIDTH)
    tracks.sample(picture)
    for step, still in zip(steps, free or steps, strict=True):
        tracks.follow(picture, constant(*step), constant(*still))
    return tracks.finished(np.float32(scale))


def test_a_plain_walk_by_hand() -> None:
    rows = walked([(2, 1)] * LENGTH, [(1.5, 0)] * LENGTH, scale=2)
    assert rows.shape[1] == COLUMNS == 436
    assert len(rows) > 300
    places = 2 * 15 * (np.arange(16) / 15)
    assert np.allclose(rows[:, 3:5], [2 * places.std(), places.std()], atol=1e-4)
    assert np.allclose(rows[:, 5], 15 * 2 * 5**0.5, atol=1e-3)
    assert (rows[:, 6] == 2).all()
    start = (rows[:, 1:3] - [30, 15]) / 2  # in the level's pixels
    np.testing.assert_allclose(start % 5, 2, atol=1e-4)
    assert np.allclose(rows[:, 10:40].reshape(-1, 15, 2), [1 / 15, 0], atol=1e-6)
    for first, width in ((40, 32), (136, 36), (244, 32), (340, 32)):
        thirds = rows[:, first : first + 3 * width].reshape(-1, 3, width)
        assert np.allclose((thirds[:, 1] ** 2).sum(axis=1), 1, atol=0.2)


JUMP = [(0.1, 0)] * 7 + [(25, 0)] + [(0.1, 0)] * 7
TWO_LEAPS = [(0.1, 0)] * 4 + [(15, 0)] + [(0.1, 0)] * 5 + [(15, 0)] + [(0.1, 0)] * 4


@pytest.mark.parametrize(
    ("steps", "free", "kept"),
    [
        ([(0.3, 0)] * 15, None, False),  # spread 1.38
        ([(0.4, 0)] * 15, [(1.1, 0)] * 15, True),  # spread 1.84, above the root of 3
        ([(0, 0.4)] * 15, [(1.1, 0)] * 15, True),
        ([(10.8, 0)] * 15, None, True),  # spread 49.8
        ([(10.9, 0)] * 15, None, False),  # spread 50.2
        (JUMP, None, False),  # one step is 25 of 26.4
        (TWO_LEAPS, None, True),
        ([(10.5, 0)] + [(0, 0)] * 7 + [(25.5, 0)] + [(0, 0)] * 6, None, False),  # .708 of all
        ([(11.5, 0)] + [(0, 0)] * 7 + [(25.5, 0)] + [(0, 0)] * 6, None, True),  # .689
        ([(0.1, 0)] * 7 + [(19.9, 0)] + [(0.1, 0)] * 7, None, True),  # not above 20
        ([(2, 0)] * 15, [(0, 0)] * 15, False),  # nothing but the camera moves
        ([(2, 0)] * 15, [(0.6, 0.8)] * 14 + [(1, 0)], False),  # no step above 1
        ([(2, 0)] * 15, [(0.6, 0.8)] * 14 + [(1.01, 0)], True),
    ],
)
def test_which_paths_are_worth_keeping(
    steps: list[Step], free: list[Step] | None, kept: bool
) -> None:
    assert (len(walked(steps, free)) > 0) == kept


def test_a_step_counts_in_pixels_of_the_full_picture() -> None:
    steps, free = [(0.3, 0)] * 15, [(0.6, 0)] * 15
    assert len(walked(steps, free)) == 0
    assert len(walked(steps, free, scale=2)) > 0


def test_no_row_comes_before_15_steps_and_each_only_once() -> None:
    picture, tracks = texture(HEIGHT, WIDTH), Tracks(HEIGHT, WIDTH)
    tracks.sample(picture)
    ended = []
    for _ in range(LENGTH + 2):
        tracks.follow(picture, constant(1, 0), constant(2, 0))
        ended.append(len(tracks.finished(np.float32(1))))
    assert ended[LENGTH - 1] > 0
    assert sum(ended) == ended[LENGTH - 1]
    assert len(tracks.live) == 0


def test_points_end_at_the_border() -> None:
    picture, tracks = texture(40, 60), Tracks(40, 60)
    tracks.sample(picture)
    before = len(tracks.live)
    size = (40, 60)
    tracks.follow(picture, constant(3, 0, size), constant(0, 0, size))  # 57 goes to 60: outside
    assert len(tracks.live) == before * 11 // 12
    tracks.follow(picture, constant(-5, 0, size), constant(0, 0, size))  # 5 goes to 0: outside
    assert len(tracks.live) == before * 10 // 12
    tracks.follow(picture, constant(0, 1e9, size), constant(0, 0, size))
    assert len(tracks.live) == 0


def test_points_begin_in_free_cells_that_are_not_flat() -> None:
    picture, tracks = texture(40, 60), Tracks(40, 60)
    tracks.sample(picture)
    assert len(tracks.live) == 8 * 12
    tracks.sample(picture)
    assert len(tracks.live) == 8 * 12  # every cell holds one
    size = (40, 60)
    tracks.follow(picture, constant(5, 0, size), constant(5, 0, size))
    assert len(tracks.live) == 8 * 11
    tracks.sample(picture)
    assert len(tracks.live) == 8 * 12  # the first column is free again
    half = picture.copy()
    half[:, :30] = 128
    fresh = Tracks(40, 60)
    fresh.sample(half)
    assert 8 * 5 < len(fresh.live) <= 8 * 6
    flat = Tracks(40, 60)
    flat.sample(np.full((40, 60), 9, np.uint8))
    assert len(flat.live) == 0


def test_a_patch_is_of_the_frame_and_the_place_that_a_step_leaves() -> None:
    """Each third is the mean of its five frames, whatever the other ten show."""
    quiet, loud = texture(HEIGHT, WIDTH), texture(HEIGHT, WIDTH, seed=5)

    def hog(pictures: list[np.ndarray]) -> np.ndarray:
        tracks = Tracks(HEIGHT, WIDTH)
        tracks.sample(quiet)
        for picture in pictures:
            tracks.follow(picture, constant(1, 0), constant(2, 0))
        return tracks.finished(np.float32(1))[:, 40:136].reshape(-1, 3, 32)

    plain = hog([quiet] * 15)
    mixed = hog([quiet] * 5 + [loud] * 5 + [quiet] * 5)
    np.testing.assert_array_equal(mixed[:, [0, 2]], plain[:, [0, 2]])
    assert np.abs(mixed[:, 1] - plain[:, 1]).max() > 0.05


def test_places_in_the_tables_are_used_again() -> None:
    picture, tracks = texture(40, 60), Tracks(40, 60)
    size = (40, 60)
    highest, most = 0, 0
    for _ in range(100):
        tracks.sample(picture)
        most = max(most, len(tracks.live))
        assert len(set(tracks.live.tolist())) == len(tracks.live)
        highest = max(highest, int(tracks.live.max()))
        tracks.follow(picture, constant(1.7, 0.9, size), constant(2, 0, size))
        tracks.finished(np.float32(1))
    assert most <= highest + 1 <= 1.5 * most
