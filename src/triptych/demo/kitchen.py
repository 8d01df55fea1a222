"""What happens in the demo collection: tools, motions, actions, tasks, and the plan of each video.

An action is a tool in a motion. Every tool is used in three or four motions and every motion with
four tools, so neither a still picture nor the motion alone tells the action.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from triptych.demo.knobs import Knobs
from triptych.seeds import derive

TOOLS = ("spoon", "whisk", "knife", "spatula", "brush", "fork")
MOTIONS = ("circle", "chop", "sweep", "turn", "press")
DISTRACTORS = ("timer", "tap", "clatter", "radio")
SPLITS = ("train", "test")

# Of each motion: cycles per second and reach as a share of the frame's height (radians for
# "turn", a share of the tool's size for "press"), each a range to draw from.
RATES = {
    "circle": (1.0, 1.3),
    "chop": (1.8, 2.3),
    "sweep": (1.2, 1.6),
    "turn": (1.4, 1.8),
    "press": (0.6, 0.8),
}
REACHES = {
    "circle": (0.20, 0.25),
    "chop": (0.32, 0.42),
    "sweep": (0.26, 0.36),
    "turn": (0.80, 1.05),
    "press": (0.10, 0.16),
}


@dataclass(frozen=True)
class Action:
    """A tool in a motion; the name is also the words by which one would search for it."""

    name: str
    tool: str
    motion: str


ACTIONS = (
    Action("stir the pot", "spoon", "circle"),
    Action("smooth the batter", "spoon", "sweep"),
    Action("scoop the rice", "spoon", "turn"),
    Action("squash the berries", "spoon", "press"),
    Action("beat the eggs", "whisk", "circle"),
    Action("froth the milk", "whisk", "chop"),
    Action("whip the cream", "whisk", "turn"),
    Action("chop the carrots", "knife", "chop"),
    Action("slice the bread", "knife", "sweep"),
    Action("crush the garlic", "knife", "press"),
    Action("spread the icing", "spatula", "sweep"),
    Action("flip the pancake", "spatula", "turn"),
    Action("press the burger", "spatula", "press"),
    Action("grease the tin", "brush", "circle"),
    Action("dab the butter", "brush", "chop"),
    Action("glaze the pastry", "brush", "sweep"),
    Action("toss the salad", "fork", "circle"),
    Action("prick the dough", "fork", "chop"),
    Action("wind the spaghetti", "fork", "turn"),
    Action("crimp the pie", "fork", "press"),
)
BY_NAME = {action.name: action for action in ACTIONS}

# Eight tasks of eight steps; each action belongs to three or four of them.
TASKS: dict[str, tuple[str, ...]] = {
    "carrot soup": (
        "chop the carrots",
        "crush the garlic",
        "stir the pot",
        "froth the milk",
        "scoop the rice",
        "slice the bread",
        "dab the butter",
        "toss the salad",
    ),
    "pot pie": (
        "chop the carrots",
        "crush the garlic",
        "stir the pot",
        "grease the tin",
        "prick the dough",
        "crimp the pie",
        "beat the eggs",
        "glaze the pastry",
    ),
    "spaghetti and meatballs": (
        "crush the garlic",
        "press the burger",
        "chop the carrots",
        "stir the pot",
        "wind the spaghetti",
        "toss the salad",
        "slice the bread",
        "froth the milk",
    ),
    "pancakes": (
        "beat the eggs",
        "smooth the batter",
        "grease the tin",
        "flip the pancake",
        "dab the butter",
        "squash the berries",
        "whip the cream",
        "spread the icing",
    ),
    "berry cake": (
        "beat the eggs",
        "froth the milk",
        "grease the tin",
        "smooth the batter",
        "squash the berries",
        "whip the cream",
        "spread the icing",
        "glaze the pastry",
    ),
    "burgers": (
        "press the burger",
        "smooth the batter",
        "flip the pancake",
        "slice the bread",
        "dab the butter",
        "toss the salad",
        "scoop the rice",
        "wind the spaghetti",
    ),
    "fruit tarts": (
        "prick the dough",
        "crimp the pie",
        "dab the butter",
        "glaze the pastry",
        "squash the berries",
        "flip the pancake",
        "whip the cream",
        "spread the icing",
    ),
    "dumplings and rice": (
        "crush the garlic",
        "prick the dough",
        "press the burger",
        "crimp the pie",
        "stir the pot",
        "scoop the rice",
        "wind the spaghetti",
        "toss the salad",
    ),
}


@dataclass(frozen=True)
class Gesture:
    """How a motion is made this time: cycles per second, reach, phase in cycles, sense of turn."""

    motion: str
    rate: float
    reach: float
    phase: float
    sense: int


@dataclass(frozen=True)
class Step:
    """A step of a video, from ``start`` to ``end`` seconds."""

    number: int
    start: float
    end: float
    action: Action
    gesture: Gesture
    marked: bool  # the handle has the action's own colour
    narrated: bool
    distractor: str  # one of DISTRACTORS, or ""


@dataclass(frozen=True)
class Scene:
    """A kitchen. ``palette`` is the place in TASKS of the task whose colours it wears."""

    name: str
    palette: int
    seed: int


@dataclass(frozen=True)
class Plan:
    """Everything that happens in one video, before a pixel, a sample or a word is made."""

    name: str
    task: str
    split: str
    scene: Scene
    steps: tuple[Step, ...]
    seconds: float
    seed: int


def plan_collection(knobs: Knobs) -> list[Plan]:
    """The plans of all videos, in the order of their names; the same for the same knobs."""
    tests = min(max(1, round(knobs.videos * knobs.test_share)), knobs.videos - 1)
    slots = [
        (split, number)
        for split, count in zip(SPLITS, (knobs.videos - tests, tests), strict=True)
        for number in range(count)
    ]
    order = np.random.default_rng(derive(knobs.seed, "order")).permutation(len(slots))
    digits = max(3, len(str(knobs.videos - 1)))
    return [
        _plan(knobs, f"video-{place:0{digits}d}", place, *slots[slot])
        for place, slot in enumerate(order)
    ]


def _plan(knobs: Knobs, name: str, place: int, split: str, number: int) -> Plan:
    seed = derive(knobs.seed, "video", place)
    draw = np.random.default_rng(derive(seed, "plan"))
    tasks = list(TASKS)
    task = tasks[number % len(tasks)]
    scene = _scene(knobs, split, number, task, draw)
    steps: list[Step] = []
    clock = float(draw.uniform(0.9, 1.3))
    for place_in_task, action in enumerate(_actions(task, knobs.steps, draw)):
        step = _step(knobs, place_in_task, clock, BY_NAME[action], draw)
        steps.append(step)
        clock = step.end + float(draw.uniform(0.15, 0.4))
    return Plan(name, task, split, scene, tuple(steps), round(clock + 0.2, 2), seed)


def _scene(knobs: Knobs, split: str, number: int, task: str, draw: np.random.Generator) -> Scene:
    tasks = list(TASKS)
    own = bool(draw.random() < knobs.scene_bias)
    palette = tasks.index(task) if own else int(draw.integers(len(tasks)))
    room = number // (len(tasks) * knobs.videos_per_scene)
    name = f"{split}-{palette}-{room}"
    return Scene(name, palette, derive(knobs.seed, "scene", name))


def _actions(task: str, count: int, draw: np.random.Generator) -> list[str]:
    """``count`` of the task's steps in order, now and then two neighbours the other way round."""
    steps = TASKS[task]
    rounds, rest = divmod(count, len(steps))
    kept = sorted(draw.choice(len(steps), rest, replace=False))
    chosen = list(steps) * rounds + [steps[at] for at in kept]
    if len(chosen) > 1 and draw.random() < 0.3:
        at = int(draw.integers(len(chosen) - 1))
        chosen[at], chosen[at + 1] = chosen[at + 1], chosen[at]
    return chosen


def _step(
    knobs: Knobs, number: int, start: float, action: Action, draw: np.random.Generator
) -> Step:
    length = knobs.step_seconds * float(draw.uniform(0.8, 1.2))
    gesture = Gesture(
        action.motion,
        rate=float(draw.uniform(*RATES[action.motion])),
        reach=float(draw.uniform(*REACHES[action.motion])),
        phase=float(draw.random()),
        sense=int(draw.choice((-1, 1))),
    )
    return Step(
        number=number,
        start=round(start, 2),
        end=round(start + length, 2),
        action=action,
        gesture=gesture,
        marked=bool(draw.random() >= knobs.motion_only),
        narrated=bool(draw.random() >= knobs.narration_missing),
        distractor=_distractor(knobs, draw),
    )


def _distractor(knobs: Knobs, draw: np.random.Generator) -> str:
    which = DISTRACTORS[int(draw.integers(len(DISTRACTORS)))]
    return which if draw.random() < knobs.distractor_sounds else ""
