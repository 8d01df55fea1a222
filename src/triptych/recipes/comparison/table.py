"""The table of a comparison: means over seeds with intervals, and differences in the same draws."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from triptych.atomic import whole_file
from triptych.clustering.agreement import ami, nmi
from triptych.evaluate import bootstrap
from triptych.evaluate.bootstrap import Interval, Numbers
from triptych.evaluate.clusters import DRAWS, bounds
from triptych.evaluate.evaluator import rights
from triptych.evaluate.folds import Strings
from triptych.evaluate.tally import Tally, together
from triptych.recipes.comparison.across import SHOWN, Tallied
from triptych.recipes.comparison.scores import Judged, Scores, probes

AGREEMENTS = {"nmi": nmi, "ami": ami}
STATISTICS = {
    "value": "mean over seeds",
    "linear, knn, N-shot": "accuracy over all tested examples, and over draws",
    "low, high": (
        "95 % percentile bootstrap over groups of the tested examples: of each one's share of "
        "right answers over the seeds; for clusters, of the mean over seeds of the agreement, the "
        "spread of the draws about their mean laid around the value. It holds the spread of the "
        "test sample, not that of seeds, whose own figures are in of_each_seed"
    ),
    "retrieval, localization": (
        "over all tested queries, or videos; medians: the mean of those of the seeds; chance: of "
        "what looks at nothing, as its protocol in results.json says"
    ),
    "over_*": "paired: the difference of the means on the examples both have, in the same draws",
}


@dataclass(frozen=True)
class Aligned:
    """The same examples as several seeds found them: columns [N], ``found`` [N, R] per seed."""

    names: Strings
    groups: Strings
    labels: Strings
    found: list[Strings]


def align(scores: Sequence[Scores], names: Strings | None = None) -> Aligned:
    """The examples that all have, and that are among ``names`` where given, sorted by name."""
    common = scores[0].names if names is None else names
    for one in scores:
        common = np.intersect1d(common, one.names)
    places = [_places(one.names, common) for one in scores]
    first, where = scores[0], places[0]
    found = [one.found[place] for one, place in zip(scores, places, strict=True)]
    return Aligned(common, first.groups[where], first.labels[where], found)


def _places(names: Strings, wanted: Strings) -> np.ndarray[Any, np.dtype[np.int64]]:
    order = np.argsort(names)
    places: np.ndarray[Any, np.dtype[np.int64]] = order[np.searchsorted(names[order], wanted)]
    return places


def shares(examples: Aligned) -> Numbers:
    """Each example's share of right answers over the seeds, (N,)."""
    shares: Numbers = np.mean([rights(found, examples.labels) for found in examples.found], axis=0)
    return shares


def accuracy(scores: Sequence[Scores]) -> tuple[Interval, list[float]]:
    """The mean accuracy over seeds with its interval, and each seed's own."""
    examples = align(scores)
    each = [float(rights(found, examples.labels).mean()) for found in examples.found]
    return bootstrap.share(shares(examples), examples.groups, 0), each


def accuracy_over(scores: Sequence[Scores], others: Sequence[Scores]) -> Interval:
    """How much higher the mean accuracy is than that of ``others``, on the examples both have."""
    other = align(others, align(scores).names)
    mine = align(scores, other.names)
    return bootstrap.paired_difference(shares(mine), shares(other), mine.groups, 0)


@dataclass
class Agreement:
    """Mean agreement of clusters with labels over seeds; draws are remembered for differences."""

    metric: str
    draws: int = DRAWS
    known: dict[Any, tuple[float, Numbers]] = field(default_factory=dict)

    def figure(self, scores: Sequence[Scores]) -> tuple[Interval, list[float]]:
        """The mean over seeds with its interval, and each seed's own."""
        examples = align(scores)
        value, low, high = bootstrap.around(*self._spread(examples))
        least, most = bounds(self.metric, len(set(examples.labels)))
        each = [self._mean(examples.labels, [found[:, 0]]) for found in examples.found]
        return Interval(value, max(low, least), min(high, most)), each

    def over(self, scores: Sequence[Scores], others: Sequence[Scores]) -> Interval:
        """How much higher it is than that of ``others``, on the examples both have."""
        other = align(others, align(scores).names)
        mine = align(scores, other.names)
        (one, first), (two, second) = self._spread(mine), self._spread(other)
        return bootstrap.around(one - two, first - second)

    def _mean(self, labels: Any, found: Sequence[Any]) -> float:
        return float(np.mean([AGREEMENTS[self.metric](one, labels) for one in found]))

    def _spread(self, examples: Aligned) -> tuple[float, Numbers]:
        # As numbers: every draw sorts them.
        truth = np.unique(examples.labels, return_inverse=True)[1]
        found = [np.unique(one[:, 0], return_inverse=True)[1] for one in examples.found]
        key = tuple(part.tobytes() for part in (truth, *found)) + tuple(examples.groups)
        if key not in self.known:
            self.known[key] = bootstrap.spread(
                lambda rows: self._mean(truth[rows], [one[rows] for one in found]),
                examples.groups, 0, self.draws,
            )  # fmt: skip
        return self.known[key]


def figures(
    evaluator: str,
    target: str,
    runs: Sequence[Judged],
    others: Mapping[str, Sequence[Judged]],
    agreements: Sequence[Agreement],
) -> list[dict[str, Any]]:
    """The measured part of a row, one for each measure; ``others`` are what it is compared with."""
    own = _scored(runs, evaluator, target)
    beside = {name: _scored(found, evaluator, target) for name, found in others.items()}
    if not own:
        return _across(evaluator, target, runs, others)
    if evaluator != "clusters":
        over = {name: accuracy_over(own, found) for name, found in beside.items()}
        return [{"probe": evaluator, "target": target, **_flat(*accuracy(own), over)}]
    rows: list[dict[str, Any]] = []
    for probe, agreement in zip(probes(evaluator), agreements, strict=True):
        over = {name: agreement.over(own, found) for name, found in beside.items()}
        measured = _flat(*agreement.figure(own), over)
        rows.append({"probe": probe, "target": target, **measured})
    return rows


def _scored(runs: Sequence[Judged], evaluator: str, target: str) -> list[Scores]:
    found = [run[evaluator, target] for run in runs]
    return [one for one in found if isinstance(one, Scores)]


def _across(
    evaluator: str,
    target: str,
    runs: Sequence[Judged],
    others: Mapping[str, Sequence[Judged]],
) -> list[dict[str, Any]]:
    """The rows of an evaluation across modalities; without figures where they share no space."""
    own = _tallied(runs, evaluator, target)
    kind = evaluator.partition(" ")[0]
    lacks = next((one.lacks for one in own if one.lacks), "")
    if lacks:
        nothing = dict.fromkeys(("value", "low", "high"))
        return [
            {"probe": evaluator, "target": target, **nothing, "seeds": len(own), "lacks": lacks}
        ]
    rows: list[dict[str, Any]] = []
    for metric in (one.metric for one in own[0].tallies if one.metric in SHOWN[kind]):
        mine, over = _joined(own, metric), {}
        for name, found in others.items():
            beside = _tallied(found, evaluator, target)
            if not any(one.lacks for one in beside):
                over[name] = mine.over(_joined(beside, metric))
        measured = _flat(mine.interval(), mine.each, over)
        chance = round(float(np.mean([one.chance[metric] for one in own])), 4)
        rows.append(
            {"probe": f"{evaluator} {metric}", "target": target, **measured, "chance": chance}
        )
    return rows


def _tallied(runs: Sequence[Judged], evaluator: str, target: str) -> list[Tallied]:
    found = [run[evaluator, target] for run in runs]
    return [one for one in found if isinstance(one, Tallied)]


def _joined(runs: Sequence[Tallied], metric: str) -> Tally:
    return together([tally for run in runs for tally in run.tallies if tally.metric == metric])


def _flat(figure: Interval, each: list[float], over: Mapping[str, Interval]) -> dict[str, Any]:
    flat: dict[str, Any] = {**_rounded("", figure), "seeds": len(each)}
    flat["of_each_seed"] = [round(value, 4) for value in each]
    for name, difference in over.items():
        flat |= _rounded(f"over_{name}", difference)
    return flat


def _rounded(prefix: str, interval: Interval) -> dict[str, float]:
    names = (prefix, f"{prefix}_low", f"{prefix}_high") if prefix else ("value", "low", "high")
    return {name: round(value, 4) for name, value in zip(names, interval, strict=True)}


def write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write the table as CSV, lists as numbers with blanks between."""
    text = io.StringIO()
    columns = list(dict.fromkeys(key for row in rows for key in row))
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow(
            {key: " ".join(map(str, value)) if isinstance(value, list) else value
             for key, value in row.items()}
        )  # fmt: skip
    with whole_file(path) as beside:
        beside.write_text(text.getvalue(), encoding="utf-8", newline="\n")
