"""What the clusters that taught stand for: their labels with shares, or the words that set them
apart, and their most typical clips (Alwassel et al., 2020, tables of XDC's clusters)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from triptych.clustering import composition
from triptych.clustering.whiten import unit
from triptych.embeddings.clusters import EXEMPLARS, exemplars
from triptych.embeddings.extract import Features
from triptych.embeddings.naming import distinctive_words
from triptych.errors import UserError
from triptych.explore.taught import Taught
from triptych.methods.method import Cluster
from triptych.seeds import derive
from triptych.training.refresh import joined

LABELS = 5  # of a cluster that are listed
WORDS = 8
OF_LABELS = ("labelled", "purity", "chance", "purest_by_chance", "least_pure_by_chance")


@dataclass(frozen=True)
class Share:
    """One label of a cluster: how many of its labelled clips have it, and their share."""

    label: str
    share: float
    count: int


@dataclass(frozen=True)
class Concept:
    """One cluster. Purity, chance and entropy are None where no labels were given."""

    rank: int
    cluster: int  # its number in the checkpoint
    size: int  # clips
    labelled: int
    videos: int  # files that the clips come from: of one file only, it may know that file
    purity: float | None
    chance: float | None  # mean purity of a random draw of as many labelled clips
    entropy: float | None  # nats
    labels: list[Share]
    words: list[str]
    exemplars: list[int]  # rows of the manifest


@dataclass(frozen=True)
class Clustering:
    """One clustering of the checkpoint and its clusters, first to last by rank.

    Ranked by purity, ties by size; without labels by size. ``purest_by_chance`` and
    ``least_pure_by_chance`` are what shuffled labels give the first and the last rank.
    """

    name: str
    of: tuple[str, ...]
    k: int
    clips: int
    labelled: int
    ranked: list[Concept]
    least: int  # labelled clips, or clips, that a cluster needs to be ranked
    purity: float | None  # mean over the labelled clips
    chance: float | None
    purest_by_chance: float | None
    least_pure_by_chance: float | None
    nearest: bool  # whether exemplars are nearest the centre; else they are drawn at random

    def ends(self, top: int) -> tuple[list[Concept], list[Concept]]:
        """The first ``top`` ranks and the last, none in both."""
        return self.ranked[:top], self.ranked[max(top, len(self.ranked) - top) :]

    def summary(self) -> dict[str, Any]:
        """Everything but the clusters, flat; what is of labels only where there are some."""
        values = vars(self) | {"of": "+".join(self.of), "ranked": len(self.ranked)}
        if self.purity is None:
            values = {key: value for key, value in values.items() if key not in OF_LABELS}
        return values


def row(concept: Concept, taught: Taught) -> dict[str, Any]:
    """``concept`` as JSON, its exemplars by path, start and end."""
    return {**asdict(concept), "exemplars": [taught.clip(at) for at in concept.exemplars]}


def find(
    taught: Taught,
    labels: Sequence[str] | None = None,
    *,
    least: int | None = None,
    seed: int = 0,
) -> list[Clustering]:
    """Every clustering of the checkpoint with its clusters ranked.

    ``labels`` says each clip's label, "" where it has none. Clusters of fewer than ``least``
    labelled clips are not ranked; without it see ``composition.least_size``. Raises UserError where
    the labels are all the same.
    """
    classes, codes = _codes(labels, len(taught.manifest))
    return [_clustering(taught, name, classes, codes, least, seed) for name in taught.assignments]


def _codes(
    labels: Sequence[str] | None, clips: int
) -> tuple[list[str] | None, npt.NDArray[np.int64]]:
    """The labels there are, and each clip's number among them, -1 where it has none."""
    codes = np.full(clips, -1, np.int64)
    if labels is None:
        return None, codes
    known = np.array([bool(label) for label in labels], bool)
    names, numbers = np.unique(np.array(labels, object)[known].astype(str), return_inverse=True)
    if len(names) < 2:
        raise UserError(
            f"labels: all {int(known.sum())} clips that have one have the same, so every cluster "
            "would be pure; give labels of two kinds or more"
        )
    codes[known] = numbers
    return names.tolist(), codes


def _clustering(
    taught: Taught,
    name: str,
    classes: list[str] | None,
    codes: npt.NDArray[np.int64],
    least: int | None,
    seed: int,
) -> Clustering:
    clusters, k = taught.assignments[name].labels, len(taught.assignments[name].centroids)
    counted = (clusters >= 0) & (codes >= 0 if classes is not None else True)
    if classes is None:
        table = np.bincount(clusters[counted], minlength=k)[:, None]
    else:
        table = composition.tally(clusters[counted], codes[counted], k, len(classes))
    sizes = table.sum(1)
    if least is None:
        least = composition.least_size(int(sizes.sum()), k)
    enough = sizes >= max(least, 1)
    near = typical(taught, name)
    about = _About(taught, name, near, classes, table)
    measured: dict[str, float | None] = dict.fromkeys(
        ("purity", "chance", "purest_by_chance", "least_pure_by_chance")
    )
    purity = composition.purities(table)
    if classes is not None and sizes.any():
        chance = composition.by_chance(table, enough, seed=derive(seed, "chance", name))
        about.chance = chance.purity
        measured["purity"] = float(np.average(purity, weights=sizes))
        measured["chance"] = float(np.average(chance.purity, weights=sizes))
        if enough.any():
            measured["purest_by_chance"] = chance.purest
            measured["least_pure_by_chance"] = chance.least_pure
    order = sorted(np.flatnonzero(enough).tolist(), key=lambda c: (-purity[c], -sizes[c], c))
    return Clustering(
        name=name,
        of=tuple(taught.facts["clusters"][name]),
        k=k,
        clips=int((clusters >= 0).sum()),
        labelled=int(sizes.sum()) if classes is not None else 0,
        least=least,
        nearest=near is not None,
        ranked=[about.concept(rank, c) for rank, c in enumerate(order, 1)],
        **measured,
    )


class _About:
    """The clusters of one clustering, described one by one."""

    def __init__(
        self,
        taught: Taught,
        name: str,
        near: npt.NDArray[np.float64] | None,
        classes: list[str] | None,
        table: npt.NDArray[np.int64],
    ) -> None:
        self.clusters = taught.assignments[name].labels
        self.classes, self.table = classes, table
        self.chance = np.zeros(len(table))
        self.purity, self.entropy = composition.purities(table), composition.entropies(table)
        self.paths = taught.manifest.column("path")
        draw = np.random.default_rng(derive(0, "exemplars", name))
        self.near = draw.random(len(self.paths)) if near is None else near
        texts = taught.manifest.column("text").tolist()
        self.words = distinctive_words(texts, self.clusters, len(table), WORDS)

    def concept(self, rank: int, cluster: int) -> Concept:
        members = np.flatnonzero(self.clusters == cluster)
        known = self.classes is not None
        return Concept(
            rank=rank,
            cluster=cluster,
            size=len(members),
            labelled=int(self.table[cluster].sum()) if known else 0,
            videos=len(set(self.paths[members])),
            purity=float(self.purity[cluster]) if known else None,
            chance=float(self.chance[cluster]) if known else None,
            entropy=float(self.entropy[cluster]) if known else None,
            labels=self._shares(cluster),
            words=[word for word, _ in self.words[cluster]],
            exemplars=exemplars(members, self.near, self.paths, EXEMPLARS),
        )

    def _shares(self, cluster: int) -> list[Share]:
        if self.classes is None:
            return []
        counts = self.table[cluster]
        first = np.argsort(-counts, kind="stable")[:LABELS]
        return [
            Share(self.classes[at], float(counts[at] / counts.sum()), int(counts[at]))
            for at in first.tolist()
            if counts[at]
        ]


def typical(taught: Taught, name: str) -> npt.NDArray[np.float64] | None:
    """How near each clip is to the centre of its cluster, (clips,); None without features.

    The cosine to the mean of the cluster's clips, of features less their mean over all clips. The
    centroids that the checkpoint holds are of earlier weights, made when the clusters were; these
    features are of the weights that have learned from them, as the encoders give them, without a
    method's projections.
    """
    of = tuple(taught.facts["clusters"][name])
    columns = {modality: taught.features(modality) for modality in of}
    features: dict[str, Features] = {key: one for key, one in columns.items() if one is not None}
    if len(features) < len(of):
        return None
    values, present = joined(Cluster(name, of), features)
    clusters = taught.assignments[name].labels
    near = np.full(len(clusters), -np.inf)  # a clip whose file has not been decoded comes last
    used = present & (clusters >= 0)
    if used.any():
        units = unit(values - values[used].mean(axis=0))
        for cluster in np.unique(clusters[used]):
            rows = np.flatnonzero(used & (clusters == cluster))
            near[rows] = units[rows] @ unit(units[rows].mean(axis=0))
    return near
