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
    """One clustering: of the features of one modality, or of several, L2-normalised and joined.

    ``projected``: of what the method's linear projections make of the features; the heads that
    these clusters teach see the projections too.
    """

    name: str
    of: tuple[str, ...]
    projected: bool = False


@dataclass(frozen=True)
class Teach:
    """The clusters of ``cluster`` are the labels of ``student``'s encoder; each edge has a head.

    With several students the head sees their features side by side, and teaches them all.
    """

    cluster: str
    student: str | tuple[str, ...]

    @property
    def students(self) -> tuple[str, ...]:
        """The modalities whose encoders learn by this edge."""
        return (self.student,) if isinstance(self.student, str) else self.student

    @property
    def head(self) -> str:
        """The name of the edge's head."""
        return f"{self.cluster}_teaches_{'+'.join(self.students)}"


@dataclass(frozen=True)
class Contrast:
    """The projections of ``anchor`` and ``other`` of one clip are drawn together.

    And those of clips of different clusters of ``apart`` are driven apart.
    """

    anchor: str
    other: str
    apart: str

    @property
    def term(self) -> str:
        """The name of its term of the loss."""
        return f"{self.anchor}~{self.other}"


@dataclass(frozen=True)
class Triplets:
    """The settings of contrasts at one step: see ``triptych.training.recipe.Contrastive``."""

    alpha: float
    margin: float
    negatives: Literal["random", "semi-hard"]
    unit: bool


class Step(Protocol):
    """What a loss may look at: one batch of clips, all tensors of the batch's length."""

    method: Method
    smoothing: float
    triplets: Triplets

    def logits(self, edge: Teach) -> Tensor:
        """The head's output for every clip, (clips, k); zeros where the student's input lacks."""

    def labels(self, edge: Teach) -> Tensor:
        """The teacher's cluster ids, (clips,); -1 where teacher or student lacks the modality."""

    def weights(self, edge: Teach) -> Tensor:
        """How much each clip counts so that the edge sees its clusters uniformly, (clips,)."""

    def projections(self, modality: str) -> Tensor:
        """The method's projection of every clip's features, (clips, ``projection``)."""

    def clusters(self, name: str) -> Tensor:
        """The ids of a clustering, (clips,); -1 where a clip is in none."""

    def present(self, modality: str) -> Tensor:
        """Which clips have the modality, bool (clips,)."""


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
    contrasts: tuple[Contrast, ...] = ()
    projection: int = 0  # width of the linear layer behind every encoder; 0: there is none

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
            for student in sorted({*edge.students} - {*self.modalities}):
                yield f"student {student!r} is not a modality, only {listed}"
        for contrast in self.contrasts:
            for modality in sorted({contrast.anchor, contrast.other} - {*self.modalities}):
                yield f"contrast of {modality!r}, which is not a modality, only {listed}"
            if contrast.apart not in names:
                yield f"{contrast.apart!r} sets clips apart, but clusterings are {', '.join(names)}"
        projects = self.contrasts or any(cluster.projected for cluster in self.clusters)
        if projects and self.projection < 1:
            yield "projections are clustered or contrasted, but projection has no width"
        idle = set(self.modalities) - {name for edge in self.teaches for name in edge.students}
        idle -= {name for contrast in self.contrasts for name in (contrast.anchor, contrast.other)}
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
