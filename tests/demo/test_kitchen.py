from collections import Counter, defaultdict

from triptych.demo.kitchen import ACTIONS, BY_NAME, MOTIONS, TASKS, TOOLS, plan_collection
from triptych.demo.knobs import Knobs


def test_neither_tool_nor_motion_alone_tells_the_action() -> None:
    assert len(BY_NAME) == len({(a.tool, a.motion) for a in ACTIONS}) == len(ACTIONS) >= 20
    tools, motions = Counter(a.tool for a in ACTIONS), Counter(a.motion for a in ACTIONS)
    assert set(tools) == set(TOOLS)
    assert set(motions) == set(MOTIONS)
    assert min(tools.values()) >= 3
    assert min(motions.values()) >= 4


def test_tasks_share_their_actions_evenly() -> None:
    used = Counter(action for steps in TASKS.values() for action in steps)
    assert set(used) == set(BY_NAME)
    assert set(used.values()) <= {3, 4}
    assert all(len(set(steps)) == 8 for steps in TASKS.values())


def test_the_same_knobs_give_the_same_plans_and_another_seed_others() -> None:
    assert plan_collection(Knobs(videos=9)) == plan_collection(Knobs(videos=9))
    assert plan_collection(Knobs(videos=9)) != plan_collection(Knobs(videos=9, seed=1))


def test_training_and_test_videos_share_no_scene() -> None:
    scenes = defaultdict(set)
    seeds = defaultdict(set)
    for plan in plan_collection(Knobs(videos=60, test_share=0.4)):
        scenes[plan.split].add(plan.scene.name)
        seeds[plan.split].add(plan.scene.seed)
    assert not scenes["train"] & scenes["test"]
    assert not seeds["train"] & seeds["test"]


def test_the_share_of_test_videos_is_kept_and_never_all_or_none() -> None:
    counts = Counter(plan.split for plan in plan_collection(Knobs(videos=50, test_share=0.3)))
    assert counts == {"train": 35, "test": 15}
    for share in (0.05, 0.95):
        two = plan_collection(Knobs(videos=2, test_share=share))
        assert {plan.split for plan in two} == {"train", "test"}


def test_steps_follow_their_task_without_overlap() -> None:
    for plan in plan_collection(Knobs(videos=16, steps=5)):
        assert len(plan.steps) == 5
        assert {step.action.name for step in plan.steps} <= set(TASKS[plan.task])
        ends = [0.0, *(step.end for step in plan.steps)]
        assert all(
            step.start > end and step.end > step.start
            for step, end in zip(plan.steps, ends, strict=False)
        )
        assert plan.seconds > ends[-1]


def test_a_long_video_goes_round_its_task_again() -> None:
    plan = plan_collection(Knobs(videos=2, steps=20))[0]
    counts = Counter(step.action.name for step in plan.steps)
    assert sum(counts.values()) == 20
    assert min(counts[action] for action in TASKS[plan.task]) == 2


def test_steps_are_as_long_as_asked() -> None:
    lengths = [
        step.end - step.start
        for plan in plan_collection(Knobs(videos=40, step_seconds=4.0))
        for step in plan.steps
    ]
    assert abs(sum(lengths) / len(lengths) - 4.0) < 0.1
    assert min(lengths) >= 3.19
    assert max(lengths) <= 4.81


def test_scene_bias_decides_how_far_the_kitchen_tells_the_task() -> None:
    def told(bias: float) -> float:
        plans = plan_collection(Knobs(videos=160, scene_bias=bias))
        tasks = list(TASKS)
        return sum(plan.scene.palette == tasks.index(plan.task) for plan in plans) / len(plans)

    assert told(1.0) == 1.0
    assert 0.05 < told(0.0) < 0.22  # one in eight by chance
    assert 0.45 < told(0.5) < 0.68


def test_shares_of_steps_follow_their_knobs() -> None:
    knobs = Knobs(videos=100, motion_only=0.7, narration_missing=0.2, distractor_sounds=0.4)
    steps = [step for plan in plan_collection(knobs) for step in plan.steps]
    assert abs(sum(step.marked for step in steps) / len(steps) - 0.3) < 0.06
    assert abs(sum(not step.narrated for step in steps) / len(steps) - 0.2) < 0.06
    assert abs(sum(bool(step.distractor) for step in steps) / len(steps) - 0.4) < 0.06
    assert len({step.gesture for step in steps}) == len(steps)
