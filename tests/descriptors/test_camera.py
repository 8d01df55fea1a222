import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.descriptors.scenes import texture
from triptych.descriptors.camera import (
    MARGIN,
    Detector,
    Keypoints,
    Points,
    corners,
    homography,
    match,
    steady,
)
from triptych.descriptors.pyramid import Pyramid, flows

TURN = np.array([[0.998, -0.02, 3.0], [0.02, 1.003, -2.0], [1e-5, -2e-5, 1.0]])


def seen(wide: np.ndarray, camera: np.ndarray) -> np.ndarray:
    """The picture after the camera's motion: what was at p is at camera(p)."""
    size = (wide.shape[1], wide.shape[0])
    return np.asarray(cv2.warpPerspective(wide, camera, size, borderMode=cv2.BORDER_REFLECT))


def carried(camera: np.ndarray, points: np.ndarray) -> np.ndarray:
    whole = np.c_[points, np.ones(len(points))] @ camera.T
    return np.asarray(whole[:, :2] / whole[:, 2:])


def ends(height: int, width: int) -> np.ndarray:
    return np.array([[0, 0], [width, 0], [0, height], [width, height]], np.float64)


@pytest.mark.parametrize(
    ("kind", "size"), [("none", (120, 160)), ("sift", (120, 160)), ("sift", (300, 400))]
)
def test_a_camera_s_motion_is_found(kind: Keypoints, size: tuple[int, int]) -> None:
    first = texture(*size)
    second = seen(first, TURN)
    pyramid, detector = Pyramid(*size), Detector(kind)
    raw = flows(pyramid.models(first), pyramid.models(second))
    pairs = (
        corners(first, raw[0], None),
        match(detector.find(first, None), detector.find(second, None)),
    )
    assert len(pairs[0][0]) > 200
    assert (len(pairs[1][0]) > 100) == (kind == "sift")
    found = homography(*(np.concatenate(side) for side in zip(*pairs, strict=True)))
    off = carried(found, ends(*size)) - carried(TURN, ends(*size))
    assert np.abs(off).max() < 0.5


def test_keypoints_of_a_shrunk_picture_are_in_the_place_of_the_whole_one_s() -> None:
    picture = cv2.resize(texture(150, 200), (400, 300), interpolation=cv2.INTER_CUBIC)
    whole = Detector("sift-full").find(picture, None)
    small = Detector("sift").find(picture, None)
    assert 50 < len(small.places) < len(whole.places)
    away = np.linalg.norm(small.places[:, None] - whole.places[None], axis=2).min(axis=1)
    assert (
        np.median(away) < 0.4
    )  # OpenCV's SIFT is off by a quarter of a pixel each way, of its own


@pytest.mark.parametrize(("size", "factor"), [((120, 160), 2), ((480, 640), 2), ((481, 641), 3)])
def test_what_is_looked_at_is_half_or_less(size: tuple[int, int], factor: int) -> None:
    picture = texture(*size)
    small = cv2.resize(
        picture, (size[1] // factor, size[0] // factor), interpolation=cv2.INTER_AREA
    )
    wanted = Detector("sift-full").find(np.asarray(small, np.uint8), None)
    found = Detector("sift").find(picture, None)
    across = np.array(size[::-1]) / np.array(small.shape[::-1])
    np.testing.assert_allclose(found.places, (wanted.places + 0.5) * across - 0.5, atol=1e-3)
    np.testing.assert_array_equal(found.descriptors, wanted.descriptors)


@pytest.mark.parametrize("kind", ["sift", "sift-full"])
def test_nothing_is_found_where_people_are(kind: Keypoints) -> None:
    picture = texture(300, 400)
    free = np.ones_like(picture)
    free[100:200, 150:300] = 0
    found = Detector(kind).find(picture, free).places
    places, _ = corners(picture, np.zeros((2, 300, 400), np.float32), free)
    for x, y in np.concatenate([found, places]):
        assert not (152 < x < 297 and 102 < y < 197)
    assert len(found) > 50
    assert len(places) > 200
    nobody = corners(picture, np.zeros((2, 300, 400), np.float32), np.zeros_like(picture))
    assert [len(side) for side in nobody] == [0, 0]


def test_a_picture_without_keypoints() -> None:
    flat = np.full((64, 64), 7, np.uint8)
    found = Detector("sift").find(flat, None)
    assert found.places.shape == (0, 2)
    assert [len(side) for side in match(found, found)] == [0, 0]


def test_the_nearest_descriptor_within_25_pixels_as_a_loop_has_it() -> None:
    random = np.random.default_rng(0)
    before, now = (
        Points(
            random.uniform(0, 100, (count, 2)).astype(np.float32),
            random.normal(size=(count, 128)).astype(np.float32),
        )
        for count in (60, 50)
    )
    wanted = []
    for place, descriptor in zip(now.places, now.descriptors, strict=True):
        near = [
            (float(np.sum((descriptor - other) ** 2)), row)
            for row, other in enumerate(before.descriptors)
            if np.abs(place - before.places[row]).max() < 25
        ]
        if near:
            wanted.append((*before.places[min(near)[1]], *place))
    np.testing.assert_array_equal(np.concatenate(match(before, now), axis=1), wanted)


def test_few_or_scattered_pairs_are_no_camera() -> None:
    random = np.random.default_rng(0)
    points = random.uniform(0, 100, (200, 2)).astype(np.float32)
    ends = carried(TURN, points).astype(np.float32)
    np.testing.assert_allclose(homography(points, ends), TURN, atol=0.01)
    np.testing.assert_array_equal(homography(points[:50], ends[:50]), np.eye(3))
    assert (homography(points[:51], ends[:51]) != np.eye(3)).any()
    scattered = random.uniform(0, 100, (200, 2)).astype(np.float32)
    np.testing.assert_array_equal(homography(points, scattered), np.eye(3))


CAMERAS = st.tuples(
    *(st.floats(low, high) for low, high in [(0.9, 1.1), (-0.1, 0.1), (-20, 20)] * 2),
    *(st.floats(-1e-3, 1e-3),) * 2,
)


@settings(max_examples=25, deadline=None)
@given(numbers=CAMERAS)
def test_a_steady_frame_is_opencv_s_remapping(numbers: tuple[float, ...]) -> None:
    camera = np.array(
        [numbers[0], *numbers[1:3], numbers[4], numbers[3], numbers[5], *numbers[6:], 1]
    )
    camera = camera.reshape(3, 3)
    before, now = texture(60, 80, seed=1), texture(60, 80, seed=2)
    y, x = np.mgrid[0:60, 0:80].astype(np.float64)
    depth = camera[2, 0] * x + camera[2, 1] * y + camera[2, 2]
    from_x = (camera[0, 0] * x + camera[0, 1] * y + camera[0, 2]) / depth
    from_y = (camera[1, 0] * x + camera[1, 1] * y + camera[1, 2]) / depth
    # As the original's remapping rounds them, which cannot be asked for in float maps of today.
    fine_x, fine_y = (np.rint(place * 32).astype(np.int64) for place in (from_x, from_y))
    whole = np.stack([fine_x >> 5, fine_y >> 5], 2).astype(np.int16)
    parts = ((fine_y & 31) * 32 + (fine_x & 31)).astype(np.uint16)
    looked_up = cv2.remap(now, whole, parts, cv2.INTER_LINEAR)
    inside = (from_x > MARGIN) & (from_x < 79 - MARGIN) & (from_y > MARGIN) & (from_y < 59 - MARGIN)
    wanted = np.where(inside, looked_up, before).astype(np.int64)
    found = steady(before, now, camera).astype(np.int64)
    edge = np.minimum.reduce(
        [np.abs(from_x - MARGIN), np.abs(from_x - 79 + MARGIN), np.abs(from_y - MARGIN)]
    )
    clear = np.minimum(edge, np.abs(from_y - 59 + MARGIN)) > 1e-6
    # Places that are half of a 32nd may be rounded to either side.
    assert (np.abs(found - wanted)[clear] <= 1).mean() > 0.999
    assert (found == wanted)[clear & ~inside].all()


def test_a_camera_that_stands_still_changes_nothing_but_the_border() -> None:
    before, now = texture(60, 80, seed=1), texture(60, 80, seed=2)
    out = steady(before, now, np.eye(3))
    inner = slice(6, -6)  # the original leaves five pixels
    np.testing.assert_array_equal(out[inner, inner], now[inner, inner])
    out[inner, inner] = before[inner, inner]
    np.testing.assert_array_equal(out, before)
    np.testing.assert_array_equal(steady(before, now, np.zeros((3, 3))), before)
