import json
from pathlib import Path

import pytest

from triptych.manifest.caption_files import assign, decode, read, words_of
from triptych.manifest.captions import Caption, Reading

SRT = "1\n00:00:01,000 --> 00:00:02,000\n{}\n"
COLUMNS = {"start": [0], "end": [2], "text": ["chop"]}


@pytest.mark.parametrize(
    ("encoding", "remark"),
    [
        ("utf-8", None),
        ("utf-8-sig", "begins with a byte order mark (UTF-8)"),
        ("utf-16", "begins with a byte order mark (UTF-16-LE)"),
        ("utf-32", "begins with a byte order mark (UTF-32-LE)"),
        ("utf-16-le", "not UTF-8: UTF-16 without a byte order mark"),
        ("utf-16-be", "not UTF-8: UTF-16 without a byte order mark"),
        ("cp1252", "not UTF-8"),
    ],
)
def test_every_encoding_gives_the_words_and_says_so(
    tmp_path: Path, encoding: str, remark: str | None
) -> None:
    path = tmp_path / "a.srt"
    path.write_bytes(SRT.format("Crème brûlée").encode(encoding))
    reading = read(path)
    assert reading.captions == (Caption(1, 2, "Crème brûlée"),)
    assert [one.reason for one in reading.remarks] == ([remark] if remark else [])


def test_characters_that_no_encoding_explains_are_counted() -> None:
    text, remarks = decode(b"\xef\xbb\xbfab\xffc")
    assert text == "ab?c"
    assert remarks[-1].reason == "1 characters are broken"


def test_what_is_wrong_with_a_file_is_a_remark(tmp_path: Path) -> None:
    empty = tmp_path / "a.srt"
    empty.write_text("WEBVTT")
    assert [remark.reason for remark in read(empty).remarks] == ["holds no caption with words"]
    assert read(tmp_path / "none.srt").remarks[0].reason.startswith("cannot be read: No such file")
    table = tmp_path / "a.csv"
    table.write_text("start,end\n1,2\n")
    assert "no columns start, end, text" in read(table).remarks[0].reason


def write(root: Path, **files: str) -> None:
    for name, text in files.items():
        path = root / name.replace("__", "/").replace("_", ".")
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)


def test_captions_find_their_video_by_name(tmp_path: Path) -> None:
    write(
        tmp_path,
        a_srt=SRT,
        a_en_vtt="WEBVTT",
        a_de_vtt="WEBVTT",
        a_json=json.dumps(COLUMNS),
        subs__b_csv="start,end,text\n",
        stray_vtt="WEBVTT",
    )
    names = ["a.srt", "a.en.vtt", "a.de.vtt", "a.json", "subs/b.csv", "stray.vtt"]
    found = assign(tmp_path, ["a.mp4", "x/b.mkv"], names)
    assert found.files == {
        "a.mp4": ["a.srt", "a.json", "a.en.vtt", "a.de.vtt"],
        "x/b.mkv": ["subs/b.csv"],
    }
    assert [(row.path, row.kind, row.reason) for row in found.problems] == [
        ("stray.vtt", "captions", "captions of no video: none is called stray")
    ]


def test_captions_elsewhere_are_not_given_to_two_videos_of_one_name(tmp_path: Path) -> None:
    write(tmp_path, subs__a_srt=SRT)
    found = assign(tmp_path, ["x/a.mp4", "y/a.mp4"], ["subs/a.srt"])
    assert (found.files, found.problems[0].kind) == ({}, "captions")


def test_one_json_for_all_and_tables_that_are_no_captions(tmp_path: Path) -> None:
    write(
        tmp_path,
        caption_json=json.dumps({"a": COLUMNS, "gone": COLUMNS}),
        labels_csv="path,label\n",
        settings_json='{"a": 1}',
        broken_json="{",
    )
    names = ["caption.json", "labels.csv", "settings.json", "broken.json"]
    found = assign(tmp_path, ["x/a.mp4"], names)
    assert found.columns == {"x/a.mp4": ("caption.json", COLUMNS)}
    assert {(row.path, row.kind) for row in found.problems} == {
        ("caption.json", "captions"),
        ("labels.csv", "not-media"),
        ("settings.json", "not-media"),
        ("broken.json", "not-media"),
    }
    assert "1 of its 2 videos are not in this folder" in {row.reason for row in found.problems}


def test_the_first_source_with_words_is_used_and_the_others_are_named(tmp_path: Path) -> None:
    write(tmp_path, a_srt="nothing", a_vtt=SRT.format("beside"))
    inside = Reading((Caption(0, 1, "inside"),))
    words = words_of(tmp_path, ["a.srt", "a.vtt"], ("caption.json", COLUMNS), inside)
    assert (words.source, words.reading.captions[0].text) == ("a.vtt", "beside")
    assert [(source, remark.reason) for source, remark in words.remarks] == [
        ("a.srt", "holds no caption with words"),
        ("a.vtt", "preferred to caption.json, its subtitle stream"),
    ]
    assert words_of(tmp_path, [], ("caption.json", COLUMNS), inside).source == "caption.json"
    assert words_of(tmp_path, ["a.srt"], None, inside).reading == inside
    assert words_of(tmp_path, [], None, None).reading == Reading()
