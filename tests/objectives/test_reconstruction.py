import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from triptych.objectives.reconstruction import reconstruction


def literal(made: torch.Tensor, target: torch.Tensor, *, mean: bool) -> float:
    """Equation 8 without its sign, one dimension after the other."""
    total = 0.0
    for left, right in zip(made.double().tolist(), target.double().tolist(), strict=True):
        squares = sum((a - b) ** 2 for a, b in zip(left, right, strict=True))
        total += squares / len(left) if mean else squares
    return total / len(made)


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 6), st.integers(1, 9), st.integers(0, 10_000), st.booleans())
def test_it_is_the_equation_term_by_term(clips: int, width: int, seed: int, mean: bool) -> None:
    torch.manual_seed(seed)
    made, target = torch.randn(clips, width), torch.randn(clips, width)
    found = reconstruction(made, target, mean=mean).item()
    assert found == pytest.approx(literal(made, target, mean=mean), rel=1e-5)


def test_an_error_costs_and_both_sides_get_a_gradient() -> None:
    # By hand: (3 - 1)^2 + (0 - 1)^2 = 5 in one of two clips, the other is exact.
    made = torch.tensor([[3.0, 0.0], [2.0, 2.0]]).requires_grad_()
    target = torch.tensor([[1.0, 1.0], [2.0, 2.0]]).requires_grad_()
    found = reconstruction(made, target)
    found.backward()
    assert found.item() == 2.5
    assert made.grad is not None
    assert target.grad is not None
    assert made.grad.tolist() == [[2.0, -1.0], [0.0, 0.0]]
    assert target.grad.tolist() == [[-2.0, 1.0], [0.0, 0.0]]
    assert reconstruction(made, target, mean=True).item() == 1.25


def test_no_clips_are_zero_with_a_graph() -> None:
    made = torch.empty(0, 3).requires_grad_()
    found = reconstruction(made, torch.empty(0, 3))
    found.backward()
    assert found.item() == 0.0


def test_half_precision_is_squared_in_32_bits() -> None:
    made = torch.full((1, 4), 300.0, dtype=torch.float16)
    assert reconstruction(made, torch.zeros(1, 4, dtype=torch.float16)).item() == 360_000
