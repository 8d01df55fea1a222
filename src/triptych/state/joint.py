"""The layers that lead modalities into one space, and those that lead back."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import torch
from torch import Tensor, nn


class GatedUnit(nn.Module):
    """y = W x + b, then y * sigmoid(V y + c), as Miech et al. (ICCV 2019, equations 1 and 2).

    (clips, features) to (clips, width). Theirs ends at unit length, which here is the method's to
    say.
    """

    def __init__(self, features: int, width: int) -> None:
        super().__init__()
        self.linear = nn.Linear(features, width)
        self.gate = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """(clips, width)."""
        y = self.linear(x)
        return y * torch.sigmoid(self.gate(y))  # type: ignore[no-any-return]


def joint_heads(
    features: Mapping[str, int], width: int, narrow: Collection[str], seed: int
) -> nn.ModuleDict:
    """A gated head for each modality, from its features to ``width`` numbers.

    Of a ``narrow`` modality the gate is as wide as the features, and a linear layer follows.
    """

    def head(name: str, dim: int) -> nn.Module:
        if name in narrow:
            return nn.Sequential(GatedUnit(dim, dim), nn.Linear(dim, width))
        return nn.Sequential(GatedUnit(dim, width))

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.ModuleDict({name: head(name, dim) for name, dim in features.items()})


def heads_of(facts: Mapping[str, Any]) -> nn.ModuleDict:
    """The heads that a checkpoint's facts describe, their weights still to be loaded."""
    return joint_heads(facts["features"], facts["width"], facts["narrow"], 0)


def decoders(
    features: Mapping[str, int], width: int, hidden: int, back: bool, seed: int
) -> nn.ModuleDict:
    """Two layers for each modality, ``hidden`` numbers between them.

    From its features to the joint space, both linear, as the text of Chen et al. (2021, section
    2.2) has them; or ``back`` from the joint space to its features, ReLU behind both, as the
    released code has them.
    """

    def two(dim: int) -> nn.Module:
        if back:
            return nn.Sequential(
                nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, dim), nn.ReLU()
            )
        return nn.Sequential(nn.Linear(dim, hidden), nn.Linear(hidden, width))

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.ModuleDict({name: two(dim) for name, dim in features.items()})
