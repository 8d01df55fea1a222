"""Videos read side by side, and what of each frame OpenCV finds on a CPU.

Keypoints, corners and RANSAC are small and go step by step, and OpenCV leaves the interpreter free
while it works: threads do them, for the next frames while the device works on these.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt

from triptych.descriptors.camera import (
    Detector,
    Homography,
    Points,
    corner_places,
    homography,
    match,
)
from triptych.descriptors.choices import Keypoints
from triptych.descriptors.frames import grey_frames
from triptych.descriptors.people import Boxes, check_boxes
from triptych.descriptors.pyramid import Floats, Grey, Pyramid, SizeError
from triptych.descriptors.trajectories import free_of


@dataclass(frozen=True)
class Film:
    """A video file, and how it is to be described."""

    path: Path
    keypoints: Keypoints = "sift"
    people: Boxes = field(default_factory=dict)


@dataclass(frozen=True)
class Sight:
    """A frame, and what tells how the camera moved since the one before."""

    levels: list[Grey]
    corners: Floats  # of the frame before, (m, 2)
    pixels: npt.NDArray[np.int64]  # nearest to them
    matched: tuple[Floats, Floats]  # keypoints before and now, (k, 2) each

    def camera(self, ends: Floats) -> Homography:
        """From the frame before to this; ``ends`` (m, 2) is where flow carries the corners."""
        before, now = self.matched
        return homography(np.concatenate([self.corners, before]), np.concatenate([ends, now]))


class Lane:
    """One film, read a few frames ahead in a thread of ``pool``.

    Opening it and the first picture raise as ``extract.trajectories`` does.
    """

    def __init__(self, number: int, film: Film, pool: Executor) -> None:
        self.number = number
        self.film = film
        self.taken = 0  # frames
        self._pool = pool
        self._frames: Iterator[Grey] = grey_frames(film.path)
        self._detector = Detector(film.keypoints)
        self._read = 0
        self._before: tuple[Grey, Points] | None = None
        first = next(self._frames)  # raises rather than give none
        try:
            self.pyramid = Pyramid(*first.shape)
        except SizeError as error:
            raise SizeError(f"{film.path}: {error}") from None
        self.last = self._sight(first)  # of the frames that were taken
        self._next: Future[list[Sight]] | None = None

    def ask(self, frames: int) -> None:
        """Begin to read so many more frames."""
        self._next = self._pool.submit(self._ahead, frames)

    def take(self) -> list[Sight]:
        """The frames that were asked for; fewer, or none, where the film ends.

        Raises what reading them raised.
        """
        assert self._next is not None
        found = self._next.result()
        self.taken += len(found)
        return found

    def _ahead(self, frames: int) -> list[Sight]:
        found = [self._sight(grey) for grey in islice(self._frames, frames)]
        if len(found) < frames:
            check_boxes(self.film.path, self.film.people, self._read)
        return found

    def _sight(self, grey: Grey) -> Sight:
        people: Sequence[tuple[float, float, float, float]] = self.film.people.get(self._read, ())
        free = free_of(grey.shape, people) if people else None
        found = self._detector.find(grey, free)
        none = np.empty((0, 2), np.float32)
        places, pixels, matched = none, np.empty((0, 2), np.int64), (none, none)
        if self._before is not None:
            before, points = self._before
            places, pixels = corner_places(before, free)
            matched = match(points, found)
        self._before = grey, found
        self._read += 1
        return Sight(self.pyramid.greys(grey), places, pixels, matched)
