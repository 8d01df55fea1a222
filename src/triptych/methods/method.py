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

    from triptych.state.memory_bank import MemoryBank


@dataclass(frozen=True)
class Cluster:
    """One clustering: of the features of one modality, or of several, L2-normalised and joined.

    ``projected``: of what the method's linear projections make of the features; the heads that
    these clusters teach see the projections too. ``over`` the bank: of its rows, or of the prior's
    descriptors, or of both, as the recipe says; in as many runs of k-means as it says, which have
    their own labels and teach by no head.
    """

    name: str
    of: tuple[str, ...]
    projected: bool = False
    over: Literal["collection", "bank"] = "collection"

    def runs(self, count: int) -> tuple[str, ...]:
        """The names of its assignments: one each for ``count`` runs over the bank, else its own."""
        if self.over == "collection":
            return (self.name,)
        return tuple(f"{self.name}_{run}" for run in range(1, count + 1))


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


@dataclass(frozen=True)
class Recall:
    """The settings of a memory bank: see ``triptych.training.recipe``'s Bank and Aggregation."""

    temperature: float
    momentum: float
    noise: int | None
    normaliser: Literal["estimated", "scaled"] | float
    neighbours: int
    clusterings: int


class Step(Protocol):
    """What a loss may look at: one batch of clips, all tensors of the batch's length."""

    method: Method
    smoothing: float
    triplets: Triplets
    recall: Recall

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

    def memory(self, modality: str) -> MemoryBank:
        """The memory bank of a modality; a loss reads it and leaves it as it is."""

    def queries(self, modality: str) -> tuple[Tensor, Tensor]:
        """The projections (present clips, width) to ask the bank with, and these clips' rows."""

    def normaliser(self, modality: str) -> float:
        """Z of the probabilities over the modality's bank."""

    def runs(self, name: str) -> Tensor:
        """The labels of every clip of the bank by each run of a clustering, (runs, N)."""

    def note(self, name: str, values: Tensor) -> None:
        """Report a figure of each clip, (clips,), whose mean over an epoch is logged."""


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
    # Every modality has a memory bank of its projections, which are as wide as the recipe says.
    bank: bool = False

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
        yield from self._mistakes_of_banks()
        idle = set(self.modalities) - {name for edge in self.teaches for name in edge.students}
        idle -= {name for contrast in self.contrasts for name in (contrast.anchor, contrast.other)}
        if idle and not self.bank:
            yield f"nobody teaches {', '.join(sorted(idle))}"

    def _mistakes_of_banks(self) -> Iterator[str]:
        if self.bank and self.projection:
            yield "a bank's projections are as wide as the recipe says, so projection must be 0"
        for cluster in self.clusters:
            if cluster.over == "collection":
                if self.bank:
                    yield f"clustering {cluster.name!r} is not over the bank, of which there is one"
                continue
            if not self.bank:
                yield f"clustering {cluster.name!r} is over the bank, but there is none"
            if len(cluster.of) != 1:
                yield f"clustering {cluster.name!r} is over the bank, which is of one modality"
            if any(edge.cluster == cluster.name for edge in self.teaches):
                yield f"clustering {cluster.name!r} has several runs, of which no head can learn"

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
