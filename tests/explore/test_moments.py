from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from triptych.explore import moments as module
from triptych.explore.moments import PAUSE, Moment, grow, join, single


@dataclass
class Clips:
    """What the joins ask of a catalogue: clips as (file, start, end)."""

    spans: Sequence[tuple[int, float, float]]

    def values(self, name: str) -> np.ndarray:
        return np.array([span[("path", "start", "end").index(name)] for span in self.spans])

    def rows_of(self, file: int) -> np.ndarray:
        rows = [row for row, span in enumerate(self.spans) if span[0] == file]
        return np.array(sorted(rows, key=lambda row: self.spans[row][1:]))


def ranked(scores: Sequence[float]) -> list[tuple[int, float]]:
    order = np.argsort(-np.array(scores), kind="stable")
    return [(int(row), scores[row]) for row in order]


def joined(clips: Clips, scores: Sequence[float], top: int = 99, share: float = 0.5) -> list:
    def exactly(rows: np.ndarray) -> np.ndarray:
        return np.array([scores[row] for row in rows])

    return list(join(clips, ranked(scores), exactly, top, share))  # type: ignore[arg-type]


def in_a_row(count: int, file: int = 0, pause: float = 0.0) -> list[tuple[int, float, float]]:
    return [(file, i * (2 + pause), i * (2 + pause) + 2) for i in range(count)]


def test_a_moment_grows_over_good_neighbours_and_stops_at_the_first_that_is_not() -> None:
    scores = [0.9, 0.1, 0.6, 1.0, 0.5, 0.49, 0.8]
    found = joined(Clips(in_a_row(7)), scores)
    assert found == [
        Moment([2, 3, 4], 3, 1.0),
        Moment([0], 0, 0.9),
        Moment([5, 6], 6, 0.8),
        Moment([1], 1, 0.1),
    ]


def test_clips_that_do_not_touch_or_are_of_other_files_are_not_joined() -> None:
    apart = Clips(in_a_row(3, pause=PAUSE + 0.1))
    assert [moment.rows for moment in joined(apart, [0.9, 1.0, 0.9])] == [[1], [0], [2]]
    near = Clips(in_a_row(3, pause=PAUSE - 0.1))
    assert [moment.rows for moment in joined(near, [0.9, 1.0, 0.9])] == [[0, 1, 2]]
    two = Clips(in_a_row(2) + in_a_row(2, file=1))
    assert [moment.rows for moment in joined(two, [0.7, 1.0, 0.9, 0.8])] == [[0, 1], [2, 3]]


def test_overlapping_clips_in_any_order_of_the_table() -> None:
    clips = Clips([(0, 4.0, 8.0), (0, 0.0, 4.0), (0, 2.0, 6.0), (0, 9.5, 12.0)])
    assert [moment.rows for moment in joined(clips, [0.8, 0.6, 1.0, 0.9])] == [[1, 2, 0], [3]]


def test_a_moment_grows_back_as_far_as_it_grows_on() -> None:
    scores = [0.9, 0.9, 0.9, 1.0, 0.9, 0.9, 0.9]
    assert [moment.rows for moment in joined(Clips(in_a_row(7)), scores)] == [list(range(7))]


def test_nothing_grows_from_an_average_clip() -> None:
    assert [moment.rows for moment in joined(Clips(in_a_row(3)), [0.0, -0.1, 0.0])] == [
        [0],
        [2],
        [1],
    ]


@settings(max_examples=100, deadline=None)
@given(
    scores=st.lists(st.integers(-3, 20).map(lambda tenth: tenth / 10), min_size=1, max_size=30),
    files=st.integers(1, 3),
    seed=st.integers(0, 99),
    share=st.sampled_from([0.3, 0.75, 1.0]),
    at_once=st.integers(1, 4),
)
def test_moments_are_what_they_are_said_to_be(
    scores: list[float], files: int, seed: int, share: float, at_once: int
) -> None:
    draw = np.random.default_rng(seed)
    starts = np.sort(draw.integers(0, 40, len(scores)))
    spans = [
        (int(draw.integers(files)), float(start), float(start + draw.integers(1, 4)))
        for start in starts
    ]
    clips = Clips([spans[i] for i in draw.permutation(len(spans))])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "AT_ONCE", at_once)
        found = joined(clips, scores, share=share)
    # Every clip is in one moment, and moments come by their scores.
    assert sorted(row for moment in found for row in moment.rows) == list(range(len(scores)))
    assert [m.score for m in found] == sorted((m.score for m in found), reverse=True)
    for moment in found:
        assert moment.score == scores[moment.best] == max(scores[row] for row in moment.rows)
        assert len({clips.spans[row][0] for row in moment.rows}) == 1
        if len(moment.rows) > 1:
            assert min(scores[row] for row in moment.rows) >= share * moment.score
        covered = clips.spans[moment.rows[0]][2]
        for row in moment.rows[1:]:
            assert clips.spans[row][1] <= covered + PAUSE
            covered = max(covered, clips.spans[row][2])
        # And as long as can be: what comes next is worse, too far, or in a better moment.
        line = list(clips.rows_of(clips.spans[moment.best][0]))
        after = line[line.index(moment.rows[-1]) + 1 :][:1]
        earlier = {row for one in found[: found.index(moment)] for row in one.rows}
        for row in after:
            far = clips.spans[row][1] > covered + PAUSE
            worse = moment.score <= 0 or scores[row] < share * moment.score
            assert far or worse or row in earlier


def test_only_as_many_as_are_asked_for() -> None:
    clips = Clips(in_a_row(6))
    assert len(joined(clips, [1.0, 0.1, 0.9, 0.1, 0.8, 0.1], top=2)) == 2
    plain = list(single(clips, ranked([0.1, 1.0, 0.9]), 2))  # type: ignore[arg-type]
    assert plain == [Moment([1], 1, 1.0), Moment([2], 2, 0.9)]
    whole = grow(clips, 0, 1.0, lambda rows: np.ones(len(rows)), {3}, 0.5)  # type: ignore[arg-type]
    assert whole.rows == [0, 1, 2]
