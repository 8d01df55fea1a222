import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from triptych.objectives.pseudo_label import pseudo_label


def test_two_clips_by_hand() -> None:
    """softmax of (0, ln 3) is (1/4, 3/4): losses ln 4 and ln 4/3."""
    logits = torch.tensor([[0.0, math.log(3)], [0.0, math.log(3)]])
    labels = torch.tensor([0, 1])
    found = pseudo_label(logits, labels, torch.ones(2))
    assert found.item() == pytest.approx((math.log(4) + math.log(4 / 3)) / 2, rel=1e-6)
    found = pseudo_label(logits, labels, torch.tensor([3.0, 0.5]))
    assert found.item() == pytest.approx((3 * math.log(4) + 0.5 * math.log(4 / 3)) / 2, rel=1e-6)


@settings(deadline=None)
@given(
    seed=st.integers(0, 9999),
    clips=st.integers(1, 12),
    k=st.integers(2, 9),
    smoothing=st.sampled_from([0.0, 0.1]),
)
def test_it_is_torch_s_cross_entropy_where_all_is_labelled(
    seed: int, clips: int, k: int, smoothing: float
) -> None:
    torch.manual_seed(seed)
    logits, labels = torch.randn(clips, k) * 5, torch.randint(k, (clips,))
    found = pseudo_label(logits, labels, torch.ones(clips), smoothing)
    torch.testing.assert_close(found, F.cross_entropy(logits, labels, label_smoothing=smoothing))


@settings(deadline=None)
@given(seed=st.integers(0, 9999), clips=st.integers(1, 12), smoothing=st.floats(0, 0.5))
def test_it_is_the_weighted_sum_over_labelled_clips_by_the_number_of_all(
    seed: int, clips: int, smoothing: float
) -> None:
    draw = np.random.default_rng(seed)
    logits, weights = draw.normal(0, 3, (clips, 4)), draw.uniform(0, 4, clips)
    labels = draw.integers(-1, 4, clips)
    total = 0.0
    for row, label, weight in zip(logits, labels, weights, strict=True):
        if label >= 0:
            chances = np.exp(row) / np.exp(row).sum()
            target = np.full(4, smoothing / 4)
            target[label] += 1 - smoothing
            total -= weight * float(target @ np.log(chances))
    found = pseudo_label(*map(torch.from_numpy, (logits, labels, weights)), smoothing)
    assert found.item() == pytest.approx(total / clips, rel=1e-4, abs=1e-6)


def test_clips_without_a_label_teach_nothing() -> None:
    logits = torch.randn(3, 4, requires_grad=True)
    labels = torch.tensor([-1, 2, -1])
    pseudo_label(logits, labels, torch.ones(3)).backward()
    assert logits.grad is not None
    assert logits.grad[1].abs().sum() > 0
    assert logits.grad[[0, 2]].abs().sum() == 0


def test_nothing_labelled_is_a_loss_of_zero_that_can_be_differentiated() -> None:
    logits = torch.randn(2, 4, requires_grad=True)
    found = pseudo_label(logits, torch.tensor([-1, -1]), torch.ones(2))
    found.backward()
    assert found.item() == 0
    assert logits.grad is not None
    assert logits.grad.abs().sum() == 0
    assert pseudo_label(torch.zeros(0, 4), torch.zeros(0).long(), torch.zeros(0)).item() == 0


def test_half_precision_logits_lose_nothing_in_the_logarithm() -> None:
    logits = torch.tensor([[30.0, 0.0]], dtype=torch.bfloat16)
    found = pseudo_label(logits, torch.tensor([1]), torch.ones(1))
    assert found.dtype == torch.float32
    assert found.item() == pytest.approx(30.0, rel=1e-6)
