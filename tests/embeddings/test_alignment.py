"""Every dynamic programme against all placements there are, on cases small enough to list them."""

import math
from collections.abc import Iterator
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import poisson

from triptych.embeddings.alignment import best_steps, log_softmax, peaks, points, spans
from triptych.errors import UserError

Span = tuple[int, int]


@st.composite
def tables(draw: st.DrawFn, rows: int = 7, steps: int = 4) -> np.ndarray:
    """Whole numbers of a small range, so that ties are many and sums exact."""
    shape = draw(st.integers(1, rows)), draw(st.integers(1, steps))
    cells = draw(st.lists(st.integers(-3, 3), min_size=math.prod(shape), max_size=math.prod(shape)))
    return np.array(cells, float).reshape(shape)


def paths(rows: int, steps: int) -> Iterator[list[int]]:
    """All sequences of the 2K+1 states, state by state as the protocol says: odd ones are steps."""

    def further(path: list[int]) -> Iterator[list[int]]:
        if len(path) == rows:
            if path[-1] in (2 * steps - 1, 2 * steps):
                yield path
            return
        last = path[-1] if path else 0
        moves = [last + 1] if last < 2 * steps else []
        moves += [last] if last % 2 == 0 else []
        moves += [last + 2] if last % 2 == 1 and last + 2 < 2 * steps else []
        for state in moves:
            yield from further([*path, state])

    yield from further([])


@settings(max_examples=150, deadline=None)
@given(tables())
def test_points_are_the_best_of_all_paths_through_the_states(scores: np.ndarray) -> None:
    rows, steps = scores.shape
    found = points(scores)
    values = {}
    for path in paths(rows, steps):
        at = tuple(path.index(2 * step + 1) for step in range(steps))
        values[at] = sum(scores[row, state // 2] for row, state in enumerate(path) if state % 2)
    assert bool(values) == (rows >= steps)
    if not values:
        return
    best = max(values.values())
    assert found.score == best
    ways = np.array([at for at, value in values.items() if value == best])
    np.testing.assert_array_equal(found.starts, ways.min(0))
    assert tuple(ways.min(0)) in values
    np.testing.assert_array_equal(found.ends, found.starts + 1)


@settings(max_examples=100, deadline=None)
@given(tables(4, 7))
def test_with_fewer_rows_than_steps_each_row_gets_a_step(scores: np.ndarray) -> None:
    rows, steps = scores.shape
    if rows >= steps:
        return
    ways = {way: scores[range(rows), way].sum() for way in combinations(range(steps), rows)}
    best = max(ways.values())
    earliest = min(way for way, value in ways.items() if value == best)
    for found in (points(scores), spans(scores), spans(scores, shortest=3, longest=4)):
        assert found.score == best
        np.testing.assert_array_equal(np.flatnonzero(found.placed), earliest)
        np.testing.assert_array_equal(found.starts[found.placed], range(rows))
        np.testing.assert_array_equal(found.ends[found.placed], np.arange(rows) + 1)
        assert (found.ends[~found.placed] == -1).all()


def placements(rows: int, steps: int, least: int, most: int) -> Iterator[list[Span]]:
    """All ways to lay steps of ``least`` to ``most`` rows in order."""

    def further(spans: list[Span], at: int) -> Iterator[list[Span]]:
        if len(spans) == steps:
            yield spans
            return
        for start in range(at, rows):
            for end in range(start + least, min(start + most, rows) + 1):
                yield from further([*spans, (start, end)], end)

    yield from further([], 0)


def best_of(scores: np.ndarray, least: int, most: int, lengths: np.ndarray) -> tuple[float, list]:
    """The best value, and of the ways with it the first by last end, last length, and on."""
    rows, steps = scores.shape
    ranked = []
    for way in placements(rows, steps, least, most):
        value = sum(scores[a:b, k].sum() + lengths[b - a, k] for k, (a, b) in enumerate(way))
        ranked.append((-value, [(b, b - a) for a, b in reversed(way)], way))
    ranked.sort(key=lambda one: one[:2])
    return -ranked[0][0], ranked[0][2]


@settings(max_examples=150, deadline=None)
@given(tables(6, 3), st.integers(1, 3), st.integers(0, 6), st.integers(-2, 2))
def test_spans_are_the_best_of_all_placements(
    scores: np.ndarray, least: int, more: int, background: int
) -> None:
    rows, steps = scores.shape
    if rows < steps:
        return
    fits = min(least, rows // steps)
    nothing = np.zeros((rows + 1, steps))
    # Without a limit, and with one that is none, by two programmes.
    for longest in (None, rows + 3, least + more):
        most = rows if longest is None else min(rows, longest)
        value, way = best_of(scores - background, fits, most, nothing)
        found = spans(scores, background, shortest=least, longest=longest)
        assert found.score == value
        assert list(zip(found.starts, found.ends, strict=True)) == way


@settings(max_examples=60, deadline=None)
@given(tables(6, 3), st.lists(st.floats(0.5, 5), min_size=3, max_size=3))
def test_lengths_are_scored_by_poisson_probabilities(
    scores: np.ndarray, means: list[float]
) -> None:
    rows, steps = scores.shape
    if rows < steps:
        return
    mean = np.array(means[:steps])
    at_mean = mean * np.log(mean) - mean - [math.lgamma(m + 1) for m in mean]
    lengths = poisson.logpmf(np.arange(rows + 1)[:, None], mean) - at_mean
    value, _ = best_of(scores, 1, rows, lengths)
    found = spans(scores, mean_rows=mean)
    assert found.score == pytest.approx(value, abs=1e-9)
    # Random lengths and scores hardly tie: what it says it found has that value.
    held = sum(
        scores[a:b, k].sum() + lengths[b - a, k]
        for k, (a, b) in enumerate(zip(found.starts, found.ends, strict=True))
    )
    assert held == pytest.approx(value, abs=1e-9)


def test_a_case_by_hand() -> None:
    scores = np.array(
        [[0, 5, 0], [4, 0, 0], [4, 0, 1], [0, 3, 0], [0, 3, 9], [0, 0, 9], [0, 0, 0]], float
    )
    # Step 1 would be highest at row 0, before step 0: the order forbids it.
    found = points(scores)
    assert (found.starts.tolist(), found.score) == ([1, 3, 4], 16.0)
    assert found.steps(7).tolist() == [-1, 0, -1, 1, 2, -1, -1]
    wide = spans(scores, background=1.0)
    assert list(zip(wide.starts, wide.ends, strict=True)) == [(1, 3), (3, 4), (4, 6)]
    assert wide.score == 3 + 3 + 2 + 8 + 8
    assert wide.steps(7).tolist() == [-1, 0, 0, 1, 2, 2, -1]
    # A background that is itself likely at row 4 parts the last two steps.
    there = spans(scores, background=[1, 1, 1, 1, 20, 1, 1])
    assert there.steps(7).tolist() == [-1, 0, 0, 1, -1, 2, -1]
    assert peaks(scores).starts.tolist() == [1, 0, 4]
    over = peaks(scores, threshold=3)
    assert list(zip(over.starts, over.ends, strict=True)) == [(1, 3), (0, 1), (4, 6)]
    assert over.score == 8 + 5 + 18
    assert peaks(scores, threshold=5).placed.tolist() == [False, True, True]
    assert peaks(scores, threshold=5).score == 5 + 18
    assert best_steps(scores).tolist() == [1, 0, 0, 1, 2, 2, 0]
    assert best_steps(scores, 3).tolist() == [1, 0, 0, -1, 2, 2, -1]


def test_lengths_of_the_mean_decide_between_stretches() -> None:
    scores = np.zeros((12, 2))  # all alike: only the lengths matter
    assert spans(scores, mean_rows=[5.5, 2.5]).ends.tolist() == [5, 7]
    assert spans(scores, mean_rows=4, shortest=2, longest=3).ends.tolist() == [3, 6]


@pytest.mark.parametrize("rows", [1, 3])
def test_one_row_and_one_step(rows: int) -> None:
    for found in (points([[2.0]] * rows), spans([[2.0]] * rows, 5), peaks([[2.0]] * rows)):
        assert (found.starts.tolist(), found.ends.tolist()) == ([0], [1])
    assert spans([[2.0]] * rows).ends.tolist() == [rows]
    assert points([[1.0, 1.0]]).starts.tolist() == [0, -1]
    assert best_steps([[1.0, 1.0]]).tolist() == [0]


def test_equal_scores_put_every_step_as_early_as_can_be() -> None:
    even = np.full((9, 4), 0.1)
    assert points(even).starts.tolist() == [0, 1, 2, 3]
    assert spans(even, 0.1).starts.tolist() == [0, 1, 2, 3]
    assert spans(even, 0.1, shortest=2).ends.tolist() == [2, 4, 6, 8]
    assert spans(even, 0.1, shortest=4).ends.tolist() == [2, 4, 6, 8]  # 4 do not fit: 9 // 4


@settings(max_examples=50, deadline=None)
@given(tables(), st.floats(-50, 50))
def test_what_all_scores_share_moves_no_step(scores: np.ndarray, offset: float) -> None:
    assert points(scores + round(offset)).starts.tolist() == points(scores).starts.tolist()
    moved = spans(scores + round(offset), 1 + round(offset))
    assert moved.ends.tolist() == spans(scores, 1).ends.tolist()


def test_log_probabilities_sum_to_one_and_survive_large_scores() -> None:
    found = log_softmax([[1000.0, 1000.0], [0.0, -1000.0]])
    np.testing.assert_allclose(np.exp(found).sum(1), 1)
    np.testing.assert_allclose(found, [[-math.log(2)] * 2, [0, -1000]])


@pytest.mark.parametrize("broken", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_refused_in_one_line(broken: float) -> None:
    scores = np.zeros((4, 2))
    scores[2, 1] = broken
    for place in (points, spans, peaks, best_steps):
        with pytest.raises(UserError, match="step 1 at row 2 is not finite"):
            place(scores)
    with pytest.raises(UserError, match="not finite"):
        points(np.zeros((2, 2)), [0.0, broken])


def test_what_makes_no_sense_is_refused() -> None:
    for empty in (np.zeros((0, 2)), np.zeros((2, 0)), np.zeros(3)):
        with pytest.raises(ValueError, match="rows, steps"):
            points(empty)
    with pytest.raises(ValueError, match="0 to"):
        spans(np.zeros((2, 1)), shortest=0)
    with pytest.raises(ValueError, match="3 to 2 rows"):
        spans(np.zeros((9, 1)), shortest=3, longest=2)
    with pytest.raises(ValueError, match="above 0"):
        spans(np.zeros((9, 1)), mean_rows=0)
