"""One training step: logits of every edge, the method's terms, one update."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor

from triptych.clips.dataset import ClipBatch
from triptych.embeddings.extract import Features
from triptych.methods.method import Method, Recall, Teach, Triplets
from triptych.objectives.instance import normaliser_of_a_clip
from triptych.objectives.similarity import cosines
from triptych.state.memory_bank import MemoryBank
from triptych.state.training_state import TrainingState
from triptych.training.recipe import Recipe

# Z of one clip of ImageNet: the constant of Wu et al.'s release over its 1,281,167 images. A bank
# of chance gives about as much, with 128 numbers and a temperature of .07: e^(1 / (256 * .07^2)).
OF_IMAGENET = 2876934.2 / 1281167


@dataclass
class BatchStep:
    """What the method's loss sees of one batch; see ``triptych.methods.method.Step``.

    ``frozen`` holds the features of all clips in the modalities whose encoders do not learn.
    """

    method: Method
    state: TrainingState
    batch: ClipBatch
    edge_weights: Mapping[str, Tensor]
    device: torch.device
    smoothing: float
    triplets: Triplets
    recall: Recall
    frozen: Mapping[str, Features] = field(default_factory=dict)
    noted: dict[str, list[float]] = field(default_factory=dict)  # by ``note``: sum and count

    @cached_property
    def features(self) -> dict[str, Tensor]:
        """Encoder features (clips, dim) of each modality; zeros where a clip lacks it."""
        return {name: self._encode(name) for name in self.method.modalities}

    def _encode(self, modality: str) -> Tensor:
        if modality in self.frozen:
            rows = self.batch.rows.numpy()
            return torch.from_numpy(self.frozen[modality].values[rows]).to(self.device)
        encoder = self.state.encoders[modality]
        present = self.batch.present[modality]
        if present.all():
            return encoder(self.batch.inputs[modality].to(self.device)).float()  # type: ignore[no-any-return]
        out = torch.zeros(len(present), int(encoder.dim), device=self.device)  # type: ignore[arg-type]
        if present.any():
            values = encoder(self.batch.inputs[modality][present].to(self.device)).float()
            out = out.index_put((present.nonzero()[:, 0].to(self.device),), values)
        return out

    def logits(self, edge: Teach) -> Tensor:
        """(clips, k) of the edge's head."""
        see = self.features.__getitem__
        if self.method.cluster(edge.cluster).projected:
            see = self.projections
        seen = torch.cat([see(name) for name in edge.students], 1)
        return self.state.heads[edge.head](seen)  # type: ignore[no-any-return]

    def projections(self, modality: str) -> Tensor:
        """(clips, width) of the method's linear layer behind the encoder."""
        return self.projected[modality]

    @cached_property
    def projected(self) -> dict[str, Tensor]:
        """The projections of each modality."""
        layers = self.state.projections
        return {name: layers[name](self.features[name]) for name in layers}

    def labels(self, edge: Teach) -> Tensor:
        """(clips,), -1 where a student lacks its modality or the teacher has no label."""
        labels = self.clusters(edge.cluster)
        for student in edge.students:
            labels = labels.masked_fill(~self.present(student), -1)
        return labels

    def clusters(self, name: str) -> Tensor:
        """(clips,), -1 where the clip is in no cluster."""
        rows = self.batch.rows.numpy()
        return torch.from_numpy(self.state.assignments[name].labels[rows]).to(self.device)

    def present(self, modality: str) -> Tensor:
        """(clips,): which clips have the modality."""
        if modality in self.frozen:
            known = self.frozen[modality].present[self.batch.rows.numpy()]
            return torch.from_numpy(known).to(self.device)
        return self.batch.present[modality].to(self.device)

    def memory(self, modality: str) -> MemoryBank:
        """The modality's memory bank."""
        return self.state.memory[modality]

    def queries(self, modality: str) -> tuple[Tensor, Tensor]:
        """(present clips, width) of the projections, and the clips' rows."""
        present = self.present(modality)
        return self.projections(modality)[present], self.batch.rows.to(self.device)[present]

    def normaliser(self, modality: str) -> float:
        """Z, which the first batch that asks for an estimate sets for the whole run."""
        memory, wanted = self.memory(modality), self.recall.normaliser
        if not isinstance(wanted, str):
            return wanted
        if wanted == "scaled":
            return OF_IMAGENET * len(memory)
        if not memory.scale:
            near = cosines(self.queries(modality)[0], memory.values)
            memory.scale = normaliser_of_a_clip(near, memory.members, self.recall.temperature)
        return memory.scale * len(memory)

    def runs(self, name: str) -> Tensor:
        """(runs, clips of the collection), -1 where a clip is in no cluster."""
        names = self.method.cluster(name).runs(self.recall.clusterings)
        labels = [self.state.assignments[run].labels for run in names]
        return torch.from_numpy(np.stack(labels)).to(self.device)

    def note(self, name: str, values: Tensor) -> None:
        """Add to the epoch's mean of a figure."""
        self.noted[name] = [float(values.double().sum()), float(len(values))]

    def weights(self, edge: Teach) -> Tensor:
        """(clips,) balance weights."""
        return self.edge_weights[edge.head].to(self.device)


def recall_of(recipe: Recipe) -> Recall:
    """What a recipe says of memory banks, as a step takes it."""
    bank, near = recipe.bank, recipe.aggregation
    return Recall(
        bank.temperature,
        bank.momentum,
        bank.noise,
        bank.normaliser,
        near.neighbours,
        near.clusterings,
    )


def train_step(step: BatchStep, fabric: Fabric) -> dict[str, float]:
    """Update encoders and heads once; returns the value of every term.

    Raises FloatingPointError when a term is not finite; nothing has been updated then.
    """
    for name, memory in step.state.memory.items():
        rows, present = step.batch.rows.to(step.device), step.present(name)
        memory.meet(rows[present], rows[~present])
    values, total = terms(step, fabric)
    if not torch.isfinite(total):
        raise FloatingPointError(", ".join(f"{name}={value}" for name, value in values.items()))
    for optimizer in step.state.optimizers.values():
        optimizer.zero_grad()
    if total.requires_grad:
        fabric.backward(total)
        for optimizer in step.state.optimizers.values():
            optimizer.step()
    for name, bank in step.state.banks.items():
        bank.put(step.batch.rows, step.features[name], step.batch.present[name])
    for name, memory in step.state.memory.items():
        queries, rows = step.queries(name)
        memory.update(rows, queries, step.recall.momentum)
    return values


def terms(step: BatchStep, fabric: Fabric) -> tuple[dict[str, float], Tensor]:
    """The value of every term of the method's loss, and their sum as a scalar with its graph."""
    with fabric.autocast():
        found = step.method.loss(step)
    return {name: float(term.detach()) for name, term in found.items()}, torch.stack(
        list(found.values())
    ).sum()
