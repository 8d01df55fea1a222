"""Everything that a run carries from one step to the next: saved whole, loaded whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from triptych.state.assignments import Assignment
from triptych.state.checkpoint import part, prefixed
from triptych.state.feature_bank import FeatureBank
from triptych.state.memory_bank import MemoryBank
from triptych.state.queue import Queue

COUNTERS = ("epoch", "step", "refreshed", "best", "totals", "noted", "health", "held_back")


@dataclass
class TrainingState:
    """Owned by the loop; only the refresh and the step write to it.

    Randomness is not in it: every draw derives its seed from the recipe's and from ``epoch`` and
    ``step``, so a resumed run has nothing to restore.
    """

    encoders: nn.ModuleDict
    heads: nn.ModuleDict
    optimizers: dict[str, Optimizer]  # "encoders" with all that stays but the heads, "heads"
    projections: nn.ModuleDict = field(default_factory=nn.ModuleDict)
    joint: nn.ModuleDict = field(default_factory=nn.ModuleDict)  # gated heads, by modality
    decoders: nn.ModuleDict = field(default_factory=nn.ModuleDict)  # by modality
    queue: Queue | None = None
    centroids: dict[str, Tensor] = field(default_factory=dict)  # of clusterings over the queue
    banks: dict[str, FeatureBank] = field(default_factory=dict)
    memory: dict[str, MemoryBank] = field(default_factory=dict)
    assignments: dict[str, Assignment] = field(default_factory=dict)
    epoch: int = 0  # epochs finished
    step: int = 0  # steps finished within this epoch
    refreshed: int = -1  # the epoch before which the labels were made; -1: never
    best: float | None = None  # the best label-free score so far
    totals: dict[str, float] = field(default_factory=dict)  # sums over this epoch's steps
    noted: dict[str, list[float]] = field(default_factory=dict)  # sums, and clips that are in them
    health: dict[str, Any] = field(default_factory=dict)  # what the last refresh found
    held_back: list[float] = field(default_factory=list)  # losses of the epochs since then

    def model_tensors(self) -> dict[str, Tensor]:
        """What it takes to use the model, or to begin from it: weights, clusters, memory banks."""
        tensors = prefixed("encoders", self.encoders.state_dict())
        tensors |= prefixed("projections", self.projections.state_dict())
        tensors |= prefixed("joint", self.joint.state_dict())
        tensors |= prefixed("decoders", self.decoders.state_dict())
        tensors |= prefixed("heads", self.heads.state_dict())
        tensors |= prefixed("centroids", self.centroids)
        for name, assignment in self.assignments.items():
            tensors |= prefixed(f"assignments.{name}", assignment.tensors())
        for name, memory in self.memory.items():
            tensors |= prefixed(f"memory.{name}", memory.tensors())
        return tensors

    def tensors(self) -> dict[str, Tensor]:
        """What it takes to go on: the model, the banks, the queue and the optimisers."""
        tensors = self.model_tensors()
        if self.queue is not None:
            tensors |= prefixed("queue", self.queue.tensors())
        for name, bank in self.banks.items():
            tensors |= prefixed(f"banks.{name}", bank.tensors())
        for name, optimizer in self.optimizers.items():
            for index, values in optimizer.state_dict()["state"].items():
                tensors |= {
                    f"optimizers.{name}.{index}.{key}": value
                    for key, value in values.items()
                    if isinstance(value, Tensor)
                }
        return tensors

    def facts(self) -> dict[str, Any]:
        """The counters, as JSON."""
        counters = {name: getattr(self, name) for name in COUNTERS}
        return {**counters, "clusterings": list(self.assignments)}

    def load(self, tensors: dict[str, Tensor], facts: dict[str, Any]) -> None:
        """Take over what ``tensors`` and ``facts`` gave; heads must already have their shapes."""
        self.encoders.load_state_dict(part(tensors, "encoders"))
        self.projections.load_state_dict(part(tensors, "projections"))
        self.joint.load_state_dict(part(tensors, "joint"))
        self.decoders.load_state_dict(part(tensors, "decoders"))
        self.heads.load_state_dict(part(tensors, "heads"))
        if self.queue is not None:
            if kept := part(tensors, "queue"):  # before the first step there is nothing
                self.queue.load(kept)
            device = self.queue.values.device
            self.centroids = {
                name: value.to(device) for name, value in part(tensors, "centroids").items()
            }
        for name, bank in self.banks.items():
            if kept := part(tensors, f"banks.{name}"):
                bank.load(kept)
        for name, memory in self.memory.items():
            memory.load(part(tensors, f"memory.{name}"))
        self.assignments = load_assignments(tensors, facts)
        for name, optimizer in self.optimizers.items():
            _load_optimizer(optimizer, part(tensors, f"optimizers.{name}"))
        for name in COUNTERS:
            if name in facts:  # an older version counted less
                setattr(self, name, facts[name])


def load_assignments(tensors: dict[str, Tensor], facts: dict[str, Any]) -> dict[str, Assignment]:
    """The clusterings of a checkpoint."""
    return {
        name: Assignment.from_tensors(part(tensors, f"assignments.{name}"))
        for name in facts["clusterings"]
    }


def head_shapes(tensors: Mapping[str, Tensor], kind: str = "heads") -> dict[str, tuple[int, int]]:
    """(outputs, features) of every head, or every one of the "projections", of a checkpoint."""
    return {
        name.removesuffix(".weight"): (value.shape[0], value.shape[1])
        for name, value in part(tensors, kind).items()
        if name.endswith(".weight")
    }


def _load_optimizer(optimizer: Optimizer, tensors: dict[str, Tensor]) -> None:
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        index, key = name.split(".", 1)
        state.setdefault(int(index), {})[key] = value.clone()
    optimizer.load_state_dict(
        {"state": state, "param_groups": optimizer.state_dict()["param_groups"]}
    )


def new_projections(widths: dict[str, int], width: int, seed: int) -> nn.ModuleDict:
    """A linear layer from each encoder's features to ``width`` numbers, as torch draws it."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.ModuleDict({name: nn.Linear(dim, width) for name, dim in widths.items()})


def new_heads(shapes: dict[str, tuple[int, int]], seed: int) -> nn.ModuleDict:
    """Linear heads, weights N(0, 0.01) and biases 0 as DeepCluster resets them."""
    generator = torch.Generator().manual_seed(seed)
    heads = nn.ModuleDict()
    for name, (clusters, features) in shapes.items():
        head = nn.Linear(features, clusters)
        nn.init.normal_(head.weight, 0.0, 0.01, generator)
        nn.init.zeros_(head.bias)
        heads[name] = head
    return heads
