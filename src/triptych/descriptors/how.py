"""How the trajectories of videos are made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from triptych.descriptors.batched.device import Device
from triptych.descriptors.choices import Keypoints
from triptych.descriptors.finding import Finding


@dataclass(frozen=True)
class How:
    """What decides the rows of a video beside the video and the boxes that are given with it."""

    keypoints: Keypoints = "sift"  # that say how the camera moves, see camera.Detector
    fast: bool = False  # optical flow from half size up, see trajectories.Trajectories
    people: Finding | None = None  # how they are found, where there are no boxes
    device: Device | None = None  # on which torch makes them; None: the compiled program does

    @property
    def facts(self) -> dict[str, Any]:
        """What the files that are made so say of it: all but the device, which changes digits."""
        facts: dict[str, Any] = {"keypoints": self.keypoints, "fast": self.fast}
        return {**facts, "people": self.people.facts} if self.people else facts
