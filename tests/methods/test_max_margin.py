import pytest

from tests.methods.meeting import CLIPS, Meets
from tests.methods.test_mcn import THREE, dot
from triptych.methods.method import Pair, declare


def ranked(step: Meets, pair: Pair, margin: float) -> float:
    """Equation 1 of Miech et al. (2019): half of a clip's negatives are of its own file."""
    rows = [row for row in range(CLIPS) if step.has[pair.one][row] and step.has[pair.other][row]]
    files = step.files.tolist()
    total = 0.0
    for i in rows:
        own = dot(step.values[pair.one][i], step.values[pair.other][i])
        for near in (True, False):
            others = [j for j in rows if j != i and (files[j] == files[i]) == near]
            kinds = {files[j] == files[i] for j in rows if j != i}
            for j in others:
                weight = (0.5 if len(kinds) == 2 else 1.0) / len(others)
                right = dot(step.values[pair.one][i], step.values[pair.other][j])
                left = dot(step.values[pair.one][j], step.values[pair.other][i])
                total += weight * (max(0, margin + right - own) + max(0, margin + left - own))
    return total / len(rows)


def test_equation_1_by_loops() -> None:
    step = Meets(declare("max_margin", THREE))
    found = {name: term.item() for name, term in step.method.loss(step).items()}
    expected = {pair.term: ranked(step, pair, 0.1) for pair in step.method.pairs}
    assert found == pytest.approx(expected, rel=1e-4)


def test_it_clusters_nothing_and_compares_cosines() -> None:
    method = declare("max_margin", ("video", "text"))
    assert method.clusters == method.teaches == ()
    assert method.joint is not None
    assert method.joint.unit
    assert method.joint.rebuilds is None
