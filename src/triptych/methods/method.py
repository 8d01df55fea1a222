"""The vocabulary in which a deep-clustering method is declared."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from triptych.errors import UsageError

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Cluster:
    """One clustering: of the features of one modality, or of several, L2-normalised and joined."""

    name: str
    of: tuple[str, ...]


@dataclass(frozen=True)
class Teach:
    """The clusters of ``cluster`` are the labels of ``student``'s encoder; each edge has a head."""

    cluster: str
    student: str

    @property
    def head(self) -> str:
        """The name of the edge's head."""
        return f"{self.cluster}_teaches_{self.student}"


class Step(Protocol):
    """What a loss may look at: one batch of clips, all tensors of the batch's length."""

    method: Method
    smoothing: float

    def logits(self, edge: Teach) -> Tensor:
        """The head's output for every clip, (clips, k); zeros where the student's input lacks."""

    def labels(self, edge: Teach) -> Tensor:
        """The teacher's cluster ids, (clips,); -1 where teacher or student lacks the modality."""

    def weights(self, edge: Teach) -> Tensor:
        """How much each clip counts so that the edge sees its clusters uniformly, (clips,)."""


Loss = Callable[[Step], Mapping[str, "Tensor"]]


def pseudo_labels(step: Step) -> Mapping[str, Tensor]:
    """One cross-entropy for every edge."""
    # Here, so that declarations can be read without loading torch: `triptych methods` is instant.
    from triptych.objectives.pseudo_label import pseudo_label

    return {
        edge.head: pseudo_label(
            step.logits(edge), step.labels(edge), step.weights(edge), step.smoothing
        )
        for edge in step.method.teaches
    }


@dataclass(frozen=True)
class Method:
    """A method: what is clustered, who teaches whom, what is minimised. Checked when made."""

    name: str
    modalities: tuple[str, ...]
    clusters: tuple[Cluster, ...]
    teaches: tuple[Teach, ...]
    loss: Loss = pseudo_labels
    heads: Literal["reset", "keep"] = "reset"

    def __post_init__(self) -> None:
        wrong = "; ".join(self._mistakes())
        if wrong:
            raise ValueError(f"method {self.name}: {wrong}")

    def _mistakes(self) -> Iterator[str]:
        """What would otherwise show as a KeyError, or not at all, hours into a run."""
        names = [cluster.name for cluster in self.clusters]
        listed = ", ".join(self.modalities)
        if len(set(self.modalities)) != len(self.modalities) or not self.modalities:
            yield f"modalities ({listed}) are not one or more different ones"
        if len(set(names)) != len(names):
            yield f"two clusterings share a name among {', '.join(names)}"
        if len(set(self.teaches)) != len(self.teaches):
            yield "an edge is declared twice and would share its head"
        for cluster in self.clusters:
            if "." in cluster.name or not cluster.name:
                yield f"clustering {cluster.name!r}: its name goes into names of tensors, no dots"
            if not cluster.of:
                yield f"clustering {cluster.name!r} is of no modality"
            for modality in sorted({*cluster.of} - {*self.modalities}):
                yield f"clustering {cluster.name!r} is of {modality!r}, but modalities are {listed}"
        for edge in self.teaches:
            if edge.cluster not in names:
                yield f"teacher {edge.cluster!r} is not a clustering, only {', '.join(names)}"
            if edge.student not in self.modalities:
                yield f"student {edge.student!r} is not a modality, only {listed}"
        idle = set(self.modalities) - {edge.student for edge in self.teaches}
        if idle:
            yield f"nobody teaches {', '.join(sorted(idle))}"

    def cluster(self, name: str) -> Cluster:
        """The clustering of that name."""
        return next(cluster for cluster in self.clusters if cluster.name == name)


def several(name: str, modalities: tuple[str, ...]) -> None:
    """Raise UsageError where the method ``name`` is asked for with one modality only."""
    if len(modalities) < 2:
        raise UsageError(f"method={name} needs two or three modalities; for one, take method=sdc")


def names() -> list[str]:
    """The methods there are: modules of this folder that declare one."""
    folder = importlib.import_module("triptych.methods").__path__
    return sorted(item.name for item in pkgutil.iter_modules(folder) if item.name != "method")


def declare(name: str, modalities: tuple[str, ...]) -> Method:
    """The method ``name`` on ``modalities``; raises UsageError that names the valid ones."""
    if name not in names():
        raise UsageError(f"method={name!r} is not a method; methods are {', '.join(names())}")
    method: Method = importlib.import_module(f"triptych.methods.{name}").method(modalities)
    return method
