from pathlib import Path

import pytest

from triptych.errors import UserError
from triptych.evaluate.layouts import labelled_times
from triptych.evaluate.layouts.labelled_times import RATE

SRT = """1
00:00:01,000 --> 00:00:04,500
crack eggs

2
00:00:04,500 --> 00:01:00,25
Whisk_Egg
well

3
00:01:00,250 --> 00:01:10,000
background
"""


def written(tmp_path: Path, text: str, encoding: str = "utf-8") -> Path:
    path = tmp_path / "a.txt"
    path.write_bytes(text.encode(encoding))
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_subtitles_and_the_frames_that_their_authors_made_of_them(
    tmp_path: Path, encoding: str, ending: str
) -> None:
    path = written(tmp_path, SRT.replace("\n", ending), encoding)
    first, second = labelled_times.subtitles(path)
    assert (first.label, second.label) == ("crack_eggs", "whisk_egg_well")
    # round(1 s) = 30, round(4.5 s) = 135, round(60.25 s) = 1806; each start one frame earlier.
    assert second[1:] == (4.5, 60.25)
    on_frames = [labelled_times.on_frames(one) for one in (first, second)]
    frames = [round(time * RATE) for one in on_frames for time in (one.start, one.end)]
    assert frames == [29, 135, 134, 1806]


def test_cues_without_blank_lines_or_numbers_and_out_of_order(tmp_path: Path) -> None:
    lines = SRT.replace("\n\n", "\n")
    assert [one.label for one in labelled_times.subtitles(written(tmp_path, lines))] == [
        "crack_eggs",
        "whisk_egg_well",
    ]
    text = "00:00:09,0 --> 00:00:10,0\nb\n\n00:00:00,0 --> 00:00:03,0\na\n"
    first, second = labelled_times.subtitles(written(tmp_path, text))
    assert (first.label, second.label) == ("a", "b")
    assert labelled_times.on_frames(first).start == first.start == 0


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no label with times"),
        ("crack egg", "no label with times"),
        ("00:00:09,0 --> 00:00:01,0\nb\n", "'b' ends at 1 s, before 9 s"),
    ],
)
def test_subtitles_that_are_none_are_refused(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(UserError, match=says):
        labelled_times.subtitles(written(tmp_path, text))


def test_frames_become_runs_without_background(tmp_path: Path) -> None:
    text = "background\nbackground\ncrack_egg\ncrack_egg\nmix_it\nbackground\ncrack_egg\n"
    found, count = labelled_times.frames(written(tmp_path, text))
    assert count == 7
    assert [(one.label, one.start * RATE, one.end * RATE) for one in found] == [
        ("crack_egg", 2, 4),
        ("mix_it", 4, 5),
        ("crack_egg", pytest.approx(6), pytest.approx(7)),
    ]
    with pytest.raises(UserError, match="no label in it"):
        labelled_times.frames(written(tmp_path, "\n"))


def test_transcripts_are_one_line_or_many(tmp_path: Path) -> None:
    for text in ("background a background b b background\n", "background\na\nbackground\nb\n"):
        assert labelled_times.transcript(written(tmp_path, text)) == ["a", "b"]


def test_a_dictionary_goes_by_its_numbers_where_it_has_them(tmp_path: Path) -> None:
    expected = ["chop_it", "cut_it", "background"]
    for text in ("0 chop_it\n2 background\n1 cut_it\n", "chop_it \ncut_it\nbackground"):
        assert labelled_times.dictionary(written(tmp_path, text)) == expected
    with pytest.raises(UserError, match="'a' is there twice"):
        labelled_times.dictionary(written(tmp_path, "a\nb\na\n"))
    with pytest.raises(UserError, match="no label"):
        labelled_times.dictionary(written(tmp_path, ""))
