"""What an evaluator takes and gives; it knows nothing of training, files or tables."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from triptych.errors import UserError
from triptych.evaluate import bootstrap
from triptych.evaluate.folds import Fold, Rows, Strings, by_column, by_group, by_split

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Examples:
    """Labelled examples: a clip each, or a video each."""

    features: Floats  # [N, D]
    present: NDArray[np.bool_]  # [N], false where the features are absent
    labels: Strings  # [N]
    groups: Strings  # [N], what must not be in both training and test
    folds: Strings | None = None  # [N], wins over split
    split: Strings | None = None  # [N], train or test
    names: Strings | None = None  # [N], path or clip_id

    def __post_init__(self) -> None:
        for column in (self.present, self.labels, self.groups, self.folds, self.split, self.names):
            if column is not None and column.shape != (len(self.features),):
                raise ValueError(f"a column is {column.shape}, the features {self.features.shape}")

    def usable(self) -> Examples:
        """Only those whose features are present. Raises UserError where none or broken."""
        kept = self.present
        if not kept.any():
            raise UserError(
                f"none of the {len(kept)} labelled examples has these vectors; choose another "
                "vector or label other clips"
            )
        broken = int(np.count_nonzero(~np.isfinite(self.features[kept]).all(axis=1)))
        if broken:
            raise UserError(
                f"{broken} of {int(kept.sum())} vectors hold NaN or infinity; the checkpoint has "
                "diverged: embed with an earlier one"
            )
        if kept.all():
            return self
        folds, split, names = (
            None if column is None else column[kept]
            for column in (self.folds, self.split, self.names)
        )
        return Examples(
            self.features[kept],
            kept[kept],
            self.labels[kept],
            self.groups[kept],
            folds,
            split,
            names,
        )

    def plan(self, seed: int) -> tuple[list[Fold], str]:
        """The folds to go through, and in words where they are from."""
        if self.folds is not None:
            return by_column(self.folds), "the labels' column fold"
        if self.split is not None:
            return by_split(self.split), "the labels' column split"
        drawn = by_group(self.groups, self.labels, seed)
        return drawn, f"{len(drawn)} folds drawn by group, stratified, seed {seed}"


class Measure(NamedTuple):
    """One figure, and the examples it is a share of."""

    metric: str
    value: float
    low: float
    high: float
    n: int


@dataclass(frozen=True)
class Outcome:
    """The figures, each example's prediction, and all that makes the figures mean something."""

    measures: list[Measure]
    predictions: (
        Strings  # [N], or [N, draws], of the examples given; "" where nothing was predicted
    )
    protocol: dict[str, Any] = field(default_factory=dict)


class Evaluator(Protocol):
    """Scores features against labels."""

    @property
    def name(self) -> str:
        """What rows and results call it."""

    def __call__(self, examples: Examples, seed: int) -> Outcome:
        """Evaluate; raises UserError where the labels do not allow it."""


Predict = Callable[[Floats, Strings, Floats, Fold], Strings]


def cross_validate(examples: Examples, predict: Predict, seed: int) -> Outcome:
    """Predict every test fold from its training part and score all tests together.

    ``predict(train features, train labels, test features, fold)`` gives test labels [M], or
    [M, draws] where it draws something: each draw counts alike.
    """
    usable = examples.usable()
    folds, source = usable.plan(seed)
    found = []
    for fold in folds:
        _refuse_one_class(usable.labels[fold.train], fold, len(folds))
        train, test = usable.features[fold.train], usable.features[fold.test]
        found.append(predict(train, usable.labels[fold.train], test, fold))
    draws = found[0].shape[1:]
    predicted = np.full((len(usable.labels), *draws), "", dtype=object)
    for fold, labels in zip(folds, found, strict=True):
        predicted[fold.test] = labels
    tested = np.sort(np.concatenate([fold.test for fold in folds]))
    every = np.full((len(examples.labels), *draws), "", dtype=object)
    every[examples.present] = predicted
    protocol = {
        "folds": source,
        "groups": "never in both" if not _leaks(usable, folds) else "SOME IN BOTH, see below",
        "groups_in_both_training_and_test": _leaks(usable, folds),
        "n_without_vector": int(np.count_nonzero(~examples.present)),
        "n_classes": len(np.unique(usable.labels)),
        "chance": _commonest(usable.labels[tested]),
        "per_fold": [_describe(usable, fold, predicted) for fold in folds],
        **interval_protocol(usable.groups[tested]),
    }
    measures = _score(usable, predicted, tested, seed)
    return Outcome(measures, every.astype(str), protocol)


def interval_protocol(groups: Strings, draws: int = bootstrap.DRAWS) -> dict[str, Any]:
    """How the intervals are made, for the protocol."""
    count = len(np.unique(groups))
    return {
        "interval": "95 % percentile bootstrap over groups of the test, not over training seeds",
        "interval_groups": count,
        "interval_draws": bootstrap.draws_for(count, draws),
    }


def _score(
    examples: Examples, predicted: NDArray[np.object_], tested: Rows, seed: int
) -> list[Measure]:
    labels, groups = examples.labels[tested], examples.groups[tested]
    right = rights(predicted[tested], labels)
    return [
        Measure("accuracy", *bootstrap.share(right, groups, seed), len(tested)),
        Measure(
            "class_accuracy", *bootstrap.share(right, groups, seed, classes=labels), len(tested)
        ),
    ]


def rights(predicted: NDArray[Any], labels: Strings) -> NDArray[np.float64]:
    """The share of draws in which each of [N] or [N, draws] predictions is its label, (N,)."""
    shares: NDArray[np.float64] = (predicted.reshape(len(labels), -1) == labels[:, None]).mean(1)
    return shares


def _describe(examples: Examples, fold: Fold, predicted: NDArray[np.object_]) -> dict[str, Any]:
    truth = examples.labels[fold.test]
    return {
        "fold": fold.name,
        "n_train": len(fold.train),
        "n_test": len(fold.test),
        "accuracy": float(rights(predicted[fold.test], truth).mean()),
        "n_test_of_classes_not_in_training": int(
            np.count_nonzero(~np.isin(truth, examples.labels[fold.train]))
        ),
    }


def _leaks(examples: Examples, folds: list[Fold]) -> int:
    both = [
        np.intersect1d(examples.groups[fold.train], examples.groups[fold.test]) for fold in folds
    ]
    return len(np.unique(np.concatenate(both)))


def _commonest(labels: Strings) -> float:
    return float(np.unique(labels, return_counts=True)[1].max() / len(labels))


def _refuse_one_class(labels: Strings, fold: Fold, folds: int) -> None:
    names = np.unique(labels)
    if len(names) < 2:
        where = f" of fold {fold.name}" if folds > 1 else ""
        raise UserError(
            f"labels: the training part{where} holds only one class, {str(names[0])!r}; a probe "
            "needs at least two: label more clips or change the folds"
        )
