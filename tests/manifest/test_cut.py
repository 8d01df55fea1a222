import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triptych.manifest.captions import Caption, Reading, fit_to
from triptych.manifest.cut import Span, cut, sliding, whole, windows


def spans(found: list[Span]) -> list[tuple[float, float, str]]:
    return [(span.start, span.end, span.text) for span in found]


@pytest.mark.parametrize(
    ("end", "edges"),
    [
        (0.5, [0, 0.5]),
        (4.0, [0, 4]),
        (5.99, [0, 5.99]),
        (6.0, [0, 4, 6]),
        (9.9, [0, 4, 9.9]),
        (10.0, [0, 4, 8, 10]),
        (60.04, [*range(0, 57, 4), 60.04]),
    ],
)
def test_a_short_rest_goes_to_the_last_window(end: float, edges: list[float]) -> None:
    assert spans(windows(0, end, 4.0)) == [(a, b, "") for a, b in itertools.pairwise(edges)]


def test_captions_are_merged_until_they_last_long_enough() -> None:
    said = [Caption(i, i + 1, word) for i, word in enumerate("a b c d e f g h".split())]
    assert spans(cut(8, said, 4, 4)) == [(0, 4, "a b c d"), (4, 8, "e f g h")]
    assert spans(cut(8, said, 4, 2)) == [
        (0, 2, "a b"),
        (2, 4, "c d"),
        (4, 6, "e f"),
        (6, 8, "g h"),
    ]


def test_a_long_pause_is_not_bridged_and_its_pictures_are_not_lost() -> None:
    said = [Caption(10, 14, "before"), Caption(25, 30, "after")]
    found = cut(40, said, 4, 4)
    assert [span.start for span in found] == [0, 4, 8, 10, 14, 18, 22, 25, 30, 34, 38]
    assert [span.text for span in found if span.text] == ["before", "after"]
    assert (found[3], found[7]) == (Span(10, 14, "before"), Span(25, 30, "after"))


def test_a_short_caption_takes_in_silence_on_both_sides() -> None:
    assert spans(cut(12, [Caption(5, 7, "chop")], 6, 4)) == [(4, 8, "chop")]
    assert spans(cut(6, [Caption(0.5, 1, "chop")], 6, 4)) == [(0, 4, "chop")]
    assert spans(cut(6, [Caption(5.5, 6, "chop")], 6, 4)) == [(2, 6, "chop")]
    assert spans(cut(2, [Caption(0.5, 1, "chop")], 6, 4)) == [(0, 2, "chop")]


def test_where_captions_overlap_the_new_one_cuts_the_old_short() -> None:
    said = [Caption(0, 6, "one"), Caption(5, 11, "two"), Caption(5, 8, "at once")]
    assert spans(cut(11, said, 4, 4)) == [(0, 5, "one"), (5, 11, "two at once")]
    inside = [Caption(0, 20, "long"), Caption(8, 10, "short")]
    assert spans(cut(20, inside, 4, 4)) == [(0, 8, "long"), (8, 20, "short")]


def test_an_empty_file_has_no_clips() -> None:
    assert cut(0, [], 4, 4) == []
    assert whole(0, []) == []


def test_a_whole_file_has_all_its_words() -> None:
    said = [Caption(10, 14, "chop"), Caption(13, 15, "the onion"), Caption(200, 204, "stir")]
    assert whole(300.0129, said) == [Span(0, 300.012, "chop the onion stir")]
    assert whole(3, []) == [Span(0, 3, "")]


@st.composite
def films(draw: st.DrawFn) -> tuple[float, list[Caption]]:
    duration = draw(st.floats(0.01, 120))
    count = draw(st.integers(0, 12))
    said = []
    for index in range(count):
        start = draw(st.floats(-5, 130))
        said.append(Caption(start, start + draw(st.floats(0, 30)), f"w{index}"))
    said.sort(key=lambda caption: (caption.start, caption.end))
    return duration, list(fit_to(Reading(tuple(said)), duration).captions)


@given(films(), st.floats(0.5, 10), st.floats(0.5, 10))
def test_clips_lie_in_order_within_the_file_and_lose_nothing(
    film: tuple[float, list[Caption]], window: float, shortest: float
) -> None:
    duration, said = film
    found = cut(duration, said, window, shortest)
    edges = [edge for span in found for edge in (span.start, span.end)]
    assert edges == sorted(edges)
    assert all(span.end > span.start for span in found)
    assert not edges or (edges[0] >= 0 and edges[-1] <= duration + 1e-9)  # of rounding to ms
    assert " ".join(span.text for span in found if span.text).split() == [c.text for c in said]
    gaps = [b.start - a.end for a, b in itertools.pairwise(found)]
    ends = [found[0].start, duration - found[-1].end] if found else []
    assert all(gap <= window + 0.002 for gap in gaps + ends)
    for caption in said:
        (clip,) = [span for span in found if caption.text in span.text.split()]
        assert clip.start <= caption.start + 0.001
        assert caption.start <= clip.end + 0.001


@pytest.mark.parametrize(
    ("duration", "window", "hop", "edges"),
    [
        (0.5, 1.0, 1.0, [(0, 0.5)]),
        (3.0, 1.0, 1.0, [(0, 1), (1, 2), (2, 3)]),
        (3.05, 1.0, 1.0, [(0, 1), (1, 2), (2, 3), (2.05, 3.05)]),
        (4.0, 2.0, 1.0, [(0, 2), (1, 3), (2, 4)]),
        (4.5, 2.0, 1.0, [(0, 2), (1, 3), (2, 4), (2.5, 4.5)]),
        (0.0, 1.0, 1.0, []),
    ],
)
def test_a_time_line_has_windows_of_one_length(
    duration: float, window: float, hop: float, edges: list[tuple[float, float]]
) -> None:
    assert [(span.start, span.end) for span in sliding(duration, [], window, hop)] == edges


@given(films(), st.floats(0.5, 10), st.floats(0.1, 1))
def test_a_time_line_leaves_out_no_second_and_no_word(
    film: tuple[float, list[Caption]], window: float, share: float
) -> None:
    duration, said = film
    found = sliding(duration, said, window, share * window)
    assert all(b.start <= a.end + 0.002 for a, b in itertools.pairwise(found))
    if duration > 0.002:
        assert (found[0].start, found[-1].end) == (0, pytest.approx(duration, abs=0.002))
        assert {word for span in found for word in span.text.split()} == {c.text for c in said}


def test_a_caption_is_in_the_windows_that_hold_its_middle() -> None:
    said = [Caption(0.2, 1.6, "one"), Caption(1.5, 4.0, "two")]
    assert spans(sliding(4, said, 2, 1)) == [(0, 2, "one"), (1, 3, "two"), (2, 4, "two")]
