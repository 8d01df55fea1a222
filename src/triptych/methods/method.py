"""The vocabulary in which a deep-clustering method is declared."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import reduce
from operator import and_
from typing import TYPE_CHECKING, Literal, Protocol

from triptych.errors import UsageError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from torch import Tensor

    from triptych.state.memory_bank import MemoryBank

    Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Online:
    """How clusters over the queue follow training, within its steps. The defaults are sound ones.

    ``cosine``: a row goes to the centroid of the largest cosine, not to the nearest. ``reseed``: a
    cluster that is left empty begins again at a far row, and is not a zero. ``early``: queue and
    batch are clustered from the first steps on, not the batch alone until the queue is full.
    ``anew``: centroids begin at random rows again in every epoch. ``half``: the queue takes every
    file's first half of its clips of a batch, not all.
    """

    cosine: bool = False
    reseed: bool = True
    early: bool = True
    anew: bool = False
    half: bool = False


@dataclass(frozen=True)
class Cluster:
    """One clustering: of the features of one modality, or of several, L2-normalised and joined.

    ``projected``: of what the method's linear projections make of the features; the heads that
    these clusters teach see the projections too. ``over`` the bank: of its rows, or of the prior's
    descriptors, or of both, as the recipe says; in as many runs of k-means as it says, which have
    their own labels and teach by no head. ``over`` the queue: of the mean of what the modalities of
    a clip are in the joint space, made ``online`` as training goes; its centroids are the targets
    of those that it teaches, which need no head.
    """

    name: str
    of: tuple[str, ...]
    projected: bool = False
    over: Literal["collection", "bank", "queue"] = "collection"
    online: Online = Online()

    def runs(self, count: int) -> tuple[str, ...]:
        """The names of its assignments: one each for ``count`` runs over the bank, else its own.

        None of a clustering over the queue, which assigns the clips of one step at a time.
        """
        if self.over == "collection":
            return (self.name,)
        if self.over == "queue":
            return ()
        return tuple(f"{self.name}_{run}" for run in range(1, count + 1))

    def holds(self, has: Mapping[str, Mask]) -> Mask:
        """Which clips it is of, (clips,): those with all its modalities, of a queue with any two.

        ``has``: for each modality which clips have it.
        """
        parts = [has[name] for name in self.of]
        if self.over == "queue":
            return sum(part.astype(int) for part in parts) > 1  # type: ignore[return-value]
        return reduce(and_, parts)


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
class Pair:
    """Two modalities of one clip are drawn together in the joint space, apart from other clips."""

    one: str
    other: str

    @property
    def term(self) -> str:
        """The name of its term of the loss."""
        return f"{self.one}~{self.other}"


@dataclass(frozen=True)
class Joint:
    """One space where all modalities meet, a gated head leading each of them there.

    ``terms`` says in words what is minimised. ``margin``, ``unit`` and ``temperature`` are what the
    recipe's null stands for: see ``triptych.training.joint_recipe``. ``narrow``: modalities whose
    gate is no wider than their features, a linear layer behind it. ``rebuilds``: two layers more
    for each modality, either from its features to where they are in the joint space, or from
    there to its features. ``near``: a clip's narrations are those of its file nearest in time.
    ``warmup``: the share of a run's steps that come before its first centroids.
    """

    terms: tuple[str, ...]
    margin: float = 0.0
    unit: bool = False
    temperature: float = 1.0
    warmup: float = 0.0
    narrow: tuple[str, ...] = ()
    rebuilds: Literal["embeddings", "features"] | None = None
    near: bool = False


@dataclass(frozen=True)
class Meeting:
    """The settings of a joint space at one step: see ``triptych.training.joint_recipe``."""

    margin: float
    unit: bool
    temperature: float
    cluster: float
    reconstruct: float


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
    meeting: Meeting

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

    def centroids(self, name: str) -> Tensor | None:
        """The centroids (k, width) of a clustering over the queue; None before there are any."""

    def embeddings(self, modality: str) -> Tensor:
        """Every clip in the joint space, (clips, width); zeros where it lacks the modality."""

    def similarities(self, pair: Pair) -> Tensor:
        """(B, B), over the temperature: rows are ``one``, columns ``other`` of those with both.

        Minus infinity between two draws of one clip.
        """

    def same_file(self, pair: Pair) -> Tensor:
        """Which two of the clips with both are of one file, bool (B, B)."""

    def candidates(self, pair: Pair) -> tuple[Tensor, Tensor]:
        """Similarities (B, C) to all candidates of the batch, and which are a clip's own, bool."""

    def rebuilt(self, modality: str) -> tuple[Tensor, Tensor]:
        """What the two layers more make, and what of, both (clips with the modality, dim)."""

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
        for edge in step.method.headed
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
    joint: Joint | None = None
    pairs: tuple[Pair, ...] = ()

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
        yield from self._mistakes_of_joint()
        idle = set(self.modalities) - {name for edge in self.teaches for name in edge.students}
        idle -= {name for contrast in self.contrasts for name in (contrast.anchor, contrast.other)}
        idle -= {name for pair in self.pairs for name in (pair.one, pair.other)}
        if idle and not self.bank:
            yield f"nobody teaches {', '.join(sorted(idle))}"

    def _mistakes_of_banks(self) -> Iterator[str]:
        if self.bank and self.projection:
            yield "a bank's projections are as wide as the recipe says, so projection must be 0"
        for cluster in self.clusters:
            if cluster.over != "bank":
                if self.bank:
                    yield f"clustering {cluster.name!r} is not over the bank, of which there is one"
                continue
            if not self.bank:
                yield f"clustering {cluster.name!r} is over the bank, but there is none"
            if len(cluster.of) != 1:
                yield f"clustering {cluster.name!r} is over the bank, which is of one modality"
            if any(edge.cluster == cluster.name for edge in self.teaches):
                yield f"clustering {cluster.name!r} has several runs, of which no head can learn"

    def _mistakes_of_joint(self) -> Iterator[str]:
        online = {cluster.name for cluster in self.clusters if cluster.over == "queue"}
        listed = ", ".join(self.modalities)
        if self.joint is None:
            if self.pairs:
                yield "pairs meet in a joint space, but there is none"
            if online:
                yield f"{', '.join(sorted(online))}: over the queue of a joint space, but none is"
            return
        if self.bank or self.projection:
            yield "a joint space beside memory banks or projections"
        if len(online) != len(self.clusters) or len(online) > 1:
            yield "in a joint space there is one clustering at most, over the queue"
        for name in sorted({*self.joint.narrow} - {*self.modalities}):
            yield f"narrow names {name!r}, which is not a modality, only {listed}"
        for pair in self.pairs:
            for name in sorted({pair.one, pair.other} - {*self.modalities}):
                yield f"pair with {name!r}, which is not a modality, only {listed}"
            if pair.one == pair.other:
                yield f"pair of {pair.one} with itself"
        for edge in self.teaches:
            if edge.cluster in online and len(edge.students) != 1:
                yield f"centroids of {edge.cluster!r} teach one modality at a time"

    @property
    def headed(self) -> tuple[Teach, ...]:
        """The edges that have a head: those whose clusters are not over the queue."""
        return tuple(edge for edge in self.teaches if self.cluster(edge.cluster).over != "queue")

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
