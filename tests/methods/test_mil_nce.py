import math

import pytest

from tests.methods.meeting import CLIPS, Meets
from tests.methods.test_mcn import THREE, dot
from triptych.methods.method import Pair, declare


def of_several(step: Meets, pair: Pair) -> float:
    """Equation 1 of Miech et al. (2020), every entry of the table counted once."""
    rows = [row for row in range(CLIPS) if step.has[pair.one][row] and step.has[pair.other][row]]
    told = step.told if pair.other == "text" else step.values[pair.other][rows]
    s = [[math.exp(dot(step.values[pair.one][i], one)) for one in told] for i in rows]
    own = step.own[rows].tolist()
    if pair.other != "text":
        own = [[i == j for j in range(len(rows))] for i in range(len(rows))]
    total = 0.0
    for i in range(len(rows)):
        above = sum(value for value, mine in zip(s[i], own[i], strict=True) if mine)
        below = sum(s[i])
        for c in range(len(told)):
            if own[i][c]:
                below += sum(s[j][c] for j in range(len(rows)) if not own[j][c])
        total -= math.log(above / below)
    return total / len(rows)


def test_equation_1_by_loops() -> None:
    step = Meets(declare("mil_nce", THREE))
    found = {name: term.item() for name, term in step.method.loss(step).items()}
    expected = {pair.term: of_several(step, pair) for pair in step.method.pairs}
    assert found == pytest.approx(expected, rel=1e-4)


def test_it_alone_asks_for_narrations_near_in_time() -> None:
    near = {}
    for name in ("mcn", "mcn_released", "max_margin", "mil_nce"):
        joint = declare(name, ("video", "text")).joint
        assert joint is not None
        near[name] = joint.near
    assert near == {"mcn": False, "mcn_released": False, "max_margin": False, "mil_nce": True}
