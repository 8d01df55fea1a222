"""Improved dense trajectories of one video, frame by frame.

Wang and Schmid, Action Recognition with Improved Trajectories, ICCV 2013.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from triptych.descriptors.camera import (
    NONE,
    Detector,
    corners,
    homography,
    match,
    steady,
)
from triptych.descriptors.choices import Keypoints
from triptych.descriptors.people import Box
from triptych.descriptors.pyramid import Floats, Grey, Pyramid, flows
from triptych.descriptors.tracks import COLUMNS, LENGTH, Tracks

SKIPPED = 2  # scales whose flow is not reckoned in the fast mode


class Trajectories:
    """Takes a video's grey frames in their order, and gives the trajectories that end in each.

    ``fast`` reckons the optical flow from half the picture's size up, and magnifies it for the two
    finer scales: most of the pixels are there. Points then go other ways by some hundredths of a
    pixel, begin in other frames, and are no longer those of the original.
    """

    def __init__(
        self, height: int, width: int, keypoints: Keypoints = "sift", fast: bool = False
    ) -> None:
        self.pyramid = Pyramid(height, width)
        self._first = min(SKIPPED, len(self.pyramid.scales) - 1) if fast else 0
        self.frames = 0
        self._detector = Detector(keypoints)
        self._tracks = [Tracks(*size) for size in self.pyramid.sizes]
        self._levels: list[Grey] = []  # of the frame before, as are the next two
        self._models: list[Floats] = []
        self._found = NONE

    def take(self, grey: Grey, people: Sequence[Box] = ()) -> Floats:
        """The trajectories that end in the frame ``grey`` (h, w), (n, 436) and by scale.

        ``people`` are boxes in it (left, top, right, bottom) whose motion is not the camera's.
        Columns are the original's; the tenth is the number of frames from the start of the video to
        the middle of the trajectory.
        """
        free = free_of(grey.shape, people) if people else None
        levels = self.pyramid.greys(grey)
        models = self.pyramid.models(grey, self._first)
        found = self._detector.find(grey, free)
        ended = []
        if self.frames:
            raw = self.pyramid.completed(flows(self._models, models))
            pairs = corners(self._levels[0], raw[0], free), match(self._found, found)
            camera = homography(*(np.concatenate(side) for side in zip(*pairs, strict=True)))
            still = steady(self._levels[0], grey, camera)
            still_models = self.pyramid.models(still, self._first)
            warped = self.pyramid.completed(flows(self._models, still_models))
            for level, tracks in enumerate(self._tracks):
                tracks.follow(self._levels[level], raw[level], warped[level])
                ended.append(tracks.finished(self.pyramid.scales[level]))
        for tracks, level_grey in zip(self._tracks, levels, strict=True):
            tracks.sample(level_grey)
        self._levels, self._models, self._found = levels, models, found
        rows = np.concatenate(ended) if ended else np.empty((0, COLUMNS), np.float32)
        place(rows, self.frames, self.pyramid)
        self.frames += 1
        return rows


def place(rows: Floats, frame: int, pyramid: Pyramid) -> None:
    """Fill the columns of ``rows`` (n, 436) that say when in a video, and where in its pictures."""
    rows[:, 0] = frame
    rows[:, 7] = np.clip(rows[:, 1] / pyramid.width, 0, 0.999)
    rows[:, 8] = np.clip(rows[:, 2] / pyramid.height, 0, 0.999)
    rows[:, 9] = frame - LENGTH / 2


def free_of(shape: tuple[int, ...], people: Sequence[Box]) -> Grey:
    """1 where no person is, 0 inside the boxes, cut at the picture's border."""
    free = np.ones(shape, np.uint8)
    for left, top, right, bottom in people:
        rows = slice(max(int(np.ceil(top)), 0), max(int(np.floor(bottom)) + 1, 0))
        columns = slice(max(int(np.ceil(left)), 0), max(int(np.floor(right)) + 1, 0))
        free[rows, columns] = 0
    return free
