import math
from itertools import pairwise

import pytest
import torch
from torch import nn

from triptych.encoders import build as encoders
from triptych.training import optimizer
from triptych.training.recipe import Optimisation


def test_rate_warms_up_linearly_then_follows_half_a_cosine() -> None:
    recipe = Optimisation(warmup=0.1)
    rates = [optimizer.factor(step, 100, recipe) for step in range(100)]
    assert rates[:10] == pytest.approx([(step + 1) / 10 for step in range(10)])
    assert rates[55] == pytest.approx(0.5 * (1 + math.cos(math.pi / 2)))
    assert rates[-1] < 0.001
    assert all(later <= earlier for earlier, later in pairwise(rates[10:]))


def test_constant_schedule_stays_at_one_after_the_warm_up() -> None:
    recipe = Optimisation(schedule="constant", warmup=0.0)
    assert {optimizer.factor(step, 50, recipe) for step in range(1, 50)} == {1.0}


def test_a_rate_that_drops_is_a_tenth_from_each_drop_on() -> None:
    """Epochs 160 and 190 of 200, of 10 steps each; the release drops one epoch later."""
    recipe = Optimisation(schedule="drops", warmup=0.0, drops=(0.8, 0.95))
    rates = [optimizer.factor(step, 2000, recipe) for step in (1, 1599, 1600, 1899, 1900, 1999)]
    assert rates == pytest.approx([1, 1, 0.1, 0.1, 0.01, 0.01])


@pytest.mark.parametrize("name", ["adamw", "sgd"])
def test_biases_and_batch_norm_are_not_decayed(name: str) -> None:
    network = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3))
    recipe = Optimisation(optimizer=name, weight_decay=0.5)
    built = optimizer.build(network.parameters(), 0.1, recipe)
    before = [p.detach().clone() for p in network.parameters()]
    for parameter in network.parameters():
        parameter.grad = torch.zeros_like(parameter)
    built.step()
    changed = [bool((a != b).any()) for a, b in zip(before, network.parameters(), strict=True)]
    assert changed == [True, False, False, False]


def test_batch_norm_of_shortcuts_is_not_decayed_either() -> None:
    """Tokmakov et al. go by names that hold "bn", which those of the shortcuts do not."""
    with torch.device("meta"):
        network = encoders.native("resnet3d_18_b")
    built = optimizer.build(network.parameters(), 0.1, Optimisation(weight_decay=0.5))
    decayed = {id(p) for g in built.param_groups if g["weight_decay"] for p in g["params"]}
    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm3d)]
    shortcuts = [name for name, _ in network.named_parameters() if "downsample.1" in name]
    assert len(shortcuts) == 6
    assert not any("bn" in name for name in shortcuts)
    assert not any(id(p) in decayed for norm in norms for p in norm.parameters())
    convolutions = [m for m in network.modules() if isinstance(m, nn.Conv3d)]
    assert all(id(m.weight) in decayed for m in convolutions)


def test_set_rate_scales_each_group_s_own_rate() -> None:
    built = optimizer.build([nn.Parameter(torch.ones(2, 2))], 3.0, Optimisation())
    built.param_groups[1]["base_rate"] = 1.0
    optimizer.set_rate(built, 0.5)
    assert [group["lr"] for group in built.param_groups] == [1.5, 0.5]
