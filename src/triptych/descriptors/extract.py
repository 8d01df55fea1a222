"""The trajectories of a video file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from triptych.descriptors.camera import Keypoints
from triptych.descriptors.frames import grey_frames
from triptych.descriptors.people import Boxes
from triptych.descriptors.pyramid import Floats
from triptych.descriptors.trajectories import Trajectories
from triptych.errors import UserError


def trajectories(
    path: Path, *, keypoints: Keypoints = "sift", people: Boxes | None = None
) -> Iterator[Floats]:
    """The trajectories that end in each frame of a video, (n, 436) by frame.

    See ``Trajectories.take`` for the columns. Raises DecodeError where no frame decodes and
    UserError where the pictures are too small, or ``people`` has boxes in frames that the video
    has not.
    """
    tracker: Trajectories | None = None
    for number, grey in enumerate(grey_frames(path)):
        if tracker is None:
            try:
                tracker = Trajectories(grey.shape[0], grey.shape[1], keypoints)
            except UserError as error:
                raise UserError(f"{path}: {error}") from None
        yield tracker.take(grey, (people or {}).get(number, ()))
    beyond = [frame for frame in people or {} if tracker and frame >= tracker.frames]
    if tracker and beyond:
        raise UserError(
            f"{path}: has {tracker.frames} frames, and there are boxes for frame {min(beyond)}; "
            "are they of another video, or counted from 1?"
        )
