import pytest

from tests.methods.meeting import Meets
from tests.methods.test_mcn import THREE, pairwise, rebuilt, to_centroid
from triptych.methods.method import Online, declare


@pytest.mark.parametrize("margin", [0.001, 0.7])
def test_the_terms_of_the_release_by_loops(margin: float) -> None:
    step = Meets(declare("mcn_released", THREE), margin=margin)
    found = {name: term.item() for name, term in step.method.loss(step).items()}
    expected = {pair.term: pairwise(step, pair, margin, 1.0) for pair in step.method.pairs}
    for name in THREE:
        expected[f"{name}_centroid"] = to_centroid(step, name, margin, 1.0, everywhere=True) / 3
        errors = rebuilt(step, name)
        expected[f"{name}_rebuilt"] = 50 * sum(errors) / len(errors) / 2  # of two numbers each
    assert found == pytest.approx(expected, rel=1e-4)


def test_targets_of_the_reconstruction_are_not_detached() -> None:
    step = Meets(declare("mcn_released", THREE))
    step.method.loss(step)["text_rebuilt"].backward()
    grad = step.wanted["text"].grad
    assert grad is not None
    assert (grad.abs().sum(1) > 0).all()


def test_what_is_clustered_and_how_is_the_release_s() -> None:
    method = declare("mcn_released", ("audio", "text"))
    (cluster,) = method.clusters
    assert cluster.online == Online(cosine=True, reseed=False, early=False, anew=True, half=True)
    assert method.joint is not None
    assert method.joint.narrow == ("audio",)
    assert (method.joint.margin, method.joint.unit, method.joint.temperature) == (0.001, False, 1)
    assert declare("mcn_released", ("video", "text")).joint.narrow == ()  # type: ignore[union-attr]
    assert len(method.pairs) == 1
