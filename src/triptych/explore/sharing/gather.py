"""What the chosen clusters of clusterings share: measured from pixels, vectors and labels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from triptych.clustering import composition
from triptych.embeddings.clusters import exemplars
from triptych.errors import UsageError, UserError
from triptych.explore.sharing.alike import Alike, Yardstick
from triptych.explore.sharing.choose import ROLES, automatic
from triptych.explore.sharing.clips import Clips
from triptych.explore.sharing.groupings import Grouping
from triptych.explore.sharing.labelled import Column, Common, Counted
from triptych.explore.sharing.looks import look
from triptych.explore.sharing.vectors import vectors
from triptych.progress import say
from triptych.seeds import derive

REFERENCE = 300  # clips whose pairs say what chance gives
MOST_MEASURED, FEWEST_MEASURED = 30, 8  # clips of a cluster
BUDGET = 2000  # clips of all clusters of a clustering
Number = int | np.integer[Any]


@dataclass(frozen=True)
class Shared:
    """One cluster: what its members share. None where it could not be measured."""

    cluster: int
    why: str
    size: int
    films: int  # or sources, where labels name them
    motion: Alike | None
    scene: Alike | None
    labels: dict[str, Common]  # by column
    shown: list[int]  # rows of the collection, the most typical first


@dataclass(frozen=True)
class Wall:
    """One clustering and its chosen clusters; by role what the best of its clusters has by chance.

    ``mean`` is over clips of the clusters that were measured, by role.
    """

    grouping: Grouping
    clusters: list[Shared]
    candidates: int
    least: int  # clips that a cluster needs to be chosen automatically
    measured: int  # clusters
    mean: dict[str, float]
    best_by_chance: dict[str, float]
    purest_by_chance: dict[str, float]  # by column


@dataclass(frozen=True)
class Settings:
    """What to show, and which columns of labels stand for motion and scene."""

    numbers: Sequence[Sequence[int]] = ()  # of each clustering; empty: chosen automatically
    show: int = 2  # of each kind
    clips: int = 8
    roles: Mapping[str, str] = field(default_factory=dict)  # role to column
    seed: int = 0
    workers: int = 0


class Collection:
    """The clips, what is known of them, and the random pairs that everything is held against."""

    def __init__(
        self,
        clips: Clips,
        groupings: Sequence[Grouping],
        columns: Sequence[Column],
        groups: npt.NDArray[Any] | None,
        descriptors: Path | None,
        settings: Settings,
    ) -> None:
        """Looks at clips of all clusters that can be chosen.

        ``groups`` [clips] names the source of each clip, where several films are of one; else
        each film is its own. ``descriptors`` say what moves, in place of optical flow.
        """
        self.clips, self.columns, self.settings = clips, columns, settings
        sources = clips.column("path") if groups is None else groups
        self.films = np.unique(sources.astype(str), return_inverse=True)[1].astype(np.int64)
        self.paths = clips.column("path")
        self.counted = [self._counted(one) for one in groupings]
        self.samples = [self._sample(one, number) for number, one in enumerate(groupings)]
        inside = np.flatnonzero(np.any([one.labels >= 0 for one in groupings], axis=0))
        draw = np.random.default_rng(derive(settings.seed, "random pairs"))
        count = min(REFERENCE, len(inside))
        drawn = np.sort(draw.choice(inside, count, replace=False)).tolist()
        rows = {row for some in self.samples for found in some.values() for row in found}
        # What can be refused is refused before hundreds of clips are decoded.
        moves = None if descriptors is None else _moves(descriptors, clips, rows | set(drawn))
        looks = look(clips, sorted(rows | set(drawn)), workers=settings.workers)
        self.reasons = {str(self.paths[row]): why for row, why in looks.reasons.items()}
        if self.reasons:
            path, why = next(iter(self.reasons.items()))
            say(f"wall: {len(looks.reasons)} clips could not be looked at, {path}: {why}")
        films = self.films[looks.rows]
        self.yardsticks = {
            "motion": Yardstick(looks.rows, looks.motion, films, drawn, centred=True),
            "scene": Yardstick(looks.rows, looks.scene, films, drawn, centred=False),
        }
        if moves is not None:
            known, values = moves
            self.yardsticks["motion"] = Yardstick(
                known, values, self.films[known], drawn, centred=True
            )

    def _counted(self, grouping: Grouping) -> dict[str, Counted]:
        """The labels of its clusters, by column."""
        return {
            column.name: Counted(
                column, grouping.labels, grouping.k, self.films, least_size(grouping),
                self.settings.seed,
            )
            for column in self.columns
        }  # fmt: skip

    def _sample(self, grouping: Grouping, number: int) -> dict[int, list[int]]:
        """Clips to measure of each cluster that can be shown, of different films first."""
        asked = self._asked(number)
        sizes = np.bincount(grouping.labels[grouping.labels >= 0], minlength=grouping.k)
        for cluster in asked:
            if cluster >= grouping.k or not sizes[cluster]:
                raise UsageError(
                    f"--cluster {cluster}: {grouping.name} has no such cluster; its {grouping.k} "
                    f"are 0 to {grouping.k - 1}"
                )
        draw = np.random.default_rng(derive(self.settings.seed, "clips to measure", number))
        chosen = asked or np.flatnonzero(sizes >= least_size(grouping)).tolist()
        if not chosen:
            raise UserError(
                f"{grouping.name}: none of its {grouping.k} clusters has the "
                f"{least_size(grouping)} clips that one needs to be chosen; name some with "
                "--cluster, or ask for fewer clusters"
            )
        if len(chosen) > (most := BUDGET // FEWEST_MEASURED):
            chosen = np.sort(draw.choice(chosen, most, replace=False)).tolist()
        each = int(np.clip(BUDGET // len(chosen), FEWEST_MEASURED, MOST_MEASURED))
        random = draw.random(len(self.clips))
        return {
            cluster: exemplars(np.flatnonzero(grouping.labels == cluster), random, self.films, each)
            for cluster in chosen
        }

    def _asked(self, number: int) -> list[int]:
        numbers = self.settings.numbers
        return list(numbers[number]) if numbers else []

    def wall(self, grouping: Grouping, number: int) -> Wall:
        """The clustering ``grouping``, the ``number``-th of those given, measured and chosen."""
        samples, asked, settings = self.samples[number], self._asked(number), self.settings
        labels, counted = grouping.labels, self.counted[number]
        sizes = np.bincount(labels[labels >= 0], minlength=grouping.k)
        measures = {
            role: {
                cluster: ruler.measure(rows, seed=derive(settings.seed, "films", cluster))
                for cluster, rows in samples.items()
            }
            for role, ruler in self.yardsticks.items()
        }
        scores = {role: self._scores(role, measures[role], counted) for role in ROLES}
        random = np.random.default_rng(derive(settings.seed, "clips to show", number))
        near = random.random(len(labels)) if grouping.near is None else grouping.near
        why = dict.fromkeys(asked, "asked for") or automatic(
            scores, list(samples), settings.show, settings.seed, set(settings.roles)
        )
        clusters = []
        for cluster, reason in why.items():
            members = np.flatnonzero(labels == cluster)
            commons = {name: one.of(cluster) for name, one in counted.items()}
            shared = Shared(
                cluster,
                reason,
                len(members),
                len(set(self.films[members].tolist())),
                measures["motion"][cluster],
                measures["scene"][cluster],
                {name: one for name, one in commons.items() if one is not None},
                exemplars(members, near, self.films, settings.clips),
            )
            clusters.append(shared)
        best = {
            role: ruler.best_by_chance(
                [len(some) for some in samples.values()], seed=derive(settings.seed, "best", role)
            )
            for role, ruler in self.yardsticks.items()
        }
        return Wall(
            grouping,
            clusters,
            int((sizes >= least_size(grouping)).sum()),
            least_size(grouping),
            len(samples),
            {role: mean for role in ROLES if (mean := _mean(measures[role], sizes)) is not None},
            {role: one for role, one in best.items() if one is not None},
            {name: one.purest for name, one in counted.items() if one.purest is not None},
        )

    def _scores(
        self, role: str, measured: Mapping[int, Alike | None], counted: Mapping[str, Counted]
    ) -> dict[int, float]:
        """How much each cluster shares: by the labels of the role, else as it was measured."""
        if column := self.settings.roles.get(role):
            found = {cluster: counted[column].of(cluster) for cluster in measured}
            return {key: one.value - one.chance for key, one in found.items() if one is not None}
        return {key: one.value for key, one in measured.items() if one is not None}


def _moves(
    descriptors: Path, clips: Clips, rows: Iterable[int]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """Those of ``rows``, ascending, that have a vector in the file, and the vectors."""
    _, values, present = vectors(descriptors, clips)
    known = np.array(sorted(row for row in rows if present[row]), np.int64)
    if not len(known):
        raise UserError(f"{descriptors}: holds none of the clips that are measured")
    return known, values[known]


def least_size(grouping: Grouping) -> int:
    """Clips that a cluster needs to be chosen automatically."""
    return composition.least_size(int((grouping.labels >= 0).sum()), max(grouping.k, 1))


def _mean(measured: Mapping[int, Alike | None], sizes: npt.NDArray[np.int64]) -> float | None:
    known = {cluster: one.value for cluster, one in measured.items() if one is not None}
    if not known:
        return None
    return float(np.average(list(known.values()), weights=[sizes[cluster] for cluster in known]))


def sentence(shared: Shared, roles: Mapping[str, str]) -> str:
    """What the members share: of each role what tells them from chance, labels before measures.

    Where neither does, the labels are named, or the measure where there are none. Intervals are
    left to ``told.facts``.
    """
    found: dict[bool, list[str]] = {True: [], False: []}
    unknown = []
    for role in ROLES:
        both: list[Alike | Common | None] = [
            shared.labels.get(roles.get(role, "")),
            getattr(shared, role),
        ]
        known = [one for one in both if one is not None]
        if not known:
            unknown.append(role)
            continue
        best = next((one for one in known if one.told), known[0])
        found[best.told].append(f"{role} ({_counted(best)})")
    parts = []
    if found[True]:
        parts.append("share " + " and ".join(found[True]))
    if found[False]:
        if parts:
            parts.append(f"not {found[False][0]}")
        elif len(found[False]) > 1:
            parts.append(f"share neither {' nor '.join(found[False])} beyond chance")
        else:
            parts.append(f"share no {found[False][0]} beyond chance")
    if unknown:
        what = " and ".join(unknown)
        parts.append(f"and for {what} there are too few films, or no pictures")
    return (
        f"Its clips {', '.join(parts)}."
        if len(unknown) < len(ROLES)
        else ("Its clips are of too few films, or have no pictures, so nothing could be measured.")
    )


def _counted(one: Alike | Common) -> str:
    """So many of so many, and how many by chance: of clips by their label, else of pairs."""
    if isinstance(one, Common):
        by_chance = one.chance * one.labelled
        return f"{one.count} of {one.labelled} clips are “{one.label}”, by chance {by_chance:.1f}"
    return f"{100 * one.value:.0f} of 100 pairs more alike than random ones, by chance 50"
