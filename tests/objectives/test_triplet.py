import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from triptych.objectives.triplet import triplet

# Distances by hand. Anchors at 0 and 10 on a line; others at 1, 4, 10, 30.
ANCHORS = torch.tensor([[0.0], [10.0], [0.0], [10.0]])
OTHERS = torch.tensor([[1.0], [4.0], [10.0], [30.0]])
CLUSTERS = torch.tensor([0, 1, 1, 2])


def test_semi_hard_takes_the_nearest_beyond_the_positive_or_else_the_farthest() -> None:
    # Clip 0: positive 1, negatives 4, 10, 30: nearest beyond is 4: 1 - 16 + m.
    # Clip 1: positive 6, negatives 9 (at 1) and 20 (at 30); its own cluster has 10: 36 - 81 + m.
    # Clip 2: positive 10, negatives 1 and 30: 100 - 900 + m.
    # Clip 3: positive 20, negatives 9, 6, 0, none beyond: farthest is 9: 400 - 81 + m.
    margin = 50.0
    expected = [max(x + margin, 0.0) for x in (1 - 16, 36 - 81, 100 - 900, 400 - 81)]
    found = triplet(ANCHORS, OTHERS, CLUSTERS, margin=margin, negatives="semi-hard", unit=False)
    assert found.item() == pytest.approx(sum(expected) / 4)


def test_random_negatives_are_of_other_clusters_and_drawn_anew() -> None:
    # The only clip whose negative can be told from the value: one anchor, three candidates.
    anchors, others = torch.zeros(4, 1), torch.tensor([[0.0], [1.0], [2.0], [3.0]])
    clusters = torch.tensor([0, 0, 1, 2])
    seen = set()
    for seed in range(60):
        torch.manual_seed(seed)
        one = triplet(
            anchors[:], others, clusters.clone(), margin=100.0, negatives="random", unit=False
        )
        seen.add(round(400 - 4 * one.item() + (0 + 1 + 4 + 9)))
    # Clip 0 and 1 draw 4 or 9; clip 2 draws 0, 1 or 9; clip 3 draws 0, 1 or 4.
    sums = {a + b + c + d for a in (4, 9) for b in (4, 9) for c in (0, 1, 9) for d in (0, 1, 4)}
    assert seen <= sums
    assert len(seen) > 5


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10_000), st.sampled_from(["random", "semi-hard"]), st.booleans())
def test_it_agrees_with_torch_on_the_squared_distance(seed: int, how: str, unit: bool) -> None:
    torch.manual_seed(seed)
    anchors, others = torch.randn(2, 3), torch.randn(2, 3)
    found = triplet(anchors, others, torch.tensor([0, 1]), margin=0.3, negatives=how, unit=unit)
    if unit:
        anchors, others = F.normalize(anchors, dim=1), F.normalize(others, dim=1)
    expected = F.triplet_margin_with_distance_loss(
        anchors,
        others,
        others.flip(0),
        distance_function=lambda a, b: (a - b).square().sum(1),
        margin=0.3,
    )
    torch.testing.assert_close(found, expected)


def test_clips_without_a_pair_are_neither_anchor_nor_negative() -> None:
    wild = OTHERS.clone()
    wild[3] = float("nan")
    clusters = torch.tensor([0, 1, 1, -1])
    for how in ("random", "semi-hard"):
        found = triplet(ANCHORS, wild, clusters, margin=1.0, negatives=how, unit=False)
        assert torch.isfinite(found)


def test_one_cluster_has_no_negatives_and_no_gradient() -> None:
    anchors = ANCHORS.clone().requires_grad_()
    found = triplet(anchors, OTHERS, torch.zeros(4, dtype=torch.long), margin=1.0)
    assert found.item() == 0.0
    assert not found.requires_grad


def test_anchor_positive_and_negative_get_their_gradients() -> None:
    # By hand: (a - p)^2 - (a - n)^2 has the derivatives 2 (n - p), -2 (a - p) and 2 (a - n).
    # Clip 0: a 0, p 1, n 4; clip 1: a 10, p 4, n 1; each counts half.
    anchors, others = ANCHORS[:2].clone().requires_grad_(), OTHERS[:2].clone().requires_grad_()
    triplet(anchors, others, torch.tensor([0, 1]), margin=50.0, unit=False).backward()
    assert anchors.grad is not None
    assert others.grad is not None
    assert anchors.grad.flatten().tolist() == [3.0, -3.0]
    assert others.grad.flatten().tolist() == [(2 + 18) / 2, (-12 - 8) / 2]
