from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from tests.descriptors.batched.frames import CPU, batch, real
from tests.descriptors.scenes import texture
from triptych.descriptors.batched.points import Points, _rows, textured
from triptych.descriptors.histograms import WIDTH
from triptych.descriptors.pyramid import Floats, Grey, Pyramid, flows
from triptych.descriptors.tracks import COLUMNS, LENGTH, QUALITY, THIRDS, Tracks, _finish


@pytest.mark.parametrize("size", [(128, 170), (33, 61), (50, 35)])
def test_cells_are_textured_where_opencv_s_corners_are(data: Path, size: tuple[int, int]) -> None:
    high, wide = size
    pictures = [picture[:high, :wide].copy() for picture in real(data, 2)]
    pictures.append(np.full(pictures[0].shape, 7, np.uint8))
    found = textured(batch(pictures)).numpy()
    for one, picture in zip(found, pictures, strict=True):
        measure = cv2.cornerMinEigenVal(picture, 3, ksize=3)
        wanted = measure > float(measure.max()) * QUALITY
        height, width = (side // 5 * 5 for side in picture.shape)
        np.testing.assert_array_equal(one, wanted[2:height:5, 2:width:5])


class Compiled:
    """One video through the compiled tracks of every level."""

    def __init__(self, pyramid: Pyramid) -> None:
        self.pyramid = pyramid
        self.tracks = [Tracks(*size) for size in pyramid.sizes]

    def step(self, before: list[Grey], flow: list[Floats], now: list[Grey]) -> Floats:
        ended = []
        for level, tracks in enumerate(self.tracks):
            if before:
                tracks.follow(before[level], flow[level], flow[level])
                ended.append(tracks.finished(self.pyramid.scales[level]))
            tracks.sample(now[level])
        return np.concatenate([*ended, np.empty((0, 436), np.float32)])


def test_two_videos_side_by_side_are_the_compiled_tracks_of_each(data: Path) -> None:
    """The second begins three frames later, and the first one's lane is given to nobody then."""
    frames = [picture[:64, :90].copy() for picture in real(data, 21)]
    pyramid = Pyramid(64, 90)
    films = [frames, [np.ascontiguousarray(picture[::-1, ::-1]) for picture in frames]]
    greys = [[pyramid.greys(picture) for picture in film] for film in films]
    models = [[pyramid.models(picture) for picture in film] for film in films]
    flow = [[flows(one, two) for one, two in pairwise(m)] for m in models]
    compiled = [Compiled(pyramid) for _ in films]
    points = Points(pyramid, 2, CPU)
    total = 0
    for number in range(20):
        numbers = (number, number - 3)
        active = [lane for lane in (0, 1) if numbers[lane] >= 0]
        following = [lane for lane in (0, 1) if numbers[lane] > 0]
        wanted = [
            compiled[lane].step(
                greys[lane][numbers[lane] - 1] if lane in following else [],
                flow[lane][numbers[lane] - 1],
                greys[lane][numbers[lane]],
            )
            for lane in active
        ]
        if following:
            before = [greys[lane][numbers[lane] - 1] for lane in following]
            moves = [flow[lane][numbers[lane] - 1] for lane in following]
            whole = [torch.from_numpy(np.stack(level, 1)) for level in zip(*moves, strict=True)]
            pairs = [following.index(lane) if lane in following else -1 for lane in (0, 1)]
            points.follow(
                [batch(list(level)) for level in zip(*before, strict=True)],
                whole,
                whole,
                torch.tensor(pairs),
            )
            lanes, rows = points.finished()
            for lane, theirs in zip(active, wanted, strict=True):
                ours = rows[lanes == lane].numpy()
                assert len(ours) == len(theirs)
                total += len(ours)
                np.testing.assert_allclose(ours, theirs, atol=1e-4, rtol=1e-4)
        seen = [
            textured(batch(list(level))) for level in zip(*(g[number] for g in greys), strict=True)
        ]
        late = [
            textured(batch([greys[1][max(numbers[1], 0)][level]])) for level in range(len(seen))
        ]
        points.sample(
            [
                torch.stack([one[0], two[0] & (1 in active)])
                for one, two in zip(seen, late, strict=True)
            ]
        )
        live = sum(len(tracks.live) for one in compiled for tracks in one.tracks)
        assert len(points.live) == live
    assert total > 100
    points.leave(0)
    assert len(points.live) == sum(len(tracks.live) for tracks in compiled[1].tracks)


def walked(steps: list[tuple[float, float]], free: list[tuple[float, float]] | None) -> int:
    """How many points that all take the same steps are kept, in a film of one level."""
    picture = batch([texture(44, 400)])
    points = Points(Pyramid(44, 400), 1, CPU)
    points.sample([textured(picture)])
    for one in zip(steps, free or steps, strict=True):
        flow, still = (torch.tensor(s).view(2, 1, 1, 1).expand(2, 1, 44, 400) for s in one)
        points.follow([picture], [flow], [still], torch.zeros(1, dtype=torch.int64))
    return len(points.finished()[0])


JUMP = [(0.1, 0.0)] * 7 + [(25.0, 0.0)] + [(0.1, 0.0)] * 7
TWO_LEAPS = [(0.1, 0.0)] * 4 + [(15.0, 0.0)] + [(0.1, 0.0)] * 5 + [(15.0, 0.0)] + [(0.1, 0.0)] * 4


@pytest.mark.parametrize(
    ("steps", "free", "kept"),
    [
        ([(0.3, 0.0)] * LENGTH, None, False),  # spread 1.38
        ([(0.4, 0.0)] * LENGTH, [(1.1, 0.0)] * LENGTH, True),  # spread 1.84
        ([(10.8, 0.0)] * LENGTH, None, True),  # spread 49.8
        ([(10.9, 0.0)] * LENGTH, None, False),  # spread 50.2
        (JUMP, None, False),
        (TWO_LEAPS, None, True),
        ([(2.0, 0.0)] * LENGTH, [(0.0, 0.0)] * LENGTH, False),  # nothing but the camera moves
        ([(2.0, 0.0)] * LENGTH, [(0.6, 0.8)] * 14 + [(1.01, 0.0)], True),
    ],
)
def test_which_paths_are_worth_keeping(
    steps: list[tuple[float, float]], free: list[tuple[float, float]] | None, kept: bool
) -> None:
    assert (walked(steps, free) > 0) == kept


def test_paths_of_all_kinds_are_kept_or_not_as_by_the_compiled_rules() -> None:
    """Slow ones, straight ones, wild ones, and with a jump that is most of the way or not."""
    random = np.random.default_rng(0)
    count = 3000
    steps = random.normal(size=(count, LENGTH, 2)) * random.lognormal(-1, 1.2, (count, 1, 1))
    steps += random.normal(size=(count, 1, 2)) * 2
    steps[::3] *= 0.3
    steps[np.arange(0, count, 2), random.integers(0, LENGTH, count // 2), 0] += random.uniform(
        10, 40, count // 2
    )
    begin = np.zeros((count, 1, 2))
    path = np.concatenate([begin, steps.cumsum(axis=1)], axis=1).astype(np.float32)
    free = (steps * random.uniform(0, 1, (count, 1, 1))).astype(np.float32)
    sums = random.random((count, THIRDS, WIDTH)).astype(np.float32)
    scale = np.float32(np.sqrt(2))
    wanted = np.zeros((count, COLUMNS), np.float32)
    kept = _finish(path, free, sums, np.arange(count), scale, wanted)
    given = (torch.from_numpy(part) for part in (path, free))
    ordered = torch.from_numpy(sums)
    rows, keep = _rows(*given, ordered, torch.full((count,), float(scale)))
    assert int(keep.sum()) == kept
    assert 0.1 < kept / count < 0.9
    np.testing.assert_allclose(rows[keep][:, :40].numpy(), wanted[:kept, :40], atol=1e-3)
