"""The paper's equations as loops over plain numbers."""

import math

import pytest
import torch

from tests.methods.meeting import CLIPS, K, Meets
from triptych.errors import UsageError
from triptych.methods.method import Pair, declare

THREE = ("video", "audio", "text")


def dot(one: torch.Tensor, other: torch.Tensor) -> float:
    return sum(a * b for a, b in zip(one.tolist(), other.tolist(), strict=True))


def pairwise(step: Meets, pair: Pair, margin: float, heat: float) -> float:
    """Equation 3."""
    rows = [row for row in range(CLIPS) if step.has[pair.one][row] and step.has[pair.other][row]]
    s = {
        (i, k): dot(step.values[pair.one][i], step.values[pair.other][k]) / heat
        for i in rows
        for k in rows
    }
    total = 0.0
    for i in rows:
        own = math.exp(s[i, i] - margin)
        total += math.log(own / (own + sum(math.exp(s[k, i]) for k in rows if k != i)))
        total += math.log(own / (own + sum(math.exp(s[i, j]) for j in rows if j != i)))
    return -total / len(rows)


def to_centroid(step: Meets, name: str, margin: float, heat: float, everywhere: bool) -> float:
    """Equation 6; ``everywhere``: with the margin below the fraction too."""
    assert step.points is not None
    rows = [row for row in range(CLIPS) if step.has[name][row]]
    total = 0.0
    for i in rows:
        s = [dot(step.values[name][i], step.points[k]) / heat for k in range(K)]
        own = int(step.ids[i])
        above = math.exp(s[own] - margin)
        below = sum(math.exp(value) for value in s)
        if everywhere:
            below += above - math.exp(s[own])
        total += math.log(above / below)
    return -total / len(rows)


def rebuilt(step: Meets, name: str) -> list[float]:
    """The squared errors of the clips that have it."""
    rows = [row for row in range(CLIPS) if step.has[name][row]]
    return [
        sum((a - b) ** 2 for a, b in zip(made, want, strict=True))
        for made, want in zip(
            step.made[name][rows].tolist(), step.wanted[name][rows].tolist(), strict=True
        )
    ]


@pytest.mark.parametrize("modalities", [THREE, ("video", "text"), ("audio", "text")])
@pytest.mark.parametrize(("margin", "heat"), [(0.001, 1.0), (0.7, 0.3)])
def test_equation_1_by_loops(modalities: tuple[str, ...], margin: float, heat: float) -> None:
    step = Meets(declare("mcn", modalities), margin=margin, temperature=heat)
    found = {name: term.item() for name, term in step.method.loss(step).items()}
    expected = {pair.term: pairwise(step, pair, margin, heat) for pair in step.method.pairs}
    for name in modalities:
        expected[f"{name}_centroid"] = to_centroid(step, name, margin, heat, everywhere=False)
        errors = rebuilt(step, name)
        expected[f"{name}_rebuilt"] = sum(errors) / len(errors)
    assert found == pytest.approx(expected, rel=1e-4)


def test_a_weight_of_zero_leaves_the_term_out_and_others_scale_it() -> None:
    method = declare("mcn", THREE)
    whole = {name: value.item() for name, value in method.loss(Meets(method)).items()}
    pairs = {pair.term for pair in method.pairs}
    assert method.loss(Meets(method, cluster=0.0, reconstruct=0.0)).keys() == pairs
    weighed = method.loss(Meets(method, cluster=2.0, reconstruct=0.5))
    for name, value in weighed.items():
        by = 2 if "centroid" in name else 0.5 if "rebuilt" in name else 1
        assert value.item() == pytest.approx(by * whole[name], rel=1e-5)


def test_before_there_are_centroids_nothing_is_drawn_to_any() -> None:
    step = Meets(declare("mcn", THREE))
    step.points = None
    assert not any("centroid" in name for name in step.method.loss(step))


def test_what_a_clip_lacks_gets_no_gradient_from_it() -> None:
    step = Meets(declare("mcn", THREE))
    torch.stack(list(step.method.loss(step).values())).sum().backward()
    for name, values in step.values.items():
        assert values.grad is not None
        moved = values.grad.abs().sum(1) > 0
        assert moved.tolist() == step.has[name].tolist(), name


def test_modalities_meet_in_pairs_and_at_one_centroid() -> None:
    method = declare("mcn", THREE)
    assert [pair.term for pair in method.pairs] == ["video~audio", "video~text", "audio~text"]
    assert [cluster.of for cluster in method.clusters] == [THREE]
    assert method.headed == ()
    with pytest.raises(UsageError, match="method=mcn needs two or three modalities"):
        declare("mcn", ("video",))
