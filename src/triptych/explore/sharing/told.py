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
            f"{row['with']} {row['value']:.2f} [{row['low']:.2f} {row['high']:.2f}]" for row in mine
        ]
        said.append(f"Agreement (AMI, chance 0) with {', '.join(parts)}.")
    parts = [
        f"{role} {wall.mean[role]:.2f}"
        + (f" (the best by chance {best:.2f})" if (best := wall.best_by_chance.get(role)) else "")
        for role in ROLES
        if role in wall.mean
    ]
    if parts:
        said.append(
            f"Pairs of one cluster, more alike than random ones (.50), mean of {wall.measured} "
            f"clusters: {', '.join(parts)}."
        )
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
            value = f"{row['value']:+.2f} [{row['low']:+.2f} {row['high']:+.2f}]"
            said.append(
                f"The two clusterings agree with each other by {value} (AMI)."
                if row["with"] == EACH_OTHER
                else f"Agreement with {row['with']}, the first less the second: {value}."
            )
    return said


def facts(shared: Shared, roles: Mapping[str, str]) -> list[str]:
    """What the sentence on a cluster leaves out: the measures beside labels, other columns."""
    said = []
    measured = [role for role in ROLES if roles.get(role) in shared.labels]
    parts = [
        f"{role} {number(alike)}"
        for role in measured
        if (alike := getattr(shared, role)) is not None
    ]
    if parts:
        said.append(f"As measured, chance .50: {', '.join(parts)}.")
    for name, common in shared.labels.items():
        said.append(f"{name[:1].upper()}{name[1:]}: {listed(common)}.")
    return said


def listed(common: Common) -> str:
    """The labels of a cluster with their counts, and chance."""
    parts = [f"{label} {count}" for label, count in common.others]
    return f"{', '.join(parts)} of {common.labelled} labelled (by chance {common.chance:.2f})"


def number(one: Alike | Common) -> str:
    """A figure with its interval, where it has one."""
    return f"{one.value:.2f}" + ("" if one.low is None else f" [{one.low:.2f} {one.high:.2f}]")
