"""Which clusters to show: those named; or the best in motion and in scene, and some others."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np

from triptych.errors import UsageError
from triptych.seeds import derive

ROLES = ("motion", "scene")


def parse(words: Sequence[str], groupings: int) -> list[list[int]]:
    """The numbers of each clustering from words as ``12``, or ``2:12`` for the second's.

    Raises UsageError where a word is neither, or does not say of which clustering it is.
    """
    chosen: list[list[int]] = [[] for _ in range(groupings)]
    for word in words:
        which, colon, number = word.rpartition(":")
        if not number.isdecimal() or (colon and not which.isdecimal()):
            raise UsageError(f"--cluster {word}: give a number, or 2:NUMBER for the second source")
        if not colon and groupings > 1:
            raise UsageError(f"--cluster {word}: of which source? write 1:{word} or 2:{word}")
        if colon and not 1 <= int(which) <= groupings:
            raise UsageError(f"--cluster {word}: there is no source {which}")
        chosen[int(which or 1) - 1].append(int(number))
    return [list(dict.fromkeys(some)) for some in chosen]


def automatic(
    scores: Mapping[str, Mapping[int, float]],
    candidates: Sequence[int],
    show: int,
    seed: int,
    labelled: Collection[str] = (),
) -> dict[int, str]:
    """Why each cluster is shown, by its number: ``show`` of each kind, none twice.

    ``scores`` says of each role how much the members of a cluster share; a cluster without a score
    is not ranked there. Ties go to the lower number. Roles that are ``labelled`` have scores of
    labels. The others of the ``candidates`` are drawn at random.
    """
    chosen: dict[int, str] = {}
    for role in ROLES:
        scored = scores.get(role, {})
        ranked = sorted(scored, key=lambda cluster: (-scored[cluster], cluster))
        free = [cluster for cluster in ranked if cluster not in chosen]
        for cluster in free[:show]:
            place = ranked.index(cluster) + 1
            which = "" if place == 1 else f"{place}{ending(place)} "
            kind = "purest" if role in labelled else "most alike"
            chosen[cluster] = f"{which}{kind} in {role} of {len(ranked)}"
    left = [cluster for cluster in candidates if cluster not in chosen]
    draw = np.random.default_rng(derive(seed, "clusters at random"))
    some = draw.permutation(left)[:show].tolist()
    return chosen | dict.fromkeys(sorted(some), "drawn at random")


def ending(number: int) -> str:
    """Of an ordinal: 2nd, 13th, 21st."""
    if number % 100 in (11, 12, 13):
        return "th"
    return {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
