"""The knobs of the demo collection: how much of it, and how hard."""

from __future__ import annotations

from dataclasses import dataclass, fields

from triptych.errors import UsageError

RANGES = {
    "videos": (2, 100_000),
    "steps": (1, 64),
    "step_seconds": (1.5, 60.0),
    "width": (64, 1920),
    "height": (48, 1080),
    "frame_rate": (8.0, 60.0),
    "sample_rate": (8_000, 48_000),
    "videos_per_scene": (1, 100_000),
    "scene_bias": (0.0, 1.0),
    "motion_only": (0.0, 1.0),
    "narration_offset": (0.0, 30.0),
    "narration_missing": (0.0, 1.0),
    "transcription_noise": (0.0, 1.0),
    "distractor_sounds": (0.0, 1.0),
    "test_share": (0.05, 0.95),
    "seed": (0, 2**63 - 1),
}


@dataclass(frozen=True)
class Knobs:
    """What the demo collection is like. A value out of its range is a UsageError.

    videos: number of videos, 2 to 100 000.
    steps: steps in each video, 1 to 64; a task has eight, a longer video goes round again.
    step_seconds: mean length of a step, seconds, 1.5 to 60; steps vary by a fifth either way.
    width, height: of the frame, pixels, even, from 64x48 to 1920x1080.
    frame_rate: frames per second, 8 to 60.
    sample_rate: of the sound, Hz, 8 000 to 48 000.
    videos_per_scene: how many videos share a kitchen, 1 or more.
    scene_bias: share of videos filmed in a kitchen whose colours belong to their task, 0 to 1;
        at 0 the background says nothing of the task, at 1 it tells it.
    motion_only: share of steps whose action only tool and motion together tell, 0 to 1; in the
        others the handle has a colour of the action's own, so that one still frame tells it.
    narration_offset: standard deviation, seconds, of the time from a step to its caption, 0 to 30.
    narration_missing: share of steps of which nothing is said (chit-chat or silence), 0 to 1.
    transcription_noise: share of words garbled, swapped for another or lost, 0 to 1.
    distractor_sounds: share of steps in which something else can be heard too, 0 to 1.
    test_share: share of videos kept for testing, filmed in kitchens of their own, 0.05 to 0.95.
    seed: everything is drawn from it, 0 or more.
    """

    videos: int = 120
    steps: int = 7
    step_seconds: float = 3.0
    width: int = 128
    height: int = 96
    frame_rate: float = 12.0
    sample_rate: int = 16_000
    videos_per_scene: int = 2
    scene_bias: float = 0.3
    motion_only: float = 1.0
    narration_offset: float = 0.2
    narration_missing: float = 0.05
    transcription_noise: float = 0.05
    distractor_sounds: float = 0.25
    test_share: float = 0.3
    seed: int = 0

    def __post_init__(self) -> None:
        for field in fields(self):
            _check(field.name, getattr(self, field.name), whole=field.type == "int")
        for name in ("width", "height"):
            if getattr(self, name) % 2:
                raise UsageError(
                    f"demo: {name} is {getattr(self, name)}: H.264 halves the colours; "
                    "choose an even number"
                )


def _check(name: str, value: object, *, whole: bool) -> None:
    low, high = RANGES[name]
    numeric = isinstance(value, int | float) and not isinstance(value, bool)
    if not numeric or (whole and not isinstance(value, int)):
        kind = "whole number" if whole else "number"
        raise UsageError(
            f"demo: {name} is {value!r}, not a {kind}; choose one from {low} to {high}"
        )
    if not low <= value <= high:  # type: ignore[operator]
        raise UsageError(f"demo: {name} is {value}: out of range; choose from {low} to {high}")
