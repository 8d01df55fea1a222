"""The camera's motion between two frames, as a homography, and the frame without it.

Wang and Schmid, ICCV 2013, section 3.1: points of the first frame and where they are in the second
come from corners carried by optical flow and from matched keypoints; people, who move for
themselves, are left out where their boxes are known.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from triptych.descriptors.choices import Keypoints
from triptych.descriptors.compiled import compiled
from triptych.descriptors.pyramid import Floats, Grey

Homography = npt.NDArray[np.float64]

CORNERS, CORNER_QUALITY, CORNER_DISTANCE = 1000, 0.001, 3
NEAR = 25.0
PAIRS, INLIERS, ERROR = 50, 25, 1.0
MARGIN = 5
SHORTER_SIDE, LEAST_FACTOR = 240, 2


@dataclass(frozen=True)
class Points:
    """Keypoints of one frame: places (n, 2) x and y, and descriptors (n, 128)."""

    places: Floats
    descriptors: Floats


NONE = Points(np.empty((0, 2), np.float32), np.empty((0, 128), np.float32))


class Detector:
    """Finds keypoints of frames; kind ``none`` finds none.

    The paper's SURF is in no free build of OpenCV; SIFT stands in for it. ``sift-full`` looks at
    the picture itself, ``sift`` at half of it, which SIFT doubles before it begins, or at a smaller
    whole part, until the shorter side has at most 240 pixels: else SIFT takes half as long as
    everything else together, and in large pictures as long, for homographies that differ no more
    than RANSAC's own from one draw to the next.
    """

    def __init__(self, kind: Keypoints) -> None:
        self._finder = None if kind == "none" else cv2.SIFT.create()
        self._shrinks = kind == "sift"

    def find(self, grey: Grey, free: Grey | None) -> Points:
        """The keypoints where ``free`` is not 0."""
        if self._finder is None:
            return NONE
        factor = max(-(-min(grey.shape) // SHORTER_SIDE), LEAST_FACTOR) if self._shrinks else 1
        small = _shrunk(grey, factor, cv2.INTER_AREA)
        mask = None if free is None else _shrunk(free, factor, cv2.INTER_NEAREST)
        found, descriptors = self._finder.detectAndCompute(small, mask)
        if descriptors is None:
            return NONE
        places = np.array([point.pt for point in found], np.float32).reshape(-1, 2)
        across = np.array(grey.shape[::-1]) / np.array(small.shape[::-1])
        places = ((places + 0.5) * across - 0.5).astype(np.float32)
        return Points(places, np.asarray(descriptors, np.float32))


def _shrunk(picture: Grey, factor: int, interpolation: int) -> Grey:
    if factor == 1:
        return picture
    height, width = picture.shape
    size = (width // factor, height // factor)
    return np.asarray(cv2.resize(picture, size, interpolation=interpolation), np.uint8)


def match(before: Points, now: Points) -> tuple[Floats, Floats]:
    """For each keypoint of ``now`` the most similar one of ``before`` within 25 pixels a side.

    Returns both ones' places, (m, 2) each; keypoints with nothing so near are left out.
    """
    nearest = _nearest(before.places, before.descriptors, now.places, now.descriptors)
    return before.places[nearest[nearest >= 0]], now.places[nearest >= 0]


@compiled
def _nearest(
    before: Floats, before_descriptors: Floats, now: Floats, now_descriptors: Floats
) -> npt.NDArray[np.int64]:
    """The row of the best match of each keypoint, or -1, (n,)."""
    found = np.full(len(now), -1, np.int64)
    for one in range(len(now)):
        least = np.float32(np.inf)
        for other in range(len(before)):
            away_x, away_y = now[one, 0] - before[other, 0], now[one, 1] - before[other, 1]
            if abs(away_x) >= NEAR or abs(away_y) >= NEAR:
                continue
            distance = np.float32(0)
            for number in range(now_descriptors.shape[1]):
                off = now_descriptors[one, number] - before_descriptors[other, number]
                distance += off * off
            if distance < least:
                least, found[one] = distance, other
    return found


def corners(before: Grey, flow: Floats, free: Grey | None) -> tuple[Floats, Floats]:
    """Corners of the first frame, and where its optical flow (2, h, w) carries them."""
    places, pixels = corner_places(before, free)
    x, y = pixels.T
    ends = pixels + np.stack([flow[0, y, x], flow[1, y, x]], axis=1)
    return places, ends.astype(np.float32)


def corner_places(before: Grey, free: Grey | None) -> tuple[Floats, npt.NDArray[np.int64]]:
    """Corners of a frame where ``free`` is not 0, and the pixels nearest to them, (n, 2) each."""
    found = cv2.goodFeaturesToTrack(before, CORNERS, CORNER_QUALITY, CORNER_DISTANCE, mask=free)
    if found is None:
        return np.empty((0, 2), np.float32), np.empty((0, 2), np.int64)
    places = np.asarray(found, np.float32).reshape(-1, 2)
    most = np.array(before.shape[::-1]) - 1
    return places, np.rint(places).astype(np.int64).clip(0, most)


def homography(before: Floats, now: Floats) -> Homography:
    """What carries points ``before`` (n, 2) to ``now``, by RANSAC; the identity where few agree."""
    if len(before) > PAIRS:
        found, inliers = cv2.findHomography(before, now, cv2.RANSAC, ERROR)
        if found is not None and int(np.count_nonzero(inliers)) > INLIERS:
            return np.asarray(found, np.float64)
    return np.eye(3)


def steady(before: Grey, now: Grey, camera: Homography) -> Grey:
    """The frame ``now`` as a camera that had not moved would have seen it, by bilinear lookup.

    What comes from outside the frame, or from within 5 pixels of its border, is taken from
    ``before``: nothing moves there.
    """
    out = before.copy()
    _look_up(now, camera, out)
    return out


@compiled
def _look_up(now: Grey, camera: Homography, out: Grey) -> None:
    """Places are rounded to 1/32 pixel, as OpenCV's remapping of 8-bit pictures does."""
    height, width = now.shape
    for y in range(height):
        start_x = camera[0, 1] * y + camera[0, 2]
        start_y = camera[1, 1] * y + camera[1, 2]
        start_depth = camera[2, 1] * y + camera[2, 2]
        for x in range(width):
            depth = start_depth + camera[2, 0] * x
            if depth == 0:
                continue
            from_x = (start_x + camera[0, 0] * x) / depth
            from_y = (start_y + camera[1, 0] * x) / depth
            if not (MARGIN < from_x < width - 1 - MARGIN and MARGIN < from_y < height - 1 - MARGIN):
                continue
            fine_x, fine_y = int(np.rint(from_x * 32)), int(np.rint(from_y * 32))
            left, top, right, down = fine_x >> 5, fine_y >> 5, fine_x & 31, fine_y & 31
            above = now[top, left] * (32 - right) + now[top, left + 1] * right
            below = now[top + 1, left] * (32 - right) + now[top + 1, left + 1] * right
            out[y, x] = np.uint8((above * (32 - down) + below * down + 512) >> 10)
