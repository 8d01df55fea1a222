"""The trajectories of a video file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2

from triptych.atomic import refuse_unwritable
from triptych.descriptors.batched.device import Device
from triptych.descriptors.batched.lanes import Film
from triptych.descriptors.batched.together import Together
from triptych.descriptors.choices import Format
from triptych.descriptors.finding import Finding, found
from triptych.descriptors.frames import expected_frames, grey_frames
from triptych.descriptors.how import How
from triptych.descriptors.kernels import ready
from triptych.descriptors.people import Boxes, check_boxes, read_boxes, write_boxes
from triptych.descriptors.pyramid import Floats, SizeError
from triptych.descriptors.rows import write_rows
from triptych.descriptors.trajectories import Trajectories
from triptych.errors import UsageError
from triptych.progress import say, track

MOST = 0.95  # of the frames that a header promises; where fewer decode, it is said


def trajectories(path: Path, how: How, people: Boxes | None = None) -> Iterator[Floats]:
    """The trajectories that end in each frame of a video, (n, 436) by frame.

    See ``Trajectories.take`` for the columns. ``people`` are boxes of them; nobody is looked for
    here. Raises DecodeError where no frame decodes, SizeError where the pictures are too small, and
    BoxesError where ``people`` has boxes in frames that the video has not.
    """
    if how.device is not None:
        yield from _batched(Film(path, how.keypoints, people or {}), how.device)
        return
    cv2.setNumThreads(1)  # more bring nothing on pictures of this size, and take others' cores
    tracker: Trajectories | None = None
    for number, grey in enumerate(grey_frames(path)):
        if tracker is None:
            try:
                tracker = Trajectories(grey.shape[0], grey.shape[1], how.keypoints, how.fast)
            except SizeError as error:
                raise SizeError(f"{path}: {error}") from None
        yield tracker.take(grey, (people or {}).get(number, ()))
    check_boxes(path, people or {}, tracker.frames if tracker else 0)


def _batched(film: Film, device: Device) -> Iterator[Floats]:
    for _, event in Together([film], device).events():
        if isinstance(event, Exception):
            raise event
        if event is not None:
            yield event


def extract(
    video: Path, out: Path, how: How, *, format: Format = "parquet", boxes: Path | None = None
) -> tuple[int, int]:
    """Write the trajectories of ``video`` to ``out``, whole or not at all.

    Returns how many there are, and how many frames. ``boxes`` is a file that ``read_boxes`` takes.
    """
    _keep_apart(out, video, boxes)
    expected = expected_frames(video)
    people = None if boxes is None else read_boxes(boxes)
    refuse_unwritable(out)
    if how.people:
        looked_at = track(found(video, how.people), expected, "frames looked at for people")
        people = dict(enumerate(looked_at))
    if how.device is None:
        ready()
    shown = track(trajectories(video, how, people), expected, "frames")
    facts = {"video": video.name, **how.facts, "boxes": boxes is not None}
    rows, frames = write_rows(out, shown, format, facts)
    if frames < MOST * expected:
        say(f"{video}: {frames} of about {expected} frames decode; the others are left out")
    return rows, frames


def find_people(video: Path, out: Path, finding: Finding) -> tuple[int, int]:
    """Write the boxes of people in ``video`` to ``out``, a ``.csv``, whole or not at all.

    Returns how many frames there are, and in how many of them somebody is.
    """
    _keep_apart(out, video)
    expected = expected_frames(video)
    return write_boxes(out, track(found(video, finding), expected, "frames looked at"))


def _keep_apart(out: Path, *read: Path | None) -> None:
    for file in read:
        if file is not None and out.exists() and file.exists() and out.samefile(file):
            raise UsageError(f"{out}: is read, and would be written over; give --out another name")
