"""Zero-shot step localization: the steps of a video, told in words, placed on its time line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from triptych.embeddings.table import EmbeddingTable
from triptych.errors import UserError
from triptych.evaluate import detection, overlap
from triptych.evaluate.detection import THRESHOLDS, Spans
from triptych.evaluate.evaluator import interval_protocol
from triptych.evaluate.joint import Floats, modalities_of
from triptych.evaluate.placing import (
    CHANCE,
    SHUFFLES,
    Localization,
    Placed,
    Scored,
    Scorer,
    by_chance,
    place,
)
from triptych.evaluate.steps import Steps, in_order, located
from triptych.evaluate.tally import Found, Tally
from triptych.evaluate.time_line import Numbers, TimeLine, time_lines

METRICS = ("recall", "recall of videos", "IoD", "IoU", "frames", "frames of steps")
POOLED = {"recall", "frames", "frames of steps"}
BY_TASK = {"recall", "recall of videos"}
ROWS = (
    "the clips of a file in the order of time, overlapping ones cut half way between their "
    "middles; those without the modalities are passed over"
)
Film = tuple[Steps, TimeLine]


def localize(
    table: EmbeddingTable,
    videos: Sequence[Steps],
    words: Mapping[str, Floats],
    settings: Localization | None = None,
) -> Found:
    """Place the steps of every video on the rows of its path; see `localized`.

    Files of ``videos`` that are not in the table are left out and counted. Raises UserError where
    nothing can be compared.
    """
    settings = settings or Localization()
    through = settings.through or _usual(table)
    settings = settings.model_copy(update={"through": tuple(through)})
    there = table.column("path").astype(str)
    videos, unknown = located(in_order(videos, settings.order), list(there), table.root)
    lines = time_lines(table, {video.path for video in videos}, through)
    found = localized(((one, lines[one.path]) for one in videos), words, settings)
    more = {"rows": ROWS, "n_files_not_in_the_embeddings": len(unknown)}
    return Found(found.tallies, found.chance, {**found.protocol, **more})


def localized(
    films: Iterable[Film],
    words: Mapping[str, Floats],
    settings: Localization,
    parts: Mapping[str, frozenset[str]] | None = None,
) -> Found:
    """Place the steps of every video on its rows; each video is looked at once and let go.

    ``words`` are vectors of the steps' words in the shared space. The figures, over videos:

    - recall: each step on one row (`points`, the programme of CrossTask; its highest row if no
      order is told), right steps over all true ones, pooled over a task's videos, mean over tasks;
      also of the tasks of each of ``parts`` alone;
    - recall of videos: each video's own, mean over a task's videos, then over tasks, as MCN has it;
    - IoD, IoU: steps on stretches of rows (`spans`; each row its highest step if no order is told),
      of every true span what the found one of its label shares with it, mean over a video's spans;
    - frames: share of frames whose label is right, background too, of all frames of all videos;
      frames of steps: the same over the frames where truth has a step;
    - with ``settings.detection`` those of `detection`, a stretch's score being the mean of its rows
      above background: AP and recall, means over words that truth has, F1, and mIoU of videos.

    Videos without a true step are left out. A step whose words have no vector scores as background
    does. Raises UserError where nothing can be compared.
    """
    scorer, seen, counts = Scorer(words, settings), _Figures(settings), _Counts()
    draws = [_Figures(settings) for _ in range(SHUFFLES if settings.order == "none" else 1)]
    for steps, line in films:
        rows = len(line.spans)
        if not len(steps.of) or (settings.missing == "out" and not rows):
            counts.left_out += 1
            continue
        counts.add(steps, line, words)
        scored = Scored(np.zeros((0, len(steps.words))), 0.0)
        if rows:
            scored = scorer(line.vectors, steps.words)
        seen.add(steps, line, place(line, steps, scored, settings))
        for guess, placed in zip(draws, by_chance(line, steps, scored, settings), strict=True):
            guess.add(steps, line, placed)
    counts.refuse(settings.through)
    tallies = seen.tallies(parts or {})
    several = zip(*(guess.tallies(parts or {}) for guess in draws), strict=True)
    chance = {each[0].metric: float(np.mean([one.value for one in each])) for each in several}
    protocol = {
        **settings.model_dump(mode="json"),
        "score": "dot product of the words' shared vector with the sum of the row's",
        **counts.protocol(),
        **seen.protocol(),
        "chance": CHANCE[settings.order == "none"],
        **interval_protocol(np.array(seen.names)),
    }
    return Found(tallies, chance, protocol)


def _usual(table: EmbeddingTable) -> list[str]:
    known = modalities_of(table)
    return [name for name in known if name != "text"] or known


@dataclass
class _Counts:
    """What was looked at."""

    left_out: int = 0
    files: int = 0
    without_rows: int = 0
    fewer_rows: int = 0
    true_steps: int = 0
    any_word: bool = False
    unknown: set[str] = field(default_factory=set)
    lengths: list[Numbers] = field(default_factory=list)

    def add(self, steps: Steps, line: TimeLine, words: Mapping[str, Floats]) -> None:
        """A file that takes part."""
        rows = len(line.spans)
        self.files += 1
        self.without_rows += not rows
        self.fewer_rows += rows < len(steps.words)
        self.true_steps += len(steps.of)
        unknown = {word for word in steps.words if word not in words}
        self.any_word |= len(unknown) < len(set(steps.words))
        self.unknown |= unknown
        self.lengths.append(line.spans[:, 1] - line.spans[:, 0])

    def refuse(self, through: Sequence[str]) -> None:
        """Raise UserError where nothing was compared."""
        if self.files == self.without_rows:
            count = self.files + self.left_out
            raise UserError(f"none of the {count} files has rows of {' and '.join(through)}")
        if not self.any_word:
            raise UserError("the words of no step mean anything to the model")

    def protocol(self) -> dict[str, Any]:
        """Counts by name."""
        lengths = np.concatenate(self.lengths)
        return {
            "n_files": self.files,
            "n_files_without_rows": self.without_rows,
            "n_files_left_out": self.left_out,
            "n_true_steps": self.true_steps,
            "n_steps_unknown_to_the_model": len(self.unknown),
            "n_rows": len(lengths),
            "seconds_of_a_row": round(float(np.median(lengths)), 3),
            "n_files_of_fewer_rows_than_steps": self.fewer_rows,
        }


class _Figures:
    """The figures of videos, added one by one."""

    def __init__(self, settings: Localization) -> None:
        self.settings = settings
        self.names: list[str] = []
        self.tasks: list[str] = []
        self.columns: dict[str, list[tuple[float, float]]] = {metric: [] for metric in METRICS}
        if settings.detection:
            self.columns["mIoU"] = []
        self.classes: dict[str, int] = {}
        self.true: list[Spans] = []
        self.held: list[Spans] = []

    def add(self, steps: Steps, line: TimeLine, placed: Placed) -> None:
        """One video."""
        for metric, pair in _of_video(steps, placed, line, self.settings).items():
            self.columns[metric].append(pair)
        if self.settings.detection:
            codes = np.array(
                [self.classes.setdefault(str(x), len(self.classes)) for x in steps.wordings]
            )
            self.true.append(_spans(len(self.names), codes[steps.labels[steps.of]], steps.spans))
            self.held.append(
                _spans(len(self.names), codes[placed.labels], placed.spans, placed.scores)
            )
        self.names.append(steps.path)
        self.tasks.append(steps.task)

    def tallies(self, parts: Mapping[str, frozenset[str]]) -> list[Tally]:
        """The figures over all videos."""
        names, tasks = np.array(self.names), np.array(self.tasks)
        found = []
        for metric, pairs in self.columns.items():
            values, weights = np.array(pairs).T
            some = {"": weights > 0}
            if metric == "recall":
                some |= {f" of {part}": np.isin(tasks, list(of)) for part, of in parts.items()}
            found += [
                Tally(
                    metric + part, values[kept][:, None], names[kept], names[kept],
                    weights[kept] if metric in POOLED else None,
                    tasks[kept] if metric in BY_TASK else None,
                )
                for part, kept in some.items()
                if kept.any()
            ]  # fmt: skip
        return found + (self._detections(names) if self.settings.detection else [])

    def protocol(self) -> dict[str, Any]:
        """What detections are of."""
        if not self.settings.detection:
            return {}
        true = np.unique(np.concatenate([one.classes for one in self.true]))
        return {
            "detections": "stretches of rows, scored by the mean of their rows above background; a "
            "true one serves one of them, from the highest score down",
            "AP": "area under precision, made to fall, over recall; mean over the steps with other "
            "words, whose number is n_wordings",
            "mIoU": "frames in truth and in what is found over those in either, mean over the "
            "labels of a video, then over videos",
            "n_wordings": len(true),
        }

    def _detections(self, names: Any) -> list[Tally]:
        truth, found = (
            Spans(*map(np.concatenate, zip(*several, strict=True)))
            for several in (self.true, self.held)
        )
        wordings = np.array(list(self.classes))
        tallies: dict[str, list[Tally]] = {"AP": [], "recall": [], "F1": []}
        for threshold, good in zip(THRESHOLDS, detection.right(truth, found), strict=True):
            classes, *both = detection.by_class(truth, found, good)
            of = wordings[classes]
            for metric, values in zip(("AP", "recall"), both, strict=True):
                tallies[metric].append(Tally(f"{metric}@{threshold}", values[:, None], of, of))
            values, weights = detection.f1_of_videos(truth, found, good, len(names))
            one = Tally(f"F1@{threshold}", values[:, None], names, names, weights)
            tallies["F1"].append(one)
        return [one for several in tallies.values() for one in several]


def _spans(video: int, classes: Any, spans: Numbers, scores: Numbers | None = None) -> Spans:
    videos = np.full(len(spans), video, np.int64)
    return Spans(videos, classes, spans, np.zeros(len(spans)) if scores is None else scores)


def _of_video(
    steps: Steps, placed: Placed, line: TimeLine, settings: Localization
) -> dict[str, tuple[float, float]]:
    """Every metric's share of one video, and of how many it is the share."""
    labels = steps.labels[steps.of]
    # A listed step that truth has twice is one to find.
    right = overlap.recalled(steps.spans, steps.of, placed.at, placed.of, settings.hit)
    wanted = len(np.unique(steps.of))
    recall = float(right.sum()) / wanted
    last = max([float(steps.spans.max()), *line.spans[-1:, 1].tolist()])
    count = max(1, round(last * settings.frame_rate))
    truth = overlap.frames(steps.spans, labels, count, settings.frame_rate)
    seen = overlap.frames(placed.spans, placed.labels, count, settings.frame_rate)
    of_steps = truth != overlap.BACKGROUND
    shares = {
        name: float(
            overlap.matched(
                measure(steps.spans, placed.spans), labels, placed.labels, settings.match
            ).mean()
        )
        for name, measure in (("IoD", overlap.iod), ("IoU", overlap.iou))
    }
    found = {
        "recall": (recall, float(wanted)),
        "recall of videos": (recall, 1.0),
        "IoD": (shares["IoD"], 1.0),
        "IoU": (shares["IoU"], 1.0),
        "frames": (float((truth == seen).mean()), float(count)),
        "frames of steps": (
            float((truth == seen)[of_steps].mean()) if of_steps.any() else 0.0,
            float(of_steps.sum()),
        ),
    }
    return found | ({"mIoU": (detection.frame_iou(truth, seen), 1.0)} if settings.detection else {})
