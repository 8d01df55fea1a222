"""One training step: logits of every edge, the method's terms, one update."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor
from torch.nn import functional as F

from triptych.clips.dataset import ClipBatch
from triptych.embeddings.extract import Features
from triptych.methods.method import Meeting, Method, Pair, Recall, Teach, Triplets
from triptych.objectives.instance import normaliser_of_a_clip
from triptych.objectives.similarity import cosines
from triptych.state.memory_bank import MemoryBank
from triptych.state.training_state import TrainingState
from triptych.training import online
from triptych.training.joint import Beside, meeting_of
from triptych.training.recipe import Recipe

# Z of one clip of ImageNet: the constant of Wu et al.'s release over its 1,281,167 images. A bank
# of chance gives about as much, with 128 numbers and a temperature of .07: e^(1 / (256 * .07^2)).
OF_IMAGENET = 2876934.2 / 1281167
MEETING = meeting_of(None, Recipe())  # of a method that has no joint space


@dataclass
class BatchStep:
    """What the method's loss sees of one batch; see ``triptych.methods.method.Step``.

    ``frozen`` holds the features of all clips in the modalities whose encoders do not learn;
    ``beside`` and ``plan`` are of methods with a joint space.
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
    meeting: Meeting = MEETING
    beside: Beside | None = None
    plan: online.Plan | None = None
    noted: dict[str, list[float]] = field(default_factory=dict)  # by ``note``: sum and count
    assigned: dict[str, Tensor] = field(default_factory=dict)  # clusters made in this step

    @cached_property
    def features(self) -> dict[str, Tensor]:
        """Encoder features (clips, dim) of each modality; zeros where a clip lacks it."""
        return {name: self._encode(name) for name in self.method.modalities}

    def _encode(self, modality: str) -> Tensor:
        if modality in self.frozen:
            return self._kept(modality, self.batch.rows)
        encoder = self.state.encoders[modality]
        present = self.batch.present[modality]
        if present.all():
            return encoder(self.batch.inputs[modality].to(self.device)).float()  # type: ignore[no-any-return]
        out = torch.zeros(len(present), int(encoder.dim), device=self.device)  # type: ignore[arg-type]
        if present.any():
            values = encoder(self.batch.inputs[modality][present].to(self.device)).float()
            out = out.index_put((present.nonzero()[:, 0].to(self.device),), values)
        return out

    def _kept(self, modality: str, rows: Tensor) -> Tensor:
        """The features of a frozen encoder."""
        return torch.from_numpy(self.frozen[modality].values[rows.numpy()]).to(self.device)

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
        if self.method.cluster(name).over == "queue":
            none = torch.full((len(self.batch.rows),), -1, dtype=torch.int64, device=self.device)
            return self.assigned.get(name, none)
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

    def centroids(self, name: str) -> Tensor | None:
        """(k, width) of a clustering over the queue; None before there are any."""
        return self.state.centroids.get(name)

    def embeddings(self, modality: str) -> Tensor:
        """(clips, width): every clip in the joint space."""
        return self.embedded[modality]

    @cached_property
    def embedded(self) -> dict[str, Tensor]:
        """Where each modality's features are in the joint space; zeros where a clip lacks it."""
        return {
            name: self._meet(name, self.features[name]) * self.present(name)[:, None]
            for name in self.state.joint
        }

    def _meet(self, modality: str, features: Tensor) -> Tensor:
        return self._of_length(self.state.joint[modality](features))

    def _of_length(self, found: Tensor) -> Tensor:
        """Vectors as they are compared: at unit length, or as they are."""
        return F.normalize(found.float(), dim=1) if self.meeting.unit else found.float()

    def fused(self, modalities: Sequence[str]) -> tuple[Tensor, Tensor]:
        """The mean over the modalities that a clip has, (clips, width), and which have any.

        Without a graph: what is clustered gets no gradient.
        """
        counts = torch.stack([self.present(name) for name in modalities]).sum(0)
        total = torch.stack([self.embedded[name] for name in modalities]).sum(0)
        return total.detach() / counts.clamp(min=1)[:, None], counts > 0

    def both(self, pair: Pair) -> Tensor:
        """Which clips have both modalities, bool (clips,)."""
        return self.present(pair.one) & self.present(pair.other)

    def similarities(self, pair: Pair) -> Tensor:
        """(B, B), over the temperature, of the clips with both; how many find each other is noted.

        In 32 bits whatever the heads compute in: products of vectors of any length need them. Minus
        infinity between two draws of one clip, which is no negative of itself.
        """
        both = self.both(pair)
        found = self._products(self.embedded[pair.one][both], self.embedded[pair.other][both])
        rows = self.batch.rows[both.cpu()]
        if len(torch.unique(rows)) < len(rows):
            again = (rows[:, None] == rows).fill_diagonal_(False)
            found = found.masked_fill(again.to(self.device), -torch.inf)
        self._note_found(pair, found, torch.eye(len(found), dtype=torch.bool, device=self.device))
        return found

    def _products(self, one: Tensor, other: Tensor) -> Tensor:
        with torch.autocast(self.device.type, enabled=False):
            return one @ other.T / self.meeting.temperature

    def _note_found(self, pair: Pair, similarities: Tensor, own: Tensor) -> None:
        if not similarities.numel():
            return
        values = similarities.detach()
        best = values.masked_fill(~own, -torch.inf).max(1).values
        self.note(f"{pair.term}_found", best >= values.max(1).values)

    def same_file(self, pair: Pair) -> Tensor:
        """(B, B) of the clips with both."""
        assert self.beside is not None
        files = self.beside.files.to(self.device)[self.both(pair)]
        return files[:, None] == files

    def candidates(self, pair: Pair) -> tuple[Tensor, Tensor]:
        """(B, C) of the clips with both, to the narrations beside the batch.

        Where neither is text a clip has one candidate, itself.
        """
        if "text" not in (pair.one, pair.other):
            found = self.similarities(pair)
            return found, torch.eye(len(found), dtype=torch.bool, device=self.device)
        assert self.beside is not None
        both = self.both(pair)
        own = self.beside.own.to(self.device)[both]
        asked = own.any(0)  # of a clip that lacks one of the two, nobody
        seen = self.embedded[pair.other if pair.one == "text" else pair.one][both]
        found, own = self._products(seen, self.narrations[asked]), own[:, asked]
        self._note_found(pair, found, own)
        return found, own

    @cached_property
    def narrations(self) -> Tensor:
        """The candidates beside the batch in the joint space, (C, width)."""
        assert self.beside is not None
        if self.beside.words is None:
            return self._meet("text", self._kept("text", self.beside.rows))
        return self._meet(
            "text", self.state.encoders["text"](self.beside.words.to(self.device)).float()
        )

    def rebuilt(self, modality: str) -> tuple[Tensor, Tensor]:
        """What the two layers more make of a modality and what it is, of the clips that have it.

        What is in the joint space is compared at its length there: features of any length would
        otherwise outweigh all other terms.
        """
        present, decoder = self.present(modality), self.state.decoders[modality]
        features = self.features[modality][present]
        embeddings = self.embedded[modality][present]
        assert self.method.joint is not None
        if self.method.joint.rebuilds == "features":
            return decoder(embeddings), features
        return self._of_length(decoder(features)), embeddings

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


def triplets_of(recipe: Recipe, epoch: int) -> Triplets:
    """What a recipe says of contrasts in ``epoch``, as a step takes it."""
    contrast = recipe.contrast
    return Triplets(recipe.alpha(epoch), contrast.margin, contrast.negatives, contrast.unit)


def train_step(step: BatchStep, fabric: Fabric) -> dict[str, float]:
    """Update encoders and heads once; returns the value of every term.

    Raises FloatingPointError when a term is not finite; nothing has been updated then.
    """
    for name, memory in step.state.memory.items():
        rows, present = step.batch.rows.to(step.device), step.present(name)
        memory.meet(rows[present], rows[~present])
    fused = {}
    if step.plan:
        with fabric.autocast():
            fused = {one.name: step.fused(one.of) for one in online.queued(step.method)}
        online.refresh(step, step.plan, fused)
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
    if step.plan:
        online.push(step.state, step.method, step.plan, fused)
    return values


def terms(step: BatchStep, fabric: Fabric) -> tuple[dict[str, float], Tensor]:
    """The value of every term of the method's loss, and their sum as a scalar with its graph."""
    with fabric.autocast():
        found = step.method.loss(step)
    return {name: float(term.detach()) for name, term in found.items()}, torch.stack(
        list(found.values())
    ).sum()
