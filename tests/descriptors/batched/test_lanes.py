from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from tests.clips.making import write_video
from tests.descriptors.batched.frames import FIGHT, real
from tests.descriptors.scenes import texture
from triptych.clips.media import DecodeError
from triptych.descriptors import camera
from triptych.descriptors.batched.lanes import Film, Lane
from triptych.descriptors.people import BoxesError
from triptych.descriptors.pyramid import Pyramid, SizeError, flows
from triptych.descriptors.trajectories import free_of


def test_a_lane_sees_what_the_compiled_program_sees(data: Path) -> None:
    box = (20.0, 10.0, 60.0, 90.0)
    frames = real(data, 4)
    with ThreadPoolExecutor(1) as pool:
        lane = Lane(3, Film(data / FIGHT, "sift", {2: [box]}), pool)
        assert len(lane.last.corners) == 0
        np.testing.assert_array_equal(lane.last.levels[0], frames[0])
        lane.ask(3)
        sights = lane.take()
    assert (len(sights), lane.taken, lane.number) == (3, 3, 3)
    pyramid, detector = Pyramid(*frames[0].shape), camera.Detector("sift")  # type: ignore[misc]
    models = [pyramid.models(frame) for frame in frames]
    masks = [None, None, free_of(frames[0].shape, [box]), None]
    points = [detector.find(frame, mask) for frame, mask in zip(frames, masks, strict=True)]
    for number, sight in enumerate(sights, 1):
        raw = flows(models[number - 1], models[number])
        corners = camera.corners(frames[number - 1], raw[0], masks[number])
        np.testing.assert_array_equal(sight.corners, corners[0])
        matched = camera.match(points[number - 1], points[number])
        pairs = [np.concatenate(side) for side in zip(corners, matched, strict=True)]
        np.testing.assert_array_equal(sight.camera(corners[1]), camera.homography(*pairs))
        for level, wanted in zip(sight.levels, pyramid.greys(frames[number]), strict=True):
            np.testing.assert_array_equal(level, wanted)


def test_what_cannot_be_read_is_raised_as_by_the_compiled_program(tmp_path: Path) -> None:
    small = np.zeros((30, 64, 3), np.uint8)
    tiny = write_video(tmp_path / "small.mp4", [0, 40], picture=lambda _: small)
    fine = np.repeat(texture(48, 64)[..., None], 3, axis=2)
    short = write_video(tmp_path / "short.mp4", [0, 40, 80], picture=lambda _: fine)
    with ThreadPoolExecutor(1) as pool:
        with pytest.raises(SizeError, match=r"small\.mp4: pictures are 64x30"):
            Lane(0, Film(tiny), pool)
        with pytest.raises(DecodeError, match=r"gone\.mp4"):
            Lane(0, Film(tmp_path / "gone.mp4"), pool)
        lane = Lane(0, Film(short, "none", {3: [(0, 0, 9, 9)]}), pool)
        lane.ask(2)
        assert len(lane.take()) == 2
        lane.ask(2)
        with pytest.raises(BoxesError, match=r"short\.mp4: has 3 frames, .* for frame 3"):
            lane.take()
