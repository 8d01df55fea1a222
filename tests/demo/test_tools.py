from itertools import combinations

import numpy as np
import pytest

from triptych.demo import tools
from triptych.demo.kitchen import ACTIONS, BY_NAME

ONE_OF_EACH = list({action.tool: action for action in ACTIONS}.values())


def pixels(name: str, *, marked: bool = False, seed: int = 0) -> np.ndarray:
    who = tools.cook(np.random.default_rng(seed))
    return np.asarray(tools.sprite(BY_NAME[name], who, 96, marked=marked).image).astype(int)


def test_every_tool_has_a_shape_of_its_own() -> None:
    heads = [pixels(action.name)[:50, :, 3] > 128 for action in ONE_OF_EACH]
    for one, other in combinations(heads, 2):
        assert (one ^ other).sum() > 0.08 * (one | other).sum()


@pytest.mark.parametrize("action", ONE_OF_EACH, ids=lambda action: action.tool)
def test_the_tip_is_within_the_head(action: tools.Action) -> None:
    sprite = tools.sprite(action, tools.cook(np.random.default_rng(0)), 96, marked=False)
    near = np.asarray(sprite.image)[int(sprite.y) - 5 : int(sprite.y) + 5, :, 3]
    assert near[:, int(sprite.x) - 12 : int(sprite.x) + 12].max() == 255


def test_actions_with_the_same_tool_look_the_same_unless_marked() -> None:
    assert np.array_equal(pixels("stir the pot"), pixels("scoop the rice"))
    marked = pixels("stir the pot", marked=True)
    assert not np.array_equal(marked, pixels("stir the pot"))
    assert not np.array_equal(marked, pixels("scoop the rice", marked=True))


def test_every_action_has_a_mark_of_its_own() -> None:
    assert len({tools.own_colour(action) for action in ACTIONS}) == len(ACTIONS)


def test_cooks_differ() -> None:
    assert not np.array_equal(pixels("stir the pot"), pixels("stir the pot", seed=1))
