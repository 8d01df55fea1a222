import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from triptych.objectives.instance import (
    noise_contrast,
    normaliser_of_a_clip,
    recognised,
    recognition,
)


def draw(seed: int, *shape: int) -> torch.Tensor:
    return 2 * torch.rand(*shape, generator=torch.Generator().manual_seed(seed)) - 1


@given(
    seed=st.integers(0, 1000),
    noise=st.integers(1, 9),
    clips=st.integers(2, 10**6),
    scale=st.floats(0.5, 50),
)
def test_noise_contrast_is_the_sum_that_its_equations_say(
    seed: int, noise: int, clips: int, scale: float
) -> None:
    """Wu et al., equations 5 to 7, clip by clip, with P_n = 1/N and m = the noise."""
    own, others = draw(seed, 3).double(), draw(seed + 1, 3, noise).double()
    temperature, normaliser = 0.2, scale * clips

    def h(similarity: float) -> float:
        p = math.exp(similarity / temperature) / normaliser
        return p / (p + noise * (1 / clips))

    total = 0.0
    for clip in range(3):
        total -= math.log(h(own[clip].item()))
        for other in others[clip]:
            total -= math.log(1 - h(other.item()))
    found = noise_contrast(own, others, clips=clips, temperature=temperature, normaliser=normaliser)
    assert found.item() == pytest.approx(total / 3, rel=1e-9)


def test_a_normaliser_that_is_too_large_is_another_loss() -> None:
    """Kinetics under ImageNet's constant, 5.45 times too large: what the release trains on."""
    own, others = draw(0, 4), 0.1 * draw(1, 4, 4096)
    clips = 235_000
    scaled = clips * 2876934.2 / 1281167
    assert 2876934.2 / scaled == pytest.approx(5.45, abs=0.01)
    right, released = (
        noise_contrast(own, others, clips=clips, temperature=0.07, normaliser=z).item()
        for z in (scaled, 2876934.2)
    )
    assert abs(released - right) > 0.5


def test_recognition_is_equation_2_over_the_members() -> None:
    similarities, rows = draw(0, 3, 6), torch.tensor([4, 0, 4])
    members = torch.tensor([True, True, False, True, True, False])
    total = 0.0
    for clip, row in enumerate(rows.tolist()):
        terms = [math.exp(similarities[clip, j].item() / 0.1) for j in range(6) if members[j]]
        total -= math.log(math.exp(similarities[clip, row].item() / 0.1) / sum(terms))
    found = recognition(similarities, rows, members, 0.1)
    assert found.item() == pytest.approx(total / 3, rel=1e-5)


def test_a_batch_without_the_modality_has_no_loss() -> None:
    none = torch.empty(0)
    assert noise_contrast(none, torch.empty(0, 3), clips=5, temperature=1, normaliser=5) == 0
    members, rows = torch.ones(4, dtype=torch.bool), torch.empty(0, dtype=torch.int64)
    assert recognition(torch.empty(0, 4), rows, members, 0.1) == 0


def test_the_normaliser_is_the_sum_over_the_members() -> None:
    similarities = draw(3, 2, 5)
    members = torch.tensor([True, False, True, True, True])
    sums = [
        sum(math.exp(similarities[clip, j].item() / 0.3) for j in (0, 2, 3, 4)) for clip in (0, 1)
    ]
    found = 4 * normaliser_of_a_clip(similarities, members, 0.3)
    assert found == pytest.approx(sum(sums) / 2)


def test_a_bank_of_chance_gives_about_what_imagenet_s_constant_says() -> None:
    """E exp(s / t) = exp(1 / (2 * 128 * t^2)) where cosines are of 128 random numbers."""
    unit = torch.nn.functional.normalize(torch.randn(4000, 128), dim=1)
    members = torch.ones(4000, dtype=torch.bool)
    found = normaliser_of_a_clip(unit[:50] @ unit[50:].T, members[50:], 0.07)
    assert found == pytest.approx(math.exp(1 / (2 * 128 * 0.07**2)), rel=0.03)
    assert found == pytest.approx(2876934.2 / 1281167, rel=0.05)


def test_who_is_recognised_is_nearer_to_itself_than_to_any_other() -> None:
    own = torch.tensor([0.9, 0.3, 0.5])
    others = torch.tensor([[0.1, 0.8], [0.4, 0.0], [0.5 + 1e-8, 0.2]])
    assert recognised(own, others).tolist() == [True, False, True]


@pytest.mark.parametrize("exact", [True, False])
def test_gradients_are_those_of_finite_differences(exact: bool) -> None:
    similarities = draw(5, 2, 4).double().requires_grad_()
    rows, members = torch.tensor([1, 3]), torch.ones(4, dtype=torch.bool)

    def loss(given: torch.Tensor) -> torch.Tensor:
        if exact:
            return recognition(given, rows, members, 0.3)
        return noise_contrast(given[:, 0], given[:, 1:], clips=9, temperature=0.3, normaliser=20.0)

    assert torch.autograd.gradcheck(loss, (similarities,))
