"""Detections against brute force over their definitions, and cases worked by hand."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from triptych.evaluate.detection import (
    THRESHOLDS,
    Spans,
    average_precision,
    by_class,
    f1_of_videos,
    frame_iou,
    right,
)

One = tuple[int, int, int, int, int]  # video, class, start, length, score
ONES = st.tuples(
    st.integers(0, 2), st.integers(0, 2), st.integers(0, 9), st.integers(1, 6), st.integers(0, 4)
)


def spans_of(ones: list[One]) -> Spans:
    rows = np.array(ones, np.int64).reshape(-1, 5)
    spans = np.stack([rows[:, 2], rows[:, 2] + rows[:, 3]], axis=1).astype(float)
    return Spans(rows[:, 0], rows[:, 1], spans, rows[:, 4].astype(float))


def iou(one: One, other: One) -> Fraction:
    held, seen = (set(range(x[2], x[2] + x[3])) for x in (one, other))
    return Fraction(len(held & seen), len(held | seen))


def brute(truth: list[One], found: list[One], threshold: float) -> list[bool]:
    taken: set[int] = set()
    good = [False] * len(found)
    for place in sorted(range(len(found)), key=lambda i: (-found[i][4], i)):
        best, share = None, Fraction(-1)
        for i, one in enumerate(truth):
            if i not in taken and one[:2] == found[place][:2] and iou(one, found[place]) > share:
                best, share = i, iou(one, found[place])
        if best is not None and float(share) >= threshold:
            taken.add(best)
            good[place] = True
    return good


@settings(max_examples=200, deadline=None)
@given(st.lists(ONES, max_size=8), st.lists(ONES, max_size=12))
def test_right_ones_are_those_of_a_search_one_by_one(truth: list[One], found: list[One]) -> None:
    good = right(spans_of(truth), spans_of(found))
    assert good.shape == (9, len(found))
    for level, threshold in enumerate(THRESHOLDS):
        assert good[level].tolist() == brute(truth, found, threshold)


@given(st.lists(st.booleans(), max_size=12), st.integers(0, 3))
def test_average_precision_is_the_area_cell_by_cell(good: list[bool], more: int) -> None:
    wanted = max(1, sum(good) + more)
    points = [(sum(good[:n]), Fraction(sum(good[:n]), n)) for n in range(1, len(good) + 1)]
    area = sum(
        max((p for hits, p in points if hits >= level), default=Fraction(0))
        for level in range(1, wanted + 1)
    )
    scores = -np.arange(len(good), dtype=float)
    found = average_precision(np.array(good, bool), scores, wanted)
    assert found == pytest.approx(float(area / wanted))


def test_a_case_by_hand() -> None:
    # Class 0 in video 0 at 0-4 and 10-14, class 1 in video 1 at 0-10.
    truth = spans_of([(0, 0, 0, 4, 0), (0, 0, 10, 4, 0), (1, 1, 0, 10, 0)])
    found = spans_of(
        [(0, 0, 0, 4, 9), (0, 0, 1, 4, 8), (0, 0, 10, 8, 7), (1, 0, 0, 4, 9), (1, 1, 0, 3, 1)]
    )
    good = dict(zip(THRESHOLDS, right(truth, found), strict=True))
    assert good[0.3].tolist() == [True, False, True, False, True]
    assert good[0.5].tolist() == [True, False, True, False, False]
    assert good[0.6].tolist() == [True, False, False, False, False]
    classes, precision, recall = by_class(truth, found, good[0.5])
    assert classes.tolist() == [0, 1]
    # Of class 0 by score: right, wrong (of the other video), wrong, right: (1 + 2/4) / 2.
    np.testing.assert_allclose(precision, [0.75, 0.0])
    np.testing.assert_allclose(recall, [1.0, 0.0])
    each, weights = f1_of_videos(truth, found, good[0.5], 3)
    np.testing.assert_allclose(each, [2 * 2 / 5, 0, 0])
    assert weights.tolist() == [5, 3, 0]
    assert np.average(each, weights=weights) == pytest.approx(2 * 2 / (5 + 3))


@given(st.lists(st.tuples(st.integers(-1, 3), st.integers(-1, 3)), min_size=1, max_size=20))
def test_frame_iou_is_that_of_sets(frames: list[tuple[int, int]]) -> None:
    truth, seen = (np.array(column) for column in zip(*frames, strict=True))
    ratios = []
    for label in range(4):
        one, other = ({i for i, x in enumerate(of) if x == label} for of in (truth, seen))
        if one | other:
            ratios.append(len(one & other) / len(one | other))
    assert frame_iou(truth, seen) == pytest.approx(np.mean(ratios) if ratios else 0)


def test_nothing_found_and_nothing_true() -> None:
    truth, nothing = spans_of([(0, 0, 0, 4, 0)]), spans_of([])
    good = right(truth, nothing)[0]
    assert [part.tolist() for part in by_class(truth, nothing, good)] == [[0], [0], [0]]
    with pytest.raises(ValueError, match="no true span"):
        by_class(nothing, truth, good)
