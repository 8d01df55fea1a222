"""Where people are in the frames of a video, found by a detector in some of its frames."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

from triptych.descriptors.detectors.hog import Hog
from triptych.descriptors.frames import Picture, colour_frames
from triptych.descriptors.people import Box
from triptych.errors import UsageError

EVERY = 5
# Of Hog it is the margin of a support vector machine, else a probability.
CONFIDENCE_OF_HOG, CONFIDENCE = 0.3, 0.5


class Detector(Protocol):
    """Finds people in one picture."""

    def find(self, picture: Picture) -> list[Box]:
        """Boxes of people in ``picture``, uint8 RGB (h, w, 3): whole left, top, right, bottom."""


@dataclass(frozen=True)
class Finding:
    """What finds people, from which confidence on, and in which frames."""

    detector: str  # "hog", or the folder of a network
    every: int
    confidence: float
    weights: str  # digest of a network's files; empty for "hog"

    @property
    def facts(self) -> dict[str, Any]:
        """What decides the boxes, for the files that are made with them."""
        facts = {"every": self.every, "confidence": self.confidence}
        if not self.weights:
            return {"detector": self.detector, **facts}
        return {"detector": Path(self.detector).name, "weights": self.weights, **facts}

    def open(self) -> Detector:
        """The detector; it is kept, for the next video. UserError where it cannot be had."""
        return _opened(self)


def finding(detector: str, every: int | None = None, confidence: float | None = None) -> Finding:
    """How ``detector``, ``hog`` or the folder of a network, looks for people.

    Raises UsageError where it is neither or a number is out of its range, UserError where the
    detector cannot be had.
    """
    every = EVERY if every is None else every
    if every < 1:
        raise UsageError(f"--every {every}: must be 1 or more; 1 looks at every frame")
    hog = detector == "hog"
    if not hog and not Path(detector).is_dir():
        raise UsageError(f"people by {detector!r}: must be hog, or the folder of a network")
    if confidence is None:
        confidence = CONFIDENCE_OF_HOG if hog else CONFIDENCE
    if not 0 <= confidence < (math.inf if hog else 1):
        raise UsageError(f"--confidence {confidence}: must be 0 or more, for a network below 1")
    weights = ""
    if not hog:
        from triptych.descriptors.detectors.network import digest

        weights = digest(Path(detector))
    asked = Finding(detector, every, confidence, weights)
    asked.open()
    return asked


def finding_unless(
    boxes: Path | None, detector: str | None, every: int | None, confidence: float | None
) -> Finding | None:
    """The same where ``boxes`` may be given instead, or neither, which is None.

    Raises UsageError too where both are given, or a number without a detector.
    """
    if detector and boxes:
        raise UsageError("--boxes gives boxes of people and --people finds them; leave one out")
    if detector:
        return finding(detector, every, confidence)
    for name, value in (("every", every), ("confidence", confidence)):
        if value is not None:
            raise UsageError(f"--{name}: how --people looks; give that too, or leave this out")
    return None


def found(path: Path, how: Finding) -> Iterator[list[Box]]:
    """The boxes of people in each frame of a video, in their order.

    Frames between two that are looked at have the boxes of both: whoever moves from one place to
    another is in one of them or near. Those after the last have its boxes. Raises DecodeError as
    ``colour_frames`` does.
    """
    detector = how.open()
    before: list[Box] = []
    between = 0
    for picture in colour_frames(path, how.every):
        if picture is None:
            between += 1
            continue
        now = detector.find(picture)
        yield from [before + [box for box in now if box not in before]] * between
        yield now
        before, between = now, 0
    yield from [before] * between


@lru_cache(maxsize=1)
def _opened(how: Finding) -> Detector:
    if how.weights:
        # Here, since it brings torch, which trajectories do without.
        from triptych.descriptors.detectors.network import Network

        return Network(Path(how.detector), how.confidence)
    return Hog(how.confidence)
