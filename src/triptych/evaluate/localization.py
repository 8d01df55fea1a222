"""Zero-shot step localization: the steps of a video, told in words, placed on its time line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator, model_validator

from triptych.config import Config
from triptych.embeddings.alignment import (
    Alignment,
    best_steps,
    log_softmax,
    peaks,
    points,
    spans,
)
from triptych.embeddings.table import EmbeddingTable
from triptych.errors import UserError
from triptych.evaluate import overlap
from triptych.evaluate.evaluator import interval_protocol
from triptych.evaluate.joint import Floats, Name, modalities_of, summed
from triptych.evaluate.steps import Steps, in_order, located
from triptych.evaluate.tally import Found, Tally
from triptych.seeds import derive

Numbers = NDArray[np.float64]
SHUFFLES = 20
CHANCE = (
    "steps spread evenly over the file, in order, without a look at it",
    f"the rows of each file shuffled, mean of {SHUFFLES} draws",
)
GROUNDS = ("mean", "words")
METRICS = ("recall", "recall of videos", "IoD", "IoU", "frames", "frames of steps")


class Localization(Config):
    """The protocol: which steps are placed, by which scores and decoding, and what counts."""

    through: tuple[Name, ...] = Field(
        (), description="modalities of a row, added; default: video and audio, as far as they are"
    )
    order: Literal["file", "task", "none"] = Field(
        "file", description="the file's steps in their order; all steps of its task in their usual "
        "order; the file's steps, each once, the order not told"
    )  # fmt: skip
    scores: Literal["raw", "log_softmax"] = Field(
        "raw", description="products as they are; or over the steps of each row, log-probabilities"
    )
    temperature: float = Field(1.0, gt=0, description="what scores are divided by first")
    background: str = Field(
        "mean", description="score of a row without a step: a number; or mean, that of all scores "
        "of the file; or words, the highest between the words of two steps"
    )  # fmt: skip
    shortest: int = Field(1, ge=1, description="rows of a step at least, for IoD, IoU and frames")
    mean_rows: float | None = Field(
        None, gt=0, description="rows of a step by a Poisson distribution; for log_softmax"
    )
    hit: Literal["middle", "touch"] = Field(
        "middle", description="a step is right where the middle of its row is within a true one; "
        "or where the row touches one"
    )  # fmt: skip
    match: Literal["best", "one-to-one"] = Field(
        "best", description="true spans to found ones of their label, for IoD and IoU"
    )
    missing: Literal["missed", "out"] = Field(
        "missed", description="a file none of whose rows has the modalities: all of it wrong, or "
        "left out"
    )  # fmt: skip
    frame_rate: float = Field(10.0, gt=0, description="frames a second that are counted")

    @model_validator(mode="after")
    def _words_are_raw(self) -> Localization:
        if self.background == "words" and self.scores != "raw":
            raise ValueError("background=words compares raw scores; take scores=raw")
        return self

    @field_validator("background")
    @classmethod
    def _a_number(cls, value: str) -> str:
        try:
            finite = value in GROUNDS or np.isfinite(float(value))
        except ValueError:
            finite = False
        if not finite:
            raise ValueError(f"a number, {' or '.join(GROUNDS)}")
        return value


@dataclass(frozen=True)
class TimeLine:
    """The rows of a file in order of start: ``spans`` (T, 2) seconds, ``vectors`` (T, D)."""

    spans: Numbers
    vectors: Floats


@dataclass(frozen=True)
class Placed:
    """What was found in one file: a span for each step that recall looks at, and what lies where.

    ``at`` (P, 2) with ``of`` (P,), the steps' places; ``spans`` (M, 2) with ``labels`` (M,).
    """

    at: Numbers
    of: NDArray[np.int64]
    spans: Numbers
    labels: NDArray[np.int64]


def localize(
    table: EmbeddingTable,
    videos: Sequence[Steps],
    words: Mapping[str, Floats],
    settings: Localization | None = None,
) -> Found:
    """Place the steps of every video on the rows of its path, in the order of time.

    ``words`` are vectors of the steps' words in the shared space. The figures, over videos:

    - recall: each step on one row (`points`, the programme of CrossTask; its highest row if no
      order is told), right steps over all true ones, pooled over a task's videos, mean over tasks;
    - recall of videos: each video's own, mean over a task's videos, then over tasks, as MCN has it;
    - IoD, IoU: steps on stretches of rows (`spans`; each row its highest step if no order is told),
      of every true span what the found one of its label shares with it, mean over a video's spans;
    - frames: share of frames whose label is right, background too, of all frames of all videos;
      frames of steps: the same over the frames where truth has a step.

    Files of ``videos`` that are not in the table are left out and counted. A step whose words have
    no vector scores as background does. Raises UserError where nothing can be compared.
    """
    settings = settings or Localization()
    through = settings.through or _usual(table)
    settings = settings.model_copy(update={"through": tuple(through)})
    there = table.column("path").astype(str)
    videos, unknown = located(in_order(videos, settings.order), list(there), table.root)
    lines = time_lines(table, {video.path for video in videos}, through)
    kept = [one for one in videos if len(one.of)]
    if settings.missing == "out":
        kept = [one for one in kept if len(lines[one.path].spans)]
    if not kept or not any(len(lines[one.path].spans) for one in kept):
        raise UserError(f"none of the {len(videos)} files has rows of {' and '.join(through)}")
    unworded = sorted({word for one in kept for word in one.words if word not in words})
    if unworded and not any(word in words for one in kept for word in one.words):
        raise UserError("the words of no step mean anything to the model")
    found = [_place(lines[one.path], one, words, settings) for one in kept]
    tallies = _tallies(kept, found, lines, settings)
    protocol = {
        **settings.model_dump(mode="json"),
        "score": "dot product of the words' shared vector with the sum of the row's",
        "rows": "the clips of a file in the order of time, overlapping ones cut half way between "
        "their middles; those without the modalities are passed over",
        "n_files": len(kept),
        "n_files_not_in_the_embeddings": len(unknown),
        "n_files_without_rows": sum(not len(lines[one.path].spans) for one in kept),
        "n_files_left_out": len(videos) - len(kept),
        "n_true_steps": int(sum(len(one.of) for one in kept)),
        "n_steps_unknown_to_the_model": len(unworded),
        "n_rows": int(sum(len(lines[one.path].spans) for one in kept)),
        "seconds_of_a_row": _median_length([lines[one.path] for one in kept]),
        "n_files_of_fewer_rows_than_steps": sum(
            len(lines[one.path].spans) < len(one.words) for one in kept
        ),
        "chance": CHANCE[settings.order == "none"],
        **interval_protocol(np.array([one.path for one in kept])),
    }
    return Found(tallies, _chance(kept, lines, words, settings), protocol)


def time_lines(
    table: EmbeddingTable, paths: set[str], through: Sequence[str]
) -> dict[str, TimeLine]:
    """The rows of each of ``paths`` that have any of the modalities, by path, in order of time.

    Of rows that overlap, each has the time that is nearer to its middle than to its neighbours'.
    """
    joint = summed(table, through, complete=False)
    start, end = table.column("start"), table.column("end")
    every = table.column("path").astype(str)
    order = np.lexsort((start + end, every))
    order = order[joint.present[order]]
    sorted_paths = every[order]
    found = {}
    for path in paths:
        first, last = np.searchsorted(sorted_paths, path), np.searchsorted(
            sorted_paths, path, side="right"
        )  # fmt: skip
        rows = order[first:last]
        found[path] = TimeLine(_apart(start[rows], end[rows]), joint.values[rows])
    return found


def _apart(start: Numbers, end: Numbers) -> Numbers:
    """Spans (T, 2) of rows in the order of their middles, cut where they overlap."""
    spans = np.stack([start, end], axis=1).astype(np.float64)
    middle = spans.mean(axis=1)
    between = (middle[1:] + middle[:-1]) / 2
    over = spans[:-1, 1] > spans[1:, 0]
    spans[:-1, 1] = np.where(over, np.minimum(spans[:-1, 1], between), spans[:-1, 1])
    spans[1:, 0] = np.where(over, np.maximum(spans[1:, 0], between), spans[1:, 0])
    return spans


def step_scores(
    vectors: Floats, steps: Steps, words: Mapping[str, Floats], settings: Localization
) -> tuple[Numbers, float]:
    """Scores (T, K) of one file and its background, as the settings have them."""
    known = [place for place, word in enumerate(steps.words) if word in words]
    if not known:
        return np.zeros((len(vectors), len(steps.words))), 0.0
    asked = np.stack([words[steps.words[place]] for place in known]).astype(np.float64)
    if asked.shape[1] != vectors.shape[1]:
        raise UserError(
            f"the steps' vectors have {asked.shape[1]} numbers and the clips' {vectors.shape[1]}: "
            "they come from two models; embed the clips again"
        )
    values = vectors.astype(np.float64) @ asked.T / settings.temperature
    if settings.scores == "log_softmax":
        values = log_softmax(values)
    ground = _ground(values, asked, settings)
    scores = np.full((len(vectors), len(steps.words)), ground)
    scores[:, known] = values
    return scores, ground


def _ground(values: Numbers, asked: Numbers, settings: Localization) -> float:
    """What a row without a step scores, beside scores ``values`` (T, K) of words (K, D)."""
    if settings.background == "mean":
        return float(values.mean())
    if settings.background == "words":
        # As MMPT has it for COIN: no nearer to a step than another step's words are.
        apart = np.unique(asked, axis=0)
        alike = apart @ apart.T / settings.temperature
        np.fill_diagonal(alike, -np.inf)
        return float(alike.max()) if len(apart) > 1 else 0.0
    return float(settings.background)


def _usual(table: EmbeddingTable) -> list[str]:
    known = modalities_of(table)
    return [name for name in known if name != "text"] or known


def _place(
    line: TimeLine, steps: Steps, words: Mapping[str, Floats], settings: Localization
) -> Placed:
    if not len(line.spans):
        return _placed(line, np.zeros(0, np.int64), _nowhere(len(steps.words)), steps)
    scores, ground = step_scores(line.vectors, steps, words, settings)
    if settings.order == "none":
        return _placed(line, best_steps(scores, ground), peaks(scores), steps)
    mean = settings.mean_rows
    stretched = spans(scores, ground, shortest=settings.shortest, mean_rows=mean)
    return _placed(line, stretched.steps(len(scores)), points(scores), steps)


def _chance(
    videos: Sequence[Steps],
    lines: Mapping[str, TimeLine],
    words: Mapping[str, Floats],
    settings: Localization,
) -> dict[str, float]:
    """The figures without a look at the rows: see CHANCE."""
    draws = []
    if settings.order != "none":
        even = [_evenly(lines[one.path], one) for one in videos]
        draws = [_tallies(videos, even, lines, settings)]
    for draw in range(SHUFFLES if not draws else 0):
        random = np.random.default_rng(derive(0, "shuffle", draw))
        mixed = {
            path: TimeLine(line.spans, random.permutation(line.vectors))
            for path, line in sorted(lines.items())
        }
        found = [_place(mixed[one.path], one, words, settings) for one in videos]
        draws.append(_tallies(videos, found, lines, settings))
    return {
        several[0].metric: float(np.mean([tally.value for tally in several]))
        for several in zip(*draws, strict=True)
    }


def _evenly(line: TimeLine, steps: Steps) -> Placed:
    """Steps of equal length that fill the file, in order; one row in the middle of each."""
    count, rows = len(steps.words), len(line.spans)
    if not rows:
        return _placed(line, np.zeros(0, np.int64), _nowhere(count), steps)
    of = np.arange(rows) * count // rows
    middle = np.minimum(((np.arange(count) + 0.5) * rows / count).astype(np.int64), rows - 1)
    return _placed(line, of, Alignment(middle, middle + 1, 0.0), steps)


def _nowhere(count: int) -> Alignment:
    nothing = np.full(count, -1, np.int64)
    return Alignment(nothing, nothing, 0.0)


def _placed(line: TimeLine, of_rows: NDArray[np.int64], rows: Alignment, steps: Steps) -> Placed:
    """Rows to seconds, and steps to labels: two steps of the same words have one label."""
    labels = _labels(steps)
    of = np.flatnonzero(rows.placed)
    at = np.stack([line.spans[rows.starts[of], 0], line.spans[rows.ends[of] - 1, 1]], axis=1)
    held, steps_held = overlap.stretches(line.spans, of_rows)
    return Placed(at, of, held, labels[steps_held])


def _labels(steps: Steps) -> NDArray[np.int64]:
    """A number for each step's words, (K,)."""
    return np.unique(np.array(steps.words), return_inverse=True)[1].astype(np.int64)


def _tallies(
    videos: Sequence[Steps],
    found: Sequence[Placed],
    lines: Mapping[str, TimeLine],
    settings: Localization,
) -> list[Tally]:
    columns: dict[str, list[tuple[float, float]]] = {metric: [] for metric in METRICS}
    for steps, placed in zip(videos, found, strict=True):
        for metric, pair in _of_video(steps, placed, lines[steps.path], settings).items():
            columns[metric].append(pair)
    names = np.array([one.path for one in videos])
    tasks = np.array([one.task for one in videos])
    pooled = {"recall", "frames", "frames of steps"}
    by_task = {"recall", "recall of videos"}
    tallies = []
    for metric, pairs in columns.items():
        values, weights = np.array(pairs).T
        kept = weights > 0
        tallies.append(
            Tally(
                metric, values[kept][:, None], names[kept], names[kept],
                weights[kept] if metric in pooled else None,
                tasks[kept] if metric in by_task else None,
            )
        )  # fmt: skip
    return tallies


def _of_video(
    steps: Steps, placed: Placed, line: TimeLine, settings: Localization
) -> dict[str, tuple[float, float]]:
    """Every metric's share of one video, and of how many it is the share."""
    words = _labels(steps)
    labels = words[steps.of]
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
    return {
        "recall": (recall, wanted),
        "recall of videos": (recall, 1.0),
        "IoD": (shares["IoD"], 1.0),
        "IoU": (shares["IoU"], 1.0),
        "frames": (float((truth == seen).mean()), count),
        "frames of steps": (
            float((truth == seen)[of_steps].mean()) if of_steps.any() else 0.0,
            float(of_steps.sum()),
        ),
    }


def _median_length(lines: Sequence[TimeLine]) -> float:
    every = np.concatenate([line.spans for line in lines])
    return round(float(np.median(every[:, 1] - every[:, 0])), 3)
