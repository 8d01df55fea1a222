"""One training step: logits of every edge, the method's terms, one update."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import torch
from lightning_fabric import Fabric
from torch import Tensor

from triptych.clips.dataset import ClipBatch
from triptych.methods.method import Method, Teach
from triptych.state.training_state import TrainingState


@dataclass
class BatchStep:
    """What the method's loss sees of one batch; see ``triptych.methods.method.Step``."""

    method: Method
    state: TrainingState
    batch: ClipBatch
    edge_weights: Mapping[str, Tensor]
    device: torch.device
    smoothing: float

    @cached_property
    def features(self) -> dict[str, Tensor]:
        """Encoder features (clips, dim) of each modality; zeros where a clip lacks it."""
        return {name: self._encode(name) for name in self.method.modalities}

    def _encode(self, modality: str) -> Tensor:
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
        return self.state.heads[edge.head](self.features[edge.student])  # type: ignore[no-any-return]

    def labels(self, edge: Teach) -> Tensor:
        """(clips,), -1 where the student lacks its modality or the teacher has no label."""
        rows = self.batch.rows.numpy()
        labels = torch.from_numpy(self.state.assignments[edge.cluster].labels[rows])
        return labels.masked_fill(~self.batch.present[edge.student], -1).to(self.device)

    def weights(self, edge: Teach) -> Tensor:
        """(clips,) balance weights."""
        return self.edge_weights[edge.head].to(self.device)


def train_step(step: BatchStep, fabric: Fabric) -> dict[str, float]:
    """Update encoders and heads once; returns the value of every term.

    Raises FloatingPointError when a term is not finite; nothing has been updated then.
    """
    with fabric.autocast():
        terms = step.method.loss(step)
    values = {name: float(term.detach()) for name, term in terms.items()}
    total = torch.stack(list(terms.values())).sum()
    if not torch.isfinite(total):
        raise FloatingPointError(", ".join(f"{name}={value}" for name, value in values.items()))
    for optimizer in step.state.optimizers.values():
        optimizer.zero_grad()
    if total.requires_grad:
        fabric.backward(total)
        for optimizer in step.state.optimizers.values():
            optimizer.step()
    return values
