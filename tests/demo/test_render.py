from dataclasses import replace

import numpy as np

from triptych.demo.kitchen import plan_collection
from triptych.demo.knobs import Knobs
from triptych.demo.render import frames

KNOBS = Knobs(videos=4, steps=3, step_seconds=1.5)
PLANS = plan_collection(KNOBS)


def test_frames_are_as_many_and_as_large_as_asked() -> None:
    knobs = Knobs(videos=2, steps=1, step_seconds=1.5, width=96, height=64, frame_rate=10.0)
    plan = plan_collection(knobs)[0]
    made = list(frames(plan, knobs))
    assert len(made) == round(plan.seconds * 10)
    assert {frame.shape for frame in made} == {(64, 96, 3)}
    assert {frame.dtype for frame in made} == {np.dtype(np.uint8)}


def test_the_same_plan_gives_the_same_pictures_and_each_video_its_own() -> None:
    first, again, other = (
        np.stack(list(frames(plan, KNOBS))[:20]) for plan in (PLANS[0], PLANS[0], PLANS[1])
    )
    assert np.array_equal(first, again)
    assert np.abs(first.astype(int) - other).mean() > 10


def test_videos_of_one_task_in_one_kitchen_are_still_distinct() -> None:
    twin = replace(PLANS[0], seed=PLANS[0].seed + 1)
    here, there = (list(frames(plan, KNOBS))[30].astype(int) for plan in (PLANS[0], twin))
    assert np.abs(here - there).mean() > 10


def coarse(frame: np.ndarray) -> np.ndarray:
    """Without the sensor's noise: means over blocks of 8 by 8 pixels."""
    return frame.reshape(12, 8, 16, 8, 3).mean((1, 3))


def test_the_tool_is_there_during_the_step_and_moves() -> None:
    shaken, appeared, moved = [], [], []
    for plan in PLANS:
        made = np.stack([coarse(frame) for frame in frames(plan, KNOBS)])
        changes = np.abs(np.diff(made, axis=0)).mean((1, 2, 3))
        first = int(np.ceil(plan.steps[0].start * KNOBS.frame_rate))
        shaken.append(changes[: first - 1].mean())
        appeared.append(changes[first - 1])
        moved.append(changes[first : first + 12].mean())
    assert np.mean(appeared) > 4 * np.mean(shaken)
    assert np.mean(moved) > 2 * np.mean(shaken)
