import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from triptych.objectives.mil_nce import mil_nce


def literal(similarities: torch.Tensor, positives: torch.Tensor) -> float:
    """Equation 1 over explicit sets of pairs, in Python's own doubles."""
    table, own = similarities.double().tolist(), positives.tolist()
    counted = [i for i, row in enumerate(own) if any(row)]
    total = 0.0
    for i in counted:
        mine = {(i, c) for c, positive in enumerate(own[i]) if positive}
        others = {(i, c) for c, positive in enumerate(own[i]) if not positive}
        others |= {(j, c) for _, c in mine for j in counted if not own[j][c]}
        above = sum(math.exp(table[j][c]) for j, c in mine)
        below = above + sum(math.exp(table[j][c]) for j, c in others)
        total += math.log(above / below)
    return -total / max(len(counted), 1)


@settings(deadline=None, max_examples=80)
@given(
    clips=st.integers(1, 7),
    candidates=st.integers(1, 9),
    seed=st.integers(0, 10_000),
    share=st.sampled_from([0.1, 0.4, 0.9]),
    scale=st.sampled_from([1.0, 8.0]),
)
def test_it_is_the_equation_term_by_term(
    clips: int, candidates: int, seed: int, share: float, scale: float
) -> None:
    torch.manual_seed(seed)
    similarities = (scale * torch.randn(clips, candidates)).requires_grad_()
    positives = torch.rand(clips, candidates) < share
    found = mil_nce(similarities, positives)
    assert found.item() == pytest.approx(literal(similarities.detach(), positives), abs=1e-5)
    found.backward()
    assert similarities.grad is not None
    assert torch.isfinite(similarities.grad).all()


@pytest.mark.parametrize("clips", [2, 5])
def test_an_entry_of_minus_infinity_is_a_negative_of_nobody(clips: int) -> None:
    torch.manual_seed(1)
    free = torch.randn(clips, clips).requires_grad_()
    own = torch.eye(clips, dtype=torch.bool)
    again = torch.zeros_like(own)
    again[0, 1] = again[1, 0] = True
    similarities = free.masked_fill(again, -torch.inf)
    found = mil_nce(similarities, own)
    found.backward()
    assert found.item() == pytest.approx(literal(similarities.detach(), own), abs=1e-6)
    assert free.grad is not None
    assert torch.isfinite(free.grad).all()
    assert (free.grad[again] == 0).all()


def test_by_hand() -> None:
    # Two clips with two candidates each; all weights e^s are 1 but (1, 0), which is 5. Clip 0: 2
    # of 2 + row 2 + column 6. Clip 1: 2 of 2 + row 6 + column 2.
    similarities = torch.zeros(2, 4)
    similarities[1, 0] = math.log(5)
    positives = torch.tensor([[True, True, False, False], [False, False, True, True]])
    assert mil_nce(similarities, positives).item() == pytest.approx(math.log(5))


def test_with_one_positive_each_it_is_one_softmax_over_row_and_column() -> None:
    torch.manual_seed(0)
    similarities = torch.randn(5, 5)
    found = mil_nce(similarities, torch.eye(5, dtype=torch.bool))
    both = torch.cat([similarities, similarities.T], 1)
    both[torch.arange(5), torch.arange(5) + 5] = -torch.inf  # a clip's own counts once
    expected = torch.nn.functional.cross_entropy(both, torch.arange(5))
    torch.testing.assert_close(found, expected)


def test_the_gradient_is_that_of_the_equation() -> None:
    torch.manual_seed(1)
    similarities = torch.randn(3, 5).requires_grad_()
    positives = torch.tensor([[1, 1, 0, 0, 0], [0, 1, 1, 0, 0], [0, 0, 0, 1, 0]]).bool()
    mil_nce(similarities, positives).backward()
    assert similarities.grad is not None
    near = similarities.detach().double()
    for i in range(3):
        for c in range(5):
            nudge = torch.zeros(3, 5, dtype=torch.double)
            nudge[i, c] = 1e-5
            slope = (literal(near + nudge, positives) - literal(near - nudge, positives)) / 2e-5
            assert similarities.grad[i, c].item() == pytest.approx(slope, abs=1e-5)


def test_a_good_match_costs_nothing() -> None:
    # The release cannot go below log 2, as it counts positives twice below the fraction.
    positives = torch.eye(4, dtype=torch.bool)
    assert mil_nce(100.0 * positives.float(), positives).item() == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize(
    "positives",
    [torch.ones(1, 1), torch.ones(1, 3), torch.zeros(2, 3), torch.zeros(0, 0), torch.ones(3, 3)],
)
def test_without_a_negative_or_a_positive_the_loss_is_zero_with_a_graph(
    positives: torch.Tensor,
) -> None:
    similarities = torch.randn(positives.shape).requires_grad_()
    found = mil_nce(similarities, positives.bool())
    found.backward()
    assert found.item() == pytest.approx(0.0, abs=1e-6)
    assert similarities.grad is not None
    assert similarities.grad.abs().sum().item() == pytest.approx(0.0, abs=1e-6)


def test_products_of_long_vectors_do_not_overflow() -> None:
    torch.manual_seed(0)
    similarities = (1e4 * torch.randn(6, 6)).requires_grad_()
    found = mil_nce(similarities, torch.eye(6, dtype=torch.bool))
    found.backward()
    assert torch.isfinite(found)
    assert similarities.grad is not None
    assert torch.isfinite(similarities.grad).all()


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16])
def test_half_precision_is_summed_in_32_bits(kind: torch.dtype) -> None:
    torch.manual_seed(0)
    similarities, positives = torch.randn(32, 32).to(kind), torch.eye(32, dtype=torch.bool)
    found = mil_nce(similarities, positives)
    assert found.dtype == torch.float32
    assert found.item() == pytest.approx(literal(similarities, positives), rel=1e-5)
