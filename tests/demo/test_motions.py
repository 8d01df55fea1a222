import numpy as np
import pytest

from triptych.demo.kitchen import MOTIONS, Gesture
from triptych.demo.motions import effort, path

TIMES = np.arange(0, 4, 0.01)


def gesture(motion: str) -> Gesture:
    return Gesture(motion, rate=1.0, reach=0.3, phase=0.2, sense=1)


def spans(motion: str) -> dict[str, float]:
    at = path(gesture(motion), TIMES)
    return {name: float(np.ptp(getattr(at, name))) for name in ("x", "y", "angle", "size")}


def test_each_motion_moves_what_is_its_own() -> None:
    moved = {motion: {k for k, v in spans(motion).items() if v > 0.01} for motion in MOTIONS}
    assert moved == {
        "circle": {"x", "y"},
        "chop": {"y"},
        "sweep": {"x"},
        "turn": {"angle"},
        "press": {"size"},
    }


def test_reach_is_reached() -> None:
    assert spans("sweep")["x"] == pytest.approx(0.6, abs=0.01)
    assert spans("chop")["y"] == pytest.approx(0.3, abs=0.01)
    assert spans("turn")["angle"] == pytest.approx(0.6, abs=0.01)
    assert spans("press")["size"] == pytest.approx(0.6, abs=0.01)


def test_a_circle_keeps_its_distance_from_its_middle() -> None:
    at = path(gesture("circle"), TIMES)
    assert np.ptp(np.hypot(at.x, at.y / 0.8)) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("motion", MOTIONS)
def test_effort_stays_between_none_and_all_and_repeats_once_a_cycle_or_more(motion: str) -> None:
    work = effort(gesture(motion), TIMES)
    assert work.min() >= 0
    assert work.max() <= 1
    assert np.ptp(work) > 0.5


def test_a_chop_is_loudest_when_the_tool_is_lowest() -> None:
    low = path(gesture("chop"), TIMES).y
    loud = effort(gesture("chop"), TIMES)
    onsets = np.flatnonzero(np.diff(loud) > 0.5) + 1
    assert len(onsets) == 4
    assert np.all(low[onsets] > low.max() - 0.05)
