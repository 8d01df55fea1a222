import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from triptych.objectives.ranking import max_margin_ranking


def literal(
    similarities: torch.Tensor, margin: float, files: list[int] | None, within: float
) -> float:
    """Equation 1, one negative after the other, each kind's mean taken by hand."""
    table = similarities.double().tolist()
    clips, total = len(table), 0.0
    for i in range(clips):
        near, far = [], []
        for j in range(clips):
            if j == i:
                continue
            cost = max(0.0, margin + table[i][j] - table[i][i])
            cost += max(0.0, margin + table[j][i] - table[i][i])
            (near if files is not None and files[i] == files[j] else far).append(cost)
        if near and far:
            total += within * sum(near) / len(near) + (1 - within) * sum(far) / len(far)
        elif near or far:
            total += sum(near + far) / len(near + far)
    return total / clips


def pairs(files: list[int]) -> torch.Tensor:
    owner = torch.tensor(files)
    return owner[:, None] == owner[None]


@settings(deadline=None, max_examples=60)
@given(
    files=st.lists(st.integers(0, 3), min_size=1, max_size=9),
    seed=st.integers(0, 10_000),
    margin=st.sampled_from([0.1, 1.0]),
    within=st.sampled_from([0.0, 0.3, 0.5, 1.0]),
    told=st.booleans(),
)
def test_it_is_the_equation_term_by_term(
    files: list[int], seed: int, margin: float, within: float, told: bool
) -> None:
    torch.manual_seed(seed)
    similarities = torch.randn(len(files), len(files))
    same = pairs(files) if told else None
    found = max_margin_ranking(similarities, margin, same, within=within).item()
    expected = literal(similarities, margin, files if told else None, within)
    assert found == pytest.approx(expected, rel=1e-5, abs=1e-6)


def test_an_entry_of_minus_infinity_is_no_negative_and_has_no_weight() -> None:
    # As if clip 3 were not there for clip 1, nor clip 1 for clip 3: of one file with clip 0.
    torch.manual_seed(2)
    free = torch.randn(4, 4).requires_grad_()
    again = torch.zeros(4, 4, dtype=torch.bool)
    again[1, 3] = again[3, 1] = True
    for files in ([0, 0, 1, 0], None):
        same = None if files is None else pairs(files)
        found = max_margin_ranking(free.masked_fill(again, -torch.inf), 1.0, same, within=0.5)
        found.backward()
        expected = 0.0
        for clip, others in {0: [0, 1, 2, 3], 1: [1, 0, 2], 2: [2, 0, 1, 3], 3: [3, 0, 2]}.items():
            table = free.detach()[others][:, others]
            of = None if files is None else [files[other] for other in others]
            expected += first(table, 1.0, of)
            assert others[0] == clip
        assert found.item() == pytest.approx(expected / 4, rel=1e-5)
        assert free.grad is not None
        assert torch.isfinite(free.grad).all()


def first(table: torch.Tensor, margin: float, files: list[int] | None) -> float:
    """What the first clip alone costs: the others are as far from all as can be."""
    alone = table.clone()
    for i in range(1, len(table)):
        alone[i, i] = 1e6
    return literal(alone, margin, files, 0.5) * len(table)


def test_by_hand() -> None:
    # Clips 0 and 1 are of one file. Clip 0's own is 3: along its row 2 and 4 cost 0 and 2, along
    # its column 5 and 1 cost 3 and 0. Near 0 + 3, far 2 + 0, half of each: 2.5.
    similarities = torch.tensor([[3.0, 2.0, 4.0], [5.0, 9.0, 0.0], [1.0, 0.0, 9.0]])
    same = pairs([0, 0, 1])
    found = max_margin_ranking(similarities, 1.0, same, within=0.5).item()
    assert found == pytest.approx(2.5 / 3)
    # Without knowing files: (3 + 2) / 2. All weight on other files: 2.
    assert max_margin_ranking(similarities, 1.0).item() == pytest.approx(2.5 / 3)
    assert max_margin_ranking(similarities, 1.0, same, within=0.0).item() == pytest.approx(2 / 3)


def test_every_negative_that_costs_gets_its_share_of_the_gradient() -> None:
    # All costs are above zero: by hand the weights are 1 of one near, 1/2 of each of two far.
    similarities = torch.zeros(4, 4).requires_grad_()
    max_margin_ranking(similarities, 1.0, pairs([0, 0, 1, 1]), within=0.6).backward()
    assert similarities.grad is not None
    # Entry (i, j) costs clip i along its row and clip j along its column; the diagonal pays all.
    near, far, own = 2 * 0.6 / 4, 2 * 0.2 / 4, -2 / 4
    expected = [
        [own, near, far, far],
        [near, own, far, far],
        [far, far, own, near],
        [far, far, near, own],
    ]
    torch.testing.assert_close(similarities.grad, torch.tensor(expected))


@pytest.mark.parametrize("clips", [0, 1])
@pytest.mark.parametrize("told", [False, True])
def test_without_a_negative_the_loss_is_zero_with_a_graph(clips: int, told: bool) -> None:
    similarities = torch.ones(clips, clips).requires_grad_()
    same = torch.ones(clips, clips, dtype=torch.bool) if told else None
    found = max_margin_ranking(similarities, 0.1, same)
    found.backward()
    assert found.item() == 0.0
    assert similarities.grad is not None
    assert similarities.grad.abs().sum() == 0


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16])
def test_half_precision_is_summed_in_32_bits(kind: torch.dtype) -> None:
    torch.manual_seed(0)
    similarities = torch.randn(40, 40).to(kind)
    found = max_margin_ranking(similarities, 0.1)
    assert found.dtype == torch.float32
    assert found.item() == pytest.approx(literal(similarities, 0.1, None, 0.5), rel=1e-5)
