"""Found spans as detections, scored as COIN's authors score steps (Tang et al. 2019, section 5).

Spans of all videos stand in one list: of which video and of which class each is, as numbers from 0,
its start and end in seconds, and of found ones a score.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from triptych.evaluate import overlap

Numbers = NDArray[np.float64]
Codes = NDArray[np.int64]
Bools = NDArray[np.bool_]
THRESHOLDS = tuple(round(0.1 * n, 1) for n in range(1, 10))


class Spans(NamedTuple):
    """N spans: their ``videos`` and ``classes`` (N,), ``spans`` (N, 2), ``scores`` (N,)."""

    videos: Codes
    classes: Codes
    spans: Numbers
    scores: Numbers  # zeros for true ones


def right(truth: Spans, found: Spans, thresholds: Sequence[float] = THRESHOLDS) -> Bools:
    """Which found spans are right at each IoU, (thresholds, M).

    From the highest score down, of equal ones the first given, each takes the true span of its
    video and class that it shares most with, of those that none has taken before, and is right
    where their IoU reaches the threshold.
    """
    out = np.zeros((len(thresholds), len(found.scores)), bool)
    order = np.argsort(-found.scores, kind="stable")
    there = dict(_groups(truth, np.arange(len(truth.scores))))
    for pair, rows in _groups(found, order):
        if pair not in there:
            continue
        shared = overlap.iou(truth.spans[there[pair]], found.spans[rows]).T
        for level, threshold in enumerate(thresholds):
            left = shared.copy()
            for row, values in zip(rows, left, strict=True):
                best = int(values.argmax())
                if values[best] >= threshold:
                    out[level, row] = True
                    left[:, best] = -1.0
    return out


def _groups(of: Spans, order: Codes) -> list[tuple[tuple[int, int], Codes]]:
    """The rows of each video and class, in the order of ``order``."""
    pairs = np.stack([of.videos, of.classes], axis=1)[order]
    if not len(pairs):
        return []
    known, which = np.unique(pairs, axis=0, return_inverse=True)
    sorted_rows = np.argsort(which.reshape(-1), kind="stable")
    parts = np.split(order[sorted_rows], np.cumsum(np.bincount(which.reshape(-1)))[:-1])
    return [((int(a), int(b)), rows) for (a, b), rows in zip(known, parts, strict=True)]


def average_precision(good: Bools, scores: Numbers, wanted: int) -> float:
    """The area under precision over recall, of ``good`` found spans (M,) and ``wanted`` true ones.

    Precision at a recall is the highest there or at a higher one, as for ActivityNet and PASCAL VOC
    since 2010. Equal scores stay in the order given.
    """
    ordered = good[np.argsort(-scores, kind="stable")]
    precision = ordered.cumsum() / np.arange(1, len(ordered) + 1)
    highest = np.maximum.accumulate(precision[::-1])[::-1]
    return float(highest[ordered].sum() / wanted)


def by_class(truth: Spans, found: Spans, good: Bools) -> tuple[Codes, Numbers, Numbers]:
    """The classes that truth has (C,), and average precision and recall of each at one IoU, (C,).

    ``good`` (M,) is a row of what `right` gives. Raises ValueError where there is no true span.
    """
    if not len(truth.classes):
        raise ValueError("no true span")
    classes, wanted = np.unique(truth.classes, return_counts=True)
    order = np.argsort(found.classes, kind="stable")
    of = found.classes[order]
    precision, recall = np.zeros(len(classes)), np.zeros(len(classes))
    for place, (one, count) in enumerate(zip(classes, wanted, strict=True)):
        rows = order[np.searchsorted(of, one) : np.searchsorted(of, one, side="right")]
        precision[place] = average_precision(good[rows], found.scores[rows], int(count))
        recall[place] = good[rows].sum() / count
    return classes, precision, recall


def f1_of_videos(truth: Spans, found: Spans, good: Bools, count: int) -> tuple[Numbers, Numbers]:
    """F1 of each of ``count`` videos at one IoU, (count,), and its weight.

    F1 is twice the right spans over all found and all true ones, the weight: with it the mean over
    videos is the F1 of all spans together.
    """
    hits = np.bincount(found.videos[good], minlength=count)
    weight = np.bincount(found.videos, minlength=count) + np.bincount(truth.videos, minlength=count)
    return 2 * hits / np.maximum(weight, 1), weight.astype(np.float64)


def frame_iou(truth: Codes, seen: Codes) -> float:
    """Of the labels of a video's frames (T,), true and found: frames in both over those in either.

    The mean over the labels that are in either, background aside; 0 where there are none.
    """
    shared = _counts(truth[truth == seen])
    true, held = _counts(truth), _counts(seen)
    labels = set(true) | set(held)
    ratios = [
        shared.get(x, 0) / (true.get(x, 0) + held.get(x, 0) - shared.get(x, 0)) for x in labels
    ]
    return float(np.mean(ratios)) if ratios else 0.0


def _counts(labels: Codes) -> dict[int, int]:
    known, counts = np.unique(labels[labels != overlap.BACKGROUND], return_counts=True)
    return dict(zip(known.tolist(), counts.tolist(), strict=True))
