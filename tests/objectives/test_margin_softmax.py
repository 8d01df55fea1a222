import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from triptych.objectives.margin_softmax import margin_softmax


def literal(similarities: torch.Tensor, margin: float) -> float:
    """Equation 3, term by term: no loop is shortened, in Python's own doubles."""
    table = similarities.double().tolist()
    clips, total = len(table), 0.0
    for i in range(clips):
        own = math.exp(table[i][i] - margin)
        column = sum(math.exp(table[k][i]) for k in range(clips) if k != i)
        row = sum(math.exp(table[i][j]) for j in range(clips) if j != i)
        total += math.log(own / (own + column)) + math.log(own / (own + row))
    return -total / clips


@settings(deadline=None, max_examples=50)
@given(
    clips=st.integers(1, 9),
    seed=st.integers(0, 10_000),
    margin=st.sampled_from([0.0, 0.001, 0.5, -1.0]),
    scale=st.sampled_from([0.1, 1.0, 10.0]),
)
def test_it_is_the_equation_term_by_term(
    clips: int, seed: int, margin: float, scale: float
) -> None:
    torch.manual_seed(seed)
    similarities = scale * torch.randn(clips, clips)
    found = margin_softmax(similarities, margin).item()
    assert found == pytest.approx(literal(similarities, margin), rel=1e-5, abs=1e-5)


def test_by_hand() -> None:
    # Each of two clips: own e^0, the other e^(log 3), so 1/4 along the row and along the column.
    similarities = torch.tensor([[0.0, math.log(3)], [math.log(3), 0.0]])
    assert margin_softmax(similarities, 0.0).item() == pytest.approx(2 * math.log(4))
    # A margin of log 2 halves what is a clip's own, above and below: 1/2 of 7/2.
    assert margin_softmax(similarities, math.log(2)).item() == pytest.approx(2 * math.log(7))


def test_an_entry_of_minus_infinity_is_no_negative() -> None:
    torch.manual_seed(3)
    free = torch.randn(4, 4).requires_grad_()
    again = torch.zeros(4, 4, dtype=torch.bool)
    again[1, 3] = again[3, 1] = True
    similarities = free.masked_fill(again, -torch.inf)
    found = margin_softmax(similarities, 0.2)
    found.backward()
    assert found.item() == pytest.approx(literal(similarities.detach(), 0.2), rel=1e-5)
    assert free.grad is not None
    assert torch.isfinite(free.grad).all()
    assert (free.grad[again] == 0).all()
    only = torch.full((2, 2), -torch.inf).fill_diagonal_(1.0).requires_grad_()
    alone = margin_softmax(only, 0.2)
    alone.backward()
    assert alone.item() == 0.0
    assert only.grad is not None
    assert only.grad.tolist() == [[0.0, 0.0], [0.0, 0.0]]


def test_the_gradient_is_that_of_the_equation() -> None:
    torch.manual_seed(0)
    similarities = torch.randn(4, 4).requires_grad_()
    margin_softmax(similarities, 0.3).backward()
    assert similarities.grad is not None
    for i in range(4):
        for j in range(4):
            nudge = torch.zeros(4, 4, dtype=torch.double)
            nudge[i, j] = 1e-5
            near = similarities.detach().double()
            slope = (literal(near + nudge, 0.3) - literal(near - nudge, 0.3)) / 2e-5
            assert similarities.grad[i, j].item() == pytest.approx(slope, abs=1e-5)


def test_the_margin_is_felt() -> None:
    grads = []
    for margin in (0.0, 1.0):
        torch.manual_seed(1)
        similarities = torch.randn(5, 5).requires_grad_()
        margin_softmax(similarities, margin).backward()
        assert similarities.grad is not None
        grads.append(similarities.grad)
    assert (grads[1].diagonal() < grads[0].diagonal()).all()


@pytest.mark.parametrize("clips", [0, 1])
def test_with_nothing_to_be_told_from_the_loss_is_zero_with_a_graph(clips: int) -> None:
    similarities = torch.full((clips, clips), 7.0).requires_grad_()
    found = margin_softmax(similarities, 0.5)
    found.backward()
    assert found.item() == 0.0
    assert similarities.grad is not None
    assert similarities.grad.abs().sum() == 0


def test_products_of_long_vectors_do_not_overflow() -> None:
    torch.manual_seed(0)
    similarities = (1e4 * torch.randn(8, 8)).requires_grad_()
    found = margin_softmax(similarities, 0.001)
    found.backward()
    assert torch.isfinite(found)
    assert similarities.grad is not None
    assert torch.isfinite(similarities.grad).all()


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16])
def test_half_precision_is_summed_in_32_bits(kind: torch.dtype) -> None:
    torch.manual_seed(0)
    similarities = torch.randn(64, 64).to(kind)
    found = margin_softmax(similarities, 0.001)
    assert found.dtype == torch.float32
    assert found.item() == pytest.approx(literal(similarities, 0.001), rel=1e-5)
