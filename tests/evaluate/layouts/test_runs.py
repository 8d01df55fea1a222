import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from triptych.evaluate.layouts import runs
from triptych.evaluate.layouts.sets import Segment, Timeline


def test_runs_of_marks_are_segments_in_order_of_time() -> None:
    marked = np.array([[0, 1], [1, 1], [1, 0], [0, 0], [1, 0]], bool)
    assert runs.spans_of(marked, 2.0) == (
        Segment(1, 0, 1),
        Segment(0, 0.5, 1.5),
        Segment(0, 2, 2.5),
    )


@given(st.lists(st.lists(st.booleans(), min_size=3, max_size=3), min_size=1, max_size=40))
def test_segments_give_the_marks_back(marks: list[list[bool]]) -> None:
    marked = np.array(marks)
    segments = runs.spans_of(marked, 29.97)
    one = Timeline("v", "t", ("a", "b", "c"), (0, 1, 2), segments, 29.97, len(marked))
    np.testing.assert_array_equal(one.truth(), marked)


def test_equal_neighbours_are_one() -> None:
    assert runs.runs([]) == []
    assert runs.runs(list("aabaa")) == [("a", 0, 2), ("b", 2, 3), ("a", 3, 5)]
