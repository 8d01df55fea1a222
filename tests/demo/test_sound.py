from dataclasses import replace

import numpy as np
import pytest

from triptych.demo import sound
from triptych.demo.kitchen import ACTIONS, DISTRACTORS, Plan, plan_collection
from triptych.demo.knobs import Knobs

KNOBS = Knobs(videos=4, steps=2, step_seconds=2.0, distractor_sounds=0.0)
PLAN = plan_collection(KNOBS)[0]


def with_action(plan: Plan, action: str, **changes: object) -> Plan:
    chosen = next(a for a in ACTIONS if a.name == action)
    step = plan.steps[0]
    gesture = replace(step.gesture, motion=chosen.motion, rate=2.0)
    first = replace(step, action=chosen, gesture=gesture, **changes)
    return replace(plan, steps=(first, *plan.steps[1:]))


def heard(plan: Plan) -> np.ndarray:
    step = plan.steps[0]
    span = slice(round(step.start * 16_000), round(step.end * 16_000))
    return sound.soundtrack(plan, KNOBS)[span]


def centre(samples: np.ndarray) -> float:
    power = np.abs(np.fft.rfft(samples)) ** 2
    return float((power * np.fft.rfftfreq(len(samples), 1 / 16_000)).sum() / power.sum())


def test_the_soundtrack_is_as_long_as_the_pictures_and_stays_in_range() -> None:
    samples = sound.soundtrack(PLAN, KNOBS)
    assert samples.dtype == np.float32
    assert samples.shape == (round(PLAN.seconds * 16_000),)
    assert 0.02 < np.abs(samples).max() < 1


def test_the_same_plan_sounds_the_same_and_each_video_its_own() -> None:
    again = sound.soundtrack(PLAN, KNOBS)
    assert np.array_equal(sound.soundtrack(PLAN, KNOBS), again)
    other = sound.soundtrack(replace(PLAN, seed=1), KNOBS)
    assert abs(np.corrcoef(other, again)[0, 1]) < 0.1


def test_tools_ring_in_their_own_places() -> None:
    quiet = {"narrated": False}
    dull = centre(heard(with_action(PLAN, "spread the icing", **quiet)))
    wooden = centre(heard(with_action(PLAN, "smooth the batter", **quiet)))
    steely = centre(heard(with_action(PLAN, "slice the bread", **quiet)))
    assert dull < wooden < steely


def test_chopping_knocks_and_stirring_goes_on() -> None:
    def crest(action: str) -> float:
        samples = heard(with_action(PLAN, action, narrated=False))
        return float(np.abs(samples).max() / np.sqrt(np.mean(samples**2)))

    assert crest("prick the dough") > 1.5 * crest("toss the salad")


@pytest.mark.parametrize("distractor", DISTRACTORS)
def test_a_distractor_is_heard_in_its_step_only(distractor: str) -> None:
    step = replace(PLAN.steps[0], distractor=distractor)
    louder = replace(PLAN, steps=(step, *PLAN.steps[1:]))
    change = np.abs(sound.soundtrack(louder, KNOBS) - sound.soundtrack(PLAN, KNOBS))
    start, end = round(step.start * 16_000), round(step.end * 16_000)
    assert change[:start].max() == 0
    assert change[start:end].mean() > 0.005


def test_every_action_sounds_its_own_way() -> None:
    step = PLAN.steps[0]
    assert len({sound.name(replace(step, action=action)) for action in ACTIONS}) == len(ACTIONS)
