import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional as F

from triptych.objectives.local_aggregation import close_neighbours, local_aggregation
from triptych.objectives.similarity import cosines


@given(seed=st.integers(0, 2000), clips=st.integers(1, 4), near=st.integers(1, 6))
def test_it_is_equation_3_clip_by_clip(seed: int, clips: int, near: int) -> None:
    """-log P(C and B | d) / P(B | d), with P(j | d) = exp(v_j . d / t) / Z for any Z."""
    draw = torch.Generator().manual_seed(seed)
    similarities = 2 * torch.rand(clips, near, generator=draw) - 1
    close = torch.rand(clips, near, generator=draw) < 0.5
    close[:, 0] = True
    total, z = 0.0, 123.4
    for clip in range(clips):
        p = [math.exp(value / 0.07) / z for value in similarities[clip].tolist()]
        both = sum(value for value, mark in zip(p, close[clip].tolist(), strict=True) if mark)
        total -= math.log(both / sum(p))
    found = local_aggregation(similarities, close, 0.07).item()
    assert found == pytest.approx(total / clips, rel=1e-4, abs=1e-5)


def test_neighbours_by_hand() -> None:
    """Two runs over six clips; the third clip is in no cluster of the second run."""
    labels = torch.tensor([[0, 0, 1, 1, 2, 2], [0, 1, -1, 1, 0, -1]])
    rows, nearest = torch.tensor([0, 2]), torch.tensor([[5, 4, 1, 0], [5, 3, 2, 0]])
    # Clip 0 is with 1 by the first run, with 4 by the second, and with itself.
    # Clip 2 is with 3 by the first; 5 too is in no cluster of the second, which is none in common.
    expected = [[False, True, True, True], [False, True, True, False]]
    assert close_neighbours(labels, rows, nearest).tolist() == expected


def test_a_clip_in_no_cluster_is_close_to_itself_alone() -> None:
    labels = torch.full((3, 4), -1)
    found = close_neighbours(labels, torch.tensor([2]), torch.tensor([[0, 2, 3]]))
    assert found.tolist() == [[False, True, False]]


def test_without_a_mate_the_loss_is_finite_and_draws_the_clip_to_itself() -> None:
    """The release adds 1e-7 to an empty sum: 16.1, and no gradient towards anything."""
    assert -math.log(1e-7) == pytest.approx(16.1, abs=0.02)
    bank = F.normalize(torch.randn(50, 8, generator=torch.Generator().manual_seed(0)), dim=1)
    query = (-bank[7:8]).clone().requires_grad_()  # as far from itself as can be
    query.data += 0.3 * torch.randn(1, 8, generator=torch.Generator().manual_seed(1))
    nearest = torch.arange(50)[None]
    close = close_neighbours(torch.arange(50)[None], torch.tensor([7]), nearest)
    assert close.sum() == 1
    loss = local_aggregation(cosines(query, bank, nearest), close, 0.07)
    assert loss > 16.1
    loss.backward()
    assert query.grad is not None
    assert (-query.grad @ bank[7]).item() > 0.1


def test_the_gradient_is_that_of_finite_differences_and_the_query_s_alone() -> None:
    draw = torch.Generator().manual_seed(3)
    bank = F.normalize(torch.randn(7, 3, generator=draw).double(), dim=1)
    queries = torch.randn(2, 3, generator=draw).double().requires_grad_()
    nearest, close = torch.tensor([[0, 1, 2], [3, 1, 6]]), torch.tensor([[1, 0, 1], [0, 1, 0]])

    def loss(given: torch.Tensor) -> torch.Tensor:
        unit = F.normalize(given, dim=1)  # in 64 bits, which ``cosines`` leaves
        near = torch.einsum("bd,bkd->bk", unit, bank[nearest])
        return local_aggregation(near, close.bool(), 0.5)

    assert torch.autograd.gradcheck(loss, (queries,))
    single, memory = queries.detach().float().requires_grad_(), bank.detach().float()
    memory.requires_grad_()
    whole = local_aggregation(cosines(single, memory, nearest), close.bool(), 0.5)
    torch.testing.assert_close(whole, loss(queries).float())
    whole.backward()
    (exact,) = torch.autograd.grad(loss(queries), queries)
    torch.testing.assert_close(single.grad, exact.float(), rtol=1e-5, atol=1e-6)
    assert memory.grad is None
