"""A trained model in use: clips, files and words to the vectors of the embedding table.

Where modalities learned from each other's clusters they meet in those clusters: the head of an
edge turns a clip's features into a distribution over the teacher's clusters, and the teacher's own
features fall near one of them. Both are distributions over the same clusters, and the dot product
of their square roots is the Bhattacharyya coefficient: 1 where they agree, 0 where they exclude
each other. ``shared_*`` holds these square roots, over all clusterings of the run, at unit length.
Where a method draws projections of modalities together (XCC), these meet in the projections'
space, and ``shared_*`` holds them at unit length. Where it has a joint space (MCN), ``shared_*``
are the vectors there, at unit length if the method compares them so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.nn import functional as F

from triptych.clustering.whiten import unit
from triptych.embeddings.extract import Features
from triptych.encoders.build import rebuild
from triptych.encoders.encoder import Encoder, TextInput
from triptych.errors import UserError
from triptych.progress import say
from triptych.state import checkpoint
from triptych.state.assignments import Assignment
from triptych.state.joint import heads_of
from triptych.state.training_state import head_shapes, load_assignments

Vector = npt.NDArray[np.float32]
Layer = tuple[Vector, Vector]  # weight (out, in) and bias (out,)
# Sharpness of a clip's membership in the clusters of its own modality, from the cosine to their
# centroids: a cluster 0.1 nearer is e times likelier.
TEMPERATURE = 0.1
FACTS = ("clusters", "teaches", "contrasts", "encoders", "state")


@dataclass(frozen=True)
class Model:
    """Encoders, heads and clusters of a checkpoint, on the CPU, in evaluation mode."""

    encoders: dict[str, Encoder]
    heads: dict[str, Layer]  # by edge, to k numbers
    projections: dict[str, Layer]  # by modality
    assignments: dict[str, Assignment]
    facts: dict[str, Any]
    gates: nn.ModuleDict = field(default_factory=nn.ModuleDict)  # heads to a joint space

    @classmethod
    def load(cls, path: Path) -> Model:
        """From a checkpoint file, or from a run's folder: its best, or its last."""
        file = checkpoint.of_run(path) if path.is_dir() else path
        tensors, facts = checkpoint.load(file)
        missing = [name for name in FACTS if name not in facts]
        if missing:
            raise UserError(f"{file}: its facts lack {', '.join(missing)}; take another checkpoint")
        encoders = {}
        for name, description in facts["encoders"].items():
            encoder = rebuild(description).eval()
            try:
                encoder.load_state_dict(checkpoint.part(tensors, f"encoders.{name}"))
            except RuntimeError:
                raise UserError(
                    f"{file}: its {name} weights are not those of {description['name']} as this "
                    "version has it; use the version that trained them"
                ) from None
            encoders[name] = encoder
        heads, projections = (_layers(tensors, part) for part in ("heads", "projections"))
        found = load_assignments(tensors, facts["state"])
        gates = nn.ModuleDict()
        if facts.get("joint"):  # older checkpoints say nothing of it
            gates = heads_of(facts["joint"]).eval()
            gates.load_state_dict(checkpoint.part(tensors, "joint"))
        return cls(encoders, heads, projections, found, facts, gates)

    @property
    def sha256(self) -> str:
        """Of the encoders' weights."""
        return str(self.facts["weights"])

    @property
    def trained(self) -> bool:
        """Whether a method has begun with the weights; IR, LA and MCN have no heads to show it."""
        return bool(self.heads) or self.facts["state"]["refreshed"] >= 0

    @property
    def meets(self) -> bool:
        """Whether the modalities share a space: projections, or clusters that two of them know."""
        if self.gates:
            return self.trained
        if not self.heads:
            return False
        if self.facts["contrasts"]:
            return True
        # Its own clusters a modality knows without a head; of joint ones it is only a part.
        known = {
            name: set(of) if len(of) == 1 else set() for name, of in self.facts["clusters"].items()
        }
        for edge in self.facts["teaches"]:
            if len(edge["students"]) == 1:  # of what several know together, none knows a part
                known[edge["cluster"]].update(edge["students"])
        return any(len(modalities) > 1 for modalities in known.values())

    def shared(self, modality: str, features: Vector) -> Vector:
        """Features (clips, dim) to the space where modalities meet.

        (clips, width) of the joint space, or of the projections, or (clips, sum of all k) of the
        clusters; at unit length, but where a method with a joint space compares vectors of any.
        """
        if self.gates:
            with torch.no_grad():
                found = np.asarray(self.gates[modality](torch.from_numpy(features)).float())
            return unit(found) if self.facts["joint"]["unit"] else found
        if self.facts["contrasts"]:
            return unit(_through(self.projections[modality], features))
        blocks = [self._memberships(name, modality, features) for name in self.facts["clusters"]]
        return unit(np.sqrt(np.concatenate(blocks, axis=1)))

    def _memberships(self, cluster: str, modality: str, features: Vector) -> Vector:
        """Probabilities (clips, k) of the clusters; zeros where ``modality`` knows nothing of them.

        Its own clusters it knows from its features, those of others from the head they taught.
        """
        assignment, head = self.assignments[cluster], f"{cluster}_teaches_{modality}"
        if self.facts["clusters"][cluster] == [modality]:
            return _softmax(_cosines(assignment, features) / TEMPERATURE)
        if head in self.heads:
            return _softmax(_through(self.heads[head], features))
        return np.zeros((len(features), len(assignment.centroids)), np.float32)

    def vectors(self, features: Mapping[str, Features]) -> dict[str, Features]:
        """Every vector column of the embedding table, from the features of each modality."""
        columns = {f"vector_{name}": part for name, part in features.items()}
        if self.meets:
            for name, part in features.items():
                values = self.shared(name, part.values) * part.present[:, None]
                columns[f"shared_{name}"] = Features(values, part.present)
        columns["vector_joint"] = self.joint(columns)
        return columns

    def joint(self, columns: Mapping[str, Features]) -> Features:
        """One vector a clip: the mean of the shared vectors of the modalities that it has.

        Where modalities do not meet: the L2-normalised features of all modalities of the model side
        by side, zeros for those that a clip lacks.
        """
        prefix = "shared_" if self.meets else "vector_"
        parts = {
            name.removeprefix(prefix): part
            for name, part in columns.items()
            if name.startswith(prefix)
        }
        present = np.logical_or.reduce([part.present for part in parts.values()])
        if self.meets:
            return Features(unit(np.add.reduce([part.values for part in parts.values()])), present)
        blocks = [np.zeros((len(present), self.encoders[name].dim)) for name in self.encoders]
        for block, name in zip(blocks, self.encoders, strict=True):
            if name in parts:
                block[:] = unit(parts[name].values) * parts[name].present[:, None]
        return Features(unit(np.concatenate(blocks, axis=1)), present)

    def embed_text(self, words: str) -> dict[str, Vector]:
        """The vectors of a query in words. Raises UserError when they say nothing to the model."""
        if "text" not in self.encoders:
            known = ", ".join(self.encoders)
            raise UserError(
                f"search: this model was trained on {known}, not on words; query it with a file, "
                "or train with modalities=video,text"
            )
        encoder = self.encoders["text"]
        assert isinstance(encoder.input, TextInput)
        text = encoder.input.encode(words)
        if not len(text):
            raise UserError(f"search: {encoder.input.refusal(words)}")
        if unknown := encoder.input.unknown(words):
            say(f"search: the model does not know {', '.join(unknown)}; the other words decide")
        batch = encoder.input.batch([text])
        features = Features(self.encode("text", batch), np.ones(1, bool))
        columns = self.vectors({"text": features})
        return {name: part.values[0] for name, part in columns.items()}

    @torch.no_grad()
    def encode(self, modality: str, clips: npt.NDArray[Any]) -> Vector:
        """Features (clips, dim) of clips as the encoder's ``input`` describes them."""
        return np.asarray(self.encoders[modality](torch.from_numpy(clips)).float())


def _layers(tensors: Mapping[str, torch.Tensor], kind: str) -> dict[str, Layer]:
    return {
        name: (
            tensors[f"{kind}.{name}.weight"].float().numpy(),
            tensors[f"{kind}.{name}.bias"].float().numpy(),
        )
        for name in head_shapes(tensors, kind)
    }


def _through(layer: Layer, features: Vector) -> Vector:
    weight, bias = layer
    return np.asarray(features @ weight.T + bias, np.float32)


def _cosines(assignment: Assignment, features: Vector) -> Vector:
    return unit(assignment.whitening.apply(features)) @ unit(assignment.centroids).T


def _softmax(logits: Vector) -> Vector:
    return np.asarray(F.softmax(torch.from_numpy(logits), dim=1))
