"""Found spans of time against true ones: recall, IoU, IoD, accuracy of frames.

Spans are (N, 2) in seconds, start before end; labels (N,) whole numbers from 0, -1 is background.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import linear_sum_assignment

Numbers = NDArray[np.float64]
Labels = NDArray[np.int64]
BACKGROUND = -1
MATCHES = ("best", "one-to-one")
HITS = ("middle", "touch")


def common(truth: ArrayLike, found: ArrayLike) -> Numbers:
    """Seconds that each true and each found span share, (N, M)."""
    true, seen = _spans(truth), _spans(found)
    start = np.maximum(true[:, None, 0], seen[None, :, 0])
    end = np.minimum(true[:, None, 1], seen[None, :, 1])
    return np.asarray(np.maximum(end - start, 0.0))


def iou(truth: ArrayLike, found: ArrayLike) -> Numbers:
    """Shared seconds over those that either holds, (N, M)."""
    shared = common(truth, found)
    together = _lengths(truth)[:, None] + _lengths(found)[None, :] - shared
    return np.asarray(shared / np.where(together > 0, together, 1.0))


def iod(truth: ArrayLike, found: ArrayLike) -> Numbers:
    """Shared seconds over those of the found span, its detection, (N, M)."""
    lengths = _lengths(found)
    return np.asarray(common(truth, found) / np.where(lengths > 0, lengths, 1.0)[None, :])


def matched(overlap: ArrayLike, truth: ArrayLike, found: ArrayLike, match: str = "best") -> Numbers:
    """What each true span gets of ``overlap`` (N, M) from found spans of its label, (N,); else 0.

    ``match`` "best": the highest, and one found span may serve several true ones, as for Mining
    YouTube and in Ding and Xu (2018). "one-to-one": each serves one, so that the sum is highest.
    """
    values = np.where(np.equal.outer(np.asarray(truth), np.asarray(found)), overlap, 0.0)
    if match == "best":
        return np.asarray(values.max(axis=1, initial=0.0))
    each = np.zeros(len(values))
    rows, columns = linear_sum_assignment(values, maximize=True)
    each[rows] = values[rows, columns]
    return each


def recalled(
    truth: ArrayLike, labels: ArrayLike, found: ArrayLike, of: ArrayLike, hit: str = "middle"
) -> NDArray[np.bool_]:
    """Which of the found spans lies on a true span of its label, (M,).

    ``hit`` "middle": its middle is within one, the ends of a true span counting to it; "touch": it
    shares some time with one, as for CrossTask, where a second counts to every step that it
    touches.
    """
    true, seen = _spans(truth), _spans(found)
    same = np.equal.outer(np.asarray(labels), np.asarray(of)).reshape(len(true), len(seen))
    if hit == "touch":
        on = common(true, seen) > 0
    else:
        middle = seen.mean(axis=1)
        on = (true[:, None, 0] <= middle) & (middle <= true[:, None, 1])
    return np.asarray((same & on).any(axis=0))


def frames(spans: ArrayLike, labels: ArrayLike, count: int, rate: float) -> Labels:
    """The label at the middle of each of ``count`` frames, ``rate`` a second; later spans win."""
    times = (np.arange(count) + 0.5) / rate
    out = np.full(count, BACKGROUND, np.int64)
    for (start, end), label in zip(_spans(spans), np.asarray(labels), strict=True):
        out[(start <= times) & (times < end)] = label
    return out


def stretches(spans: ArrayLike, labels: ArrayLike) -> tuple[Numbers, Labels]:
    """Rows (T, 2) with labels (T,) as spans: neighbours of a label joined, background left out."""
    rows, names = _spans(spans), np.asarray(labels, np.int64)
    if not len(rows):
        return rows, names
    cuts = (names[1:] != names[:-1]) | (rows[1:, 0] > rows[:-1, 1])
    first = np.flatnonzero(np.append(True, cuts))
    last = np.append(first[1:], len(rows)) - 1
    kept = names[first] != BACKGROUND
    return np.stack([rows[first, 0], rows[last, 1]], axis=1)[kept], names[first][kept]


def _spans(spans: ArrayLike) -> Numbers:
    return np.asarray(spans, np.float64).reshape(-1, 2)


def _lengths(spans: ArrayLike) -> Numbers:
    values = _spans(spans)
    return np.asarray(values[:, 1] - values[:, 0])
