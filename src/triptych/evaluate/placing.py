"""Steps in words placed on the rows of one file: scores, background, and which row is whose."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
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
from triptych.errors import UserError
from triptych.evaluate import overlap
from triptych.evaluate.joint import Floats, Name
from triptych.evaluate.steps import Steps
from triptych.evaluate.time_line import Numbers, TimeLine
from triptych.seeds import derive

SHUFFLES = 20
CHANCE = (
    "steps spread evenly over the file, in order, without a look at it",
    f"the rows of each file shuffled, mean of {SHUFFLES} draws",
)
GROUNDS = ("mean", "words")
ROWS_AT_ONCE = 1024


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
    detection: bool = Field(
        False, description="also AP, recall and F1 of found spans at IoU 0.1 to 0.9, and mIoU, as "
        "for COIN"
    )  # fmt: skip

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
class Scored:
    """What each row says of each step, (T, K), and what a row without a step scores."""

    values: Numbers
    ground: float


class Scorer:
    """The scores of files, one after another; ``words`` are the vectors of the steps' words."""

    def __init__(self, words: Mapping[str, Floats], settings: Localization) -> None:
        self.words = words
        self.settings = settings
        # Files of one task ask for the same steps, and those of COIN all for all of 778.
        self._last: tuple[tuple[str, ...], Numbers] = ((), np.zeros((0, 0)))
        self._alike: dict[tuple[str, ...], float] = {}

    def __call__(self, vectors: Floats, steps: tuple[str, ...]) -> Scored:
        """The scores of rows (T, D) for ``steps``, as the settings have them.

        A step whose words have no vector scores as background does. Raises UserError where words
        and rows are of two widths.
        """
        known = [place for place, word in enumerate(steps) if word in self.words]
        if not known or not len(vectors):
            return Scored(np.zeros((len(vectors), len(steps))), 0.0)
        asked = self._asked(tuple(steps[place] for place in known))
        if asked.shape[1] != vectors.shape[1]:
            raise UserError(
                f"the steps' vectors have {asked.shape[1]} numbers and the clips' "
                f"{vectors.shape[1]}: they come from two models; embed the clips again"
            )
        values = np.concatenate(
            [
                vectors[first : first + ROWS_AT_ONCE].astype(np.float64) @ asked.T
                for first in range(0, len(vectors), ROWS_AT_ONCE)
            ]
        )
        values /= self.settings.temperature
        if self.settings.scores == "log_softmax":
            values = log_softmax(values)
        ground = self._ground(values, asked)
        if len(known) == len(steps):
            return Scored(values, ground)
        scores = np.full((len(vectors), len(steps)), ground)
        scores[:, known] = values
        return Scored(scores, ground)

    def _asked(self, steps: tuple[str, ...]) -> Numbers:
        if self._last[0] != steps:
            vectors = np.stack([self.words[word] for word in steps]).astype(np.float64)
            self._last = steps, vectors
        return self._last[1]

    def _ground(self, values: Numbers, asked: Numbers) -> float:
        """What a row without a step scores, beside scores ``values`` (T, K) of words (K, D)."""
        if self.settings.background == "mean":
            return float(values.mean())
        if self.settings.background != "words":
            return float(self.settings.background)
        if self._last[0] not in self._alike:
            # As MMPT has it for COIN: no nearer to a step than another step's words are.
            apart = np.unique(asked, axis=0)
            alike = apart @ apart.T / self.settings.temperature
            np.fill_diagonal(alike, -np.inf)
            self._alike[self._last[0]] = float(alike.max()) if len(apart) > 1 else 0.0
        return self._alike[self._last[0]]


@dataclass(frozen=True)
class Placed:
    """What was found in one file: a span for each step that recall looks at, and what lies where.

    ``at`` (P, 2) with ``of`` (P,), the steps' places; ``spans`` (M, 2) with ``labels`` (M,), those
    of `Steps.labels`, and ``scores`` (M,), the mean of their rows above background.
    """

    at: Numbers
    of: NDArray[np.int64]
    spans: Numbers
    labels: NDArray[np.int64]
    scores: Numbers


def place(line: TimeLine, steps: Steps, scored: Scored, settings: Localization) -> Placed:
    """The steps where their scores are highest, in order or each by itself."""
    if not len(line.spans):
        return _placed(line, np.zeros(0, np.int64), _nowhere(len(steps.words)), steps, scored)
    values, ground = scored.values, scored.ground
    if settings.order == "none":
        return _placed(line, best_steps(values, ground), peaks(values), steps, scored)
    stretched = spans(values, ground, shortest=settings.shortest, mean_rows=settings.mean_rows)
    return _placed(line, stretched.steps(len(values)), points(values), steps, scored)


def by_chance(
    line: TimeLine, steps: Steps, scored: Scored, settings: Localization
) -> Iterator[Placed]:
    """The steps without a look at the rows, in one draw or in `SHUFFLES`: see `CHANCE`."""
    if settings.order != "none":
        yield _evenly(line, steps, scored)
        return
    for draw in range(SHUFFLES):
        order = np.random.default_rng(derive(0, "shuffle", draw, steps.path)).permutation(
            len(scored.values)
        )
        yield place(line, steps, Scored(scored.values[order], scored.ground), settings)


def _evenly(line: TimeLine, steps: Steps, scored: Scored) -> Placed:
    """Steps of equal length that fill the file, in order; one row in the middle of each."""
    count, rows = len(steps.words), len(line.spans)
    if not rows:
        return _placed(line, np.zeros(0, np.int64), _nowhere(count), steps, scored)
    of = np.arange(rows) * count // rows
    middle = np.minimum(((np.arange(count) + 0.5) * rows / count).astype(np.int64), rows - 1)
    return _placed(line, of, Alignment(middle, middle + 1, 0.0), steps, scored)


def _nowhere(count: int) -> Alignment:
    nothing = np.full(count, -1, np.int64)
    return Alignment(nothing, nothing, 0.0)


def _placed(
    line: TimeLine, of_rows: NDArray[np.int64], rows: Alignment, steps: Steps, scored: Scored
) -> Placed:
    """Rows to seconds, and steps to labels: two steps of the same words have one label."""
    of = np.flatnonzero(rows.placed)
    at = np.stack([line.spans[rows.starts[of], 0], line.spans[rows.ends[of] - 1, 1]], axis=1)
    held, steps_held = overlap.stretches(line.spans, of_rows)
    taken = np.flatnonzero(of_rows != overlap.BACKGROUND)
    stretch = np.searchsorted(held[:, 0], line.spans[taken, 0], side="right") - 1
    gains = scored.values[taken, of_rows[taken]] - scored.ground
    scores = np.bincount(stretch, gains, len(held)) / np.bincount(stretch, minlength=len(held))
    return Placed(at, of, held, steps.labels[steps_held], scores)
