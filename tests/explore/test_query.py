from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triptych.errors import UsageError
from triptych.explore.query import Span, read_query


def test_a_query_is_words_a_file_or_a_span_of_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("cook.mp4", "take #3.mp4", "noext"):
        Path(name).touch()
    assert read_query("stir the pot") == "stir the pot"
    assert read_query("issue #5 of the pot") == "issue #5 of the pot"
    assert read_query("cook.mp4") == Span(Path("cook.mp4"))
    assert read_query("noext") == Span(Path("noext"))
    assert read_query("take #3.mp4") == Span(Path("take #3.mp4"))
    assert read_query("take #3.mp4#2-4") == Span(Path("take #3.mp4"), 2.0, 4.0)
    assert read_query("cook.mp4", 1, 2) == Span(Path("cook.mp4"), 1, 2)
    assert read_query("cook.mp4#12.5-15") == Span(Path("cook.mp4"), 12.5, 15.0)
    assert read_query("cook.mp4#t=12.5,15") == Span(Path("cook.mp4"), 12.5, 15.0)
    assert read_query("cook.mp4#1:02-1:10") == Span(Path("cook.mp4"), 62.0, 70.0)
    assert read_query("cook.mp4#-3") == Span(Path("cook.mp4"), None, 3.0)
    assert read_query("cook.mp4#1:00:01") == Span(Path("cook.mp4"), 3601.0, None)


@pytest.mark.parametrize(
    ("given", "times", "complaint"),
    [
        ("none.mp4", (None, None), "no such file"),
        ("none.mp4#1-2", (None, None), "no such file"),
        ("cook.mp4#", (None, None), "after # give seconds"),
        ("cook.mp4#one-two", (None, None), "after # give seconds"),
        ("cook.mp4#5-3", (None, None), "from 5 s to 3 s holds nothing"),
        ("cook.mp4", (-1.0, None), "cannot start at -1 s"),
        ("cook.mp4#1-2", (1.0, None), "give one of them"),
        ("stir", (1.0, None), "there is no file 'stir'"),
        ("  ", (None, None), "empty query"),
    ],
)
def test_a_query_that_makes_no_sense_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str, times: tuple, complaint: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("cook.mp4").touch()
    with pytest.raises(UsageError, match=complaint):
        read_query(given, *times)


@given(st.floats(0, 9999), st.floats(0.1, 500))
def test_any_span_in_seconds_is_read(start: float, length: float) -> None:
    file = Path(__file__)
    span = read_query(f"{file}#{start:.3f}-{start + length:.3f}")
    assert span == Span(file, float(f"{start:.3f}"), float(f"{start + length:.3f}"))
