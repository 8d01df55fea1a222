"""What is said of clusterings and clusters, the same on the page, in the figure and in JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from triptych.explore.sharing.alike import Alike
from triptych.explore.sharing.choose import ROLES
from triptych.explore.sharing.gather import Shared, Wall
from triptych.explore.sharing.labelled import Common

EACH_OTHER = "each other"


def overall(wall: Wall, number: int, agreement: Sequence[Mapping[str, Any]]) -> list[str]:
    """Sentences on the ``number``-th clustering as a whole.

    ``agreement`` has rows with ``source`` (1, 2, or 0 for both), ``with``, ``value``, ``low``,
    ``high``: adjusted mutual information.
    """
    inside = int((wall.grouping.labels >= 0).sum())
    said = [
        f"{wall.grouping.k} clusters of {inside:,} clips: {wall.grouping.made}.",
        f"{wall.candidates} of them have {wall.least} clips or more, as those picked here must.",
    ]
    if mine := [row for row in agreement if row["source"] == number + 1]:
        parts = [
            f"{row['with']} {row['value']:z.2f} [{row['low']:z.2f} {row['high']:z.2f}]"
            for row in mine
        ]
        said.append(
            "Agreement of all its clusters with labels (adjusted mutual information, 0 by chance, "
            f"1 where they are the same): {', '.join(parts)}."
        )
    if wall.mean:
        parts = [f"{wall.mean[role]:.2f} in {role}" for role in ROLES if role in wall.mean]
        said.append(
            "How often two clips of a cluster are more alike than two at random, mean of "
            f"{wall.measured} clusters: {', '.join(parts)}; by chance 0.50."
        )
    if wall.best_by_chance:
        best = wall.best_by_chance
        parts = [f"{best[role]:.2f} in {role}" for role in ROLES if role in best]
        said.append(f"The best of as many clusters of clips at random: {', '.join(parts)}.")
    if wall.grouping.near is None:
        said.append("Clips shown: drawn at random, as there are no embeddings of these weights.")
    else:
        said.append("Clips shown: nearest the cluster’s centre, other films first.")
    return said


def between(agreement: Sequence[Mapping[str, Any]]) -> list[str]:
    """Sentences on two clusterings together; none where there is one."""
    said = []
    for row in agreement:
        if row["source"] == 0:
            if row["with"] == EACH_OTHER:
                value = f"{row['value']:z.2f} [{row['low']:z.2f} {row['high']:z.2f}]"
                said.append(
                    "Agreement of the two clusterings with each other (adjusted mutual "
                    f"information): {value}."
                )
            else:
                value = f"{row['value']:+z.2f} [{row['low']:+z.2f} {row['high']:+z.2f}]"
                said.append(f"Agreement with {row['with']}, the first less the second: {value}.")
    return said


def facts(shared: Shared) -> list[str]:
    """What the sentence on a cluster leaves out: every figure with its interval."""
    said = []
    parts = [
        f"in {role} {number(alike)}"
        for role in ROLES
        if (alike := getattr(shared, role)) is not None
    ]
    if parts:
        said.append(f"Alike {', '.join(parts)}, by chance 0.50.")
    for name, common in shared.labels.items():
        said.append(f"{name[:1].upper()}{name[1:]}: {listed(common)}.")
    return said


def listed(common: Common) -> str:
    """The labels of a cluster with their counts, and the share of the first beside chance."""
    parts = [f"{label} {count}" for label, count in common.others]
    return (
        f"{', '.join(parts)} of {common.labelled} labelled; share of {common.label} "
        f"{number(common)}, by chance {common.chance:.2f}"
    )


def number(one: Alike | Common) -> str:
    """A figure with its interval, where it has one."""
    interval = "" if one.low is None else f" [{one.low:z.2f} {one.high:z.2f}]"
    return f"{one.value:z.2f}{interval}"
