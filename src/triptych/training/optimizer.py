"""Optimisers and the learning rate as a function of the step, without state of its own."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import nn
from torch.optim import Optimizer

from triptych.training.recipe import Optimisation


def build(parameters: Iterable[nn.Parameter], rate: float, recipe: Optimisation) -> Optimizer:
    """AdamW or SGD. Vectors (biases, BatchNorm) are not decayed."""
    parameters = list(parameters)
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": recipe.weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    for group in groups:
        group["base_rate"] = rate
    if recipe.optimizer == "sgd":
        return torch.optim.SGD(groups, rate, momentum=recipe.momentum)
    return torch.optim.AdamW(groups, rate)


def factor(step: int, steps: int, recipe: Optimisation) -> float:
    """What the rate is multiplied with at ``step`` of ``steps``: a linear warm-up, then a cosine.

    Or nothing, or a tenth for every one of the recipe's drops that is past.
    """
    warmup = max(1, round(recipe.warmup * steps))
    if step < warmup:
        return (step + 1) / warmup
    if recipe.schedule == "constant":
        return 1.0
    if recipe.schedule == "drops":
        return math.prod(0.1 for share in recipe.drops if step >= share * steps)
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))


def set_rate(optimizer: Optimizer, multiplier: float) -> None:
    """Set every group's rate to its base rate times ``multiplier``."""
    for group in optimizer.param_groups:
        group["lr"] = group["base_rate"] * multiplier
