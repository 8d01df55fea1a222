"""Overlaps on cases worked by hand, and against counting on a fine grid of time."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from triptych.evaluate.overlap import (
    common,
    frames,
    iod,
    iou,
    matched,
    recalled,
    stretches,
)

span = st.tuples(st.integers(0, 20), st.integers(1, 8)).map(lambda one: (one[0], sum(one)))
labelled = st.lists(st.tuples(span, st.integers(0, 2)), min_size=1, max_size=4)


def seconds(one: tuple[int, int]) -> set[int]:
    return set(range(*one))


@settings(max_examples=100, deadline=None)
@given(labelled, labelled)
def test_overlaps_are_those_of_sets_of_seconds(
    truth: list[tuple[tuple[int, int], int]], found: list[tuple[tuple[int, int], int]]
) -> None:
    true, labels = [one for one, _ in truth], [label for _, label in truth]
    seen, of = [one for one, _ in found], [label for _, label in found]
    sets = [[(seconds(a), seconds(b)) for b in seen] for a in true]
    np.testing.assert_array_equal(common(true, seen), [[len(a & b) for a, b in r] for r in sets])
    joint = [[len(a & b) / len(a | b) for a, b in r] for r in sets]
    np.testing.assert_allclose(iou(true, seen), joint)
    np.testing.assert_allclose(iod(true, seen), [[len(a & b) / len(b) for a, b in r] for r in sets])
    # Shares do not hang on the unit of time: spans of a part of a second are spans.
    for measure in (iou, iod):
        brief = measure(np.array(true) / 64, np.array(seen) / 64)
        np.testing.assert_allclose(brief, measure(true, seen))
    same = np.equal.outer(labels, of)
    best = [
        max((v for v, s in zip(r, q, strict=True) if s), default=0)
        for r, q in zip(joint, same, strict=True)
    ]
    np.testing.assert_allclose(matched(iou(true, seen), labels, of), best)
    # One to one: over all ways to give every true span another found one, or none.
    padded = np.pad(np.where(same, joint, 0), ((0, 0), (0, len(true))))
    ways = permutations(range(padded.shape[1]), len(true))
    most = max(sum(padded[row, column] for row, column in enumerate(way)) for way in ways)
    one_to_one = matched(iou(true, seen), labels, of, "one-to-one")
    assert one_to_one.sum() == pytest.approx(most)
    assert (one_to_one <= np.array(best) + 1e-12).all()
    touched = [any(a & b and s for (a, b), s in zip(column, t, strict=True))
               for column, t in zip(zip(*sets, strict=True), same.T, strict=True)]  # fmt: skip
    assert recalled(true, labels, seen, of, "touch").tolist() == touched
    middles = [any(a <= (b + c) / 2 <= d and label == mine for (a, d), label in truth)
               for (b, c), mine in found]  # fmt: skip
    assert recalled(true, labels, seen, of).tolist() == middles


def test_the_figures_of_the_reference_by_hand() -> None:
    """Mean IoU 36.67 and mean IoD 75.0 of two steps: 4 of 10 inside; and 2 shared of 4 and 4."""
    truth, found = [(0, 10), (20, 24)], [(2, 6), (22, 26)]
    np.testing.assert_allclose(np.diag(iou(truth, found)), [0.4, 1 / 3])
    np.testing.assert_allclose(np.diag(iod(truth, found)), [1.0, 0.5])
    assert 100 * matched(iou(truth, found), [0, 1], [0, 1]).mean() == pytest.approx(36.67, abs=5e-3)
    assert 100 * matched(iod(truth, found), [0, 1], [0, 1]).mean() == pytest.approx(75.0)
    # Of another label nothing counts, and spans that are apart have nothing in common.
    assert matched(iou(truth, found), [0, 1], [1, 0]).tolist() == [0, 0]
    assert iou([(0, 1)], [(1, 2)]).tolist() == iod([(0, 1)], [(5, 6)]).tolist() == [[0]]


def test_one_detection_serves_several_true_spans_only_where_that_is_said() -> None:
    truth, found = [(0, 4), (4, 8)], [(1, 8)]
    np.testing.assert_allclose(matched(iou(truth, found), [0, 0], [0]), [3 / 8, 4 / 7])
    np.testing.assert_allclose(matched(iou(truth, found), [0, 0], [0], "one-to-one"), [0, 4 / 7])


def test_nothing_found_is_nothing_right() -> None:
    none = np.zeros((0, 2))
    assert matched(iou([(0, 1)], none), [0], []).tolist() == [0]
    assert matched(iou([(0, 1)], none), [0], [], "one-to-one").tolist() == [0]
    assert recalled(none, [], [(0, 1)], [0]).tolist() == [False]
    assert frames(none, [], 3, 1.0).tolist() == [-1] * 3


def test_frames_have_the_label_at_their_middle() -> None:
    assert frames([(0.4, 1.6), (1.5, 3)], [7, 8], 4, 1.0).tolist() == [7, 8, 8, -1]
    assert frames([(0.0, 0.5)], [0], 10, 10.0).tolist() == [0] * 5 + [-1] * 5


def test_rows_of_one_label_are_joined_unless_time_lies_between() -> None:
    rows = [(0, 1), (1, 2), (2, 3), (4, 5), (5, 6), (6, 7)]
    spans, labels = stretches(rows, [0, 0, -1, 2, 2, 1])
    assert spans.tolist() == [[0, 2], [4, 6], [6, 7]]
    assert labels.tolist() == [0, 2, 1]
    assert stretches([(0, 1), (3, 4)], [5, 5])[0].tolist() == [[0, 1], [3, 4]]
    assert len(stretches([], [])[0]) == 0
