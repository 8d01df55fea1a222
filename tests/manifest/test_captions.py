import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triptych.manifest.captions import (
    Caption,
    Reading,
    fit_to,
    from_columns,
    from_cues,
    parse,
)

SRT = """1
00:00:01,000 --> 00:00:02,500
Chop the <i>onion</i>
finely

2
00:01:03,250 --> 01:00:04,000 X1:10 X2:20
{\\an8}- Salt &amp; pepper

3
0:0:3.5 --> 0:0:4
42
"""

VTT = """WEBVTT - made by hand
Kind: captions

NOTE this is
not spoken

STYLE
::cue { color: red }

intro
00:01.000 --> 00:02.500 align:start position:0%
<v Ann>Chop the <c.loud>onion</c></v>

2
01:00:00.000 --> 01:00:01.000
[Music] ♪ stir ♪
"""

# What YouTube writes for automatic captions.
ROLLING = """WEBVTT
Kind: captions
Language: en

00:00:00.000 --> 00:00:02.000 align:start position:0%
 
today<00:00:00.500><c> we</c><00:00:01.000><c> cook</c>

00:00:02.000 --> 00:00:02.010 align:start position:0%
today we cook
 

00:00:02.010 --> 00:00:04.000 align:start position:0%
today we cook
a<00:00:02.500><c> very</c><00:00:03.000><c> very</c>

00:00:04.000 --> 00:00:04.010 align:start position:0%
a very very
 

00:00:04.010 --> 00:00:06.000 align:start position:0%
a very very
good<00:00:05.000><c> soup</c>
"""  # noqa: W293


def texts(reading: Reading) -> list[str]:
    return [caption.text for caption in reading.captions]


def test_srt() -> None:
    assert parse(SRT, ".srt").captions == (
        Caption(1, 2.5, "Chop the onion finely"),
        Caption(3.5, 4, "42"),
        Caption(63.25, 3604, "Salt & pepper"),
    )


def test_srt_without_blank_lines_between_or_with_blank_lines_inside() -> None:
    careless = "1\n00:00:01,000 --> 00:00:02,000\nfirst\n\nstill first\n\n2\n"
    careless += "00:00:03,000 --> 00:00:04,000\nsecond\r\n"
    assert texts(parse(careless, ".srt")) == ["first still first", "second"]


def test_vtt_with_notes_styles_names_and_voices() -> None:
    assert parse(VTT, ".vtt") == Reading(
        (Caption(1, 2.5, "Chop the onion"), Caption(3600, 3601, "stir"))
    )


def test_rolling_captions_give_every_word_once() -> None:
    reading = parse(ROLLING, ".vtt")
    assert texts(reading) == ["today we cook", "a very very", "good soup"]
    assert [remark.action for remark in reading.remarks] == ["each word is taken once"]


def test_captions_that_grow_word_by_word_give_every_word_once() -> None:
    said = "now we stir the pot".split()
    grown = [(i, i + 1.0, " ".join(said[: i + 1])) for i in range(5)]
    assert texts(from_cues(grown)) == said


def test_a_repeated_word_in_ordinary_captions_stays() -> None:
    cues = [(0, 1, "No."), (1, 2, "No."), (2, 3, "Yes"), (3, 4, "of"), (4, 5, "course")]
    assert texts(from_cues(cues)) == ["No.", "No.", "Yes", "of", "course"]


def test_howto100m_json_and_csv_agree() -> None:
    columns = {"start": [1.5, 4], "end": [3, 6.25], "text": ["chop, then stir", "the pot"]}
    table = 'start,end,text\n1.5,3,"chop, then stir"\n4,6.25,the pot\n'
    expected = (Caption(1.5, 3, "chop, then stir"), Caption(4, 6.25, "the pot"))
    assert parse(json.dumps(columns), ".json").captions == expected
    assert parse(table, ".csv").captions == expected
    assert parse("Text , END,start\nx,2,1\n", ".csv").captions == (Caption(1, 2, "x"),)


@pytest.mark.parametrize(
    ("text", "suffix"),
    [
        ("{}", ".json"),
        ("[1, 2]", ".json"),
        ('{"start": [1], "end": [2], "text": []}', ".json"),
        ("{", ".json"),
        ("a,b\n1,2\n", ".csv"),
        ("", ".csv"),
    ],
)
def test_json_and_csv_that_are_no_captions_are_refused(text: str, suffix: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse(text, suffix)


def test_reversed_unsorted_and_unreadable_times_are_mended_and_counted() -> None:
    text = "00:05.000 --> 00:03.000\nlate\n\n00:01.000 --> 00:02.000\nearly\n\n"
    text += "00:xx --> 00:02.000\nlost\n"
    reading = parse(text, ".vtt")
    assert reading.captions == (Caption(1, 2, "early"), Caption(3, 5, "late"))
    assert [remark.reason for remark in reading.remarks] == [
        "1 caption has no readable times",
        "1 of 2 captions end before they start",
        "captions are not in the order of time",
    ]
    columns = {"start": [1, "x", None], "end": [2, 3, 4], "text": ["a", "b", "c"]}
    assert from_columns(columns).remarks[0].reason == "2 captions have no readable times"


def test_captions_outside_the_file_are_left_out_and_overlaps_counted() -> None:
    said = [(-3, -1, "a"), (-1, 2, "b"), (1, 3, "c"), (9, 15, "d"), (12, 13, "e")]
    fitted = fit_to(from_cues(said), 10)
    assert fitted.captions == (Caption(0, 2, "b"), Caption(1, 3, "c"), Caption(9, 10, "d"))
    assert [remark.reason for remark in fitted.remarks] == [
        "2 of 5 captions lie outside the 10.0 s of the file",
        "2 of 5 captions reach beyond the file's ends",
        "1 of 5 captions overlap the next",
    ]


PIECES = st.sampled_from(
    "\n|\n\n|WEBVTT|00:01.000|00:02,5|1:2:3.4| --> |-00:01.000|-->|7|NOTE x|<c>word</c>|stir|"
    '[Music]|{\\an8}|start,end,text|1,2,x|"|{|\ufeff|\x00|&lt;|,'.split("|")
)


@given(st.lists(PIECES | st.text(max_size=5), max_size=40), st.sampled_from([".srt", ".vtt"]))
def test_any_text_can_be_read(pieces: list[str], suffix: str) -> None:
    reading = parse("".join(pieces), suffix)
    starts = [caption.start for caption in reading.captions]
    assert starts == sorted(starts)
    assert all(c.end >= c.start and c.text.strip() == c.text != "" for c in reading.captions)


@given(st.lists(PIECES | st.text(max_size=5), max_size=40), st.sampled_from([".json", ".csv"]))
def test_any_text_is_read_or_refused(pieces: list[str], suffix: str) -> None:
    try:
        reading = parse("".join(pieces), suffix)
    except ValueError:
        return
    assert all(c.end >= c.start and c.text.strip() == c.text != "" for c in reading.captions)


WORDS = st.lists(st.from_regex(r"[a-z]{1,6}", fullmatch=True), min_size=1, max_size=6)


@given(st.lists(WORDS, min_size=3, max_size=8, unique_by=tuple))
def test_whatever_is_said_in_youtube_form_comes_back_word_for_word(lines: list[list[str]]) -> None:
    cues = []
    for index, words in enumerate(lines):
        above = [" ".join(lines[index - 1])] if index else []
        cues.append((2.0 * index, 2.0 * index + 1.99, "\n".join([*above, " ".join(words)])))
        cues.append((2.0 * index + 1.99, 2.0 * index + 2.0, " ".join(words)))
    assert " ".join(texts(from_cues(cues))) == " ".join(" ".join(words) for words in lines)
