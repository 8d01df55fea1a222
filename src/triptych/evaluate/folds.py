"""Which examples train and which test, so that nothing of a test group is seen in training."""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold

from triptych.errors import UserError
from triptych.seeds import derive

Rows = NDArray[np.int64]
Strings = NDArray[np.str_]


class Fold(NamedTuple):
    """Rows of the examples; ``name`` is what the labels call the fold that is tested."""

    name: str
    train: Rows
    test: Rows


def by_column(folds: Strings) -> list[Fold]:
    """Test on each of the values of ``folds`` [N], train on the others."""
    names = np.unique(folds)
    if len(names) < 2:
        raise UserError(
            f"labels: the column fold holds only {str(names[0])!r}; at least two folds are needed, "
            "or no column fold at all"
        )
    return [
        Fold(str(name), np.flatnonzero(folds != name), np.flatnonzero(folds == name))
        for name in names
    ]


def by_split(split: Strings) -> list[Fold]:
    """Train on ``train`` and test on ``test`` of ``split`` [N]."""
    fold = Fold("test", np.flatnonzero(split == "train"), np.flatnonzero(split == "test"))
    for name, rows in (("train", fold.train), ("test", fold.test)):
        if not len(rows):
            raise UserError(
                f"labels: the column split leaves nothing to {name} on; mark some rows "
                f"{name!r}, or leave the column out"
            )
    return [fold]


def by_group(groups: Strings, labels: Strings, seed: int, count: int = 5) -> list[Fold]:
    """Draw up to ``count`` folds that keep each group whole and labels about even."""
    _, members = np.unique(labels, return_counts=True)
    count = min(count, len(np.unique(groups)), int(members.max()))
    if count < 2:
        raise UserError(
            "labels: all labelled clips are of one group or every label is met only once, so "
            "nothing can be tested on unseen sources; label more files, or give a column group"
        )
    splitter: Any = StratifiedGroupKFold(
        count, shuffle=True, random_state=derive(seed, "folds") % 2**32
    )
    with warnings.catch_warnings():
        # A label with fewer examples than folds is no fault here: it is counted where it is unseen.
        warnings.simplefilter("ignore", UserWarning)
        drawn = list(splitter.split(np.zeros(len(labels)), labels, groups))
    return [
        Fold(str(name), train, test)
        for name, (train, test) in enumerate(drawn, 1)
        if len(train) and len(test)
    ]
