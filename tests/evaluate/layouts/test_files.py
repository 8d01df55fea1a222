from pathlib import Path

import pytest

from triptych.errors import UserError
from triptych.evaluate.layouts import files
from triptych.evaluate.layouts.files import Wanted

LIST = Wanted(("videos.csv",), "the list of videos", "its authors")
FOLDER = Wanted(("annotations", "anno"), "a CSV a video", "its authors")


def test_what_is_missing_is_said_in_one_line_with_counts(tmp_path: Path) -> None:
    (tmp_path / "anno").mkdir()
    with pytest.raises(UserError) as caught:
        files.require(tmp_path, [LIST, FOLDER], "CrossTask")
    assert str(caught.value) == (
        f"{tmp_path}: of CrossTask, 1 of 2 needed are missing: "
        "videos.csv (the list of videos; from its authors)"
    )
    (tmp_path / "videos.csv").touch()
    assert files.require(tmp_path, [LIST, FOLDER], "CrossTask") == [
        tmp_path / "videos.csv",
        tmp_path / "anno",
    ]


def test_no_folder_and_a_file_in_its_place_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such folder"):
        files.require(tmp_path / "none", [LIST], "CrossTask")
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="a file; name the folder"):
        files.require(tmp_path / "file", [LIST], "CrossTask")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_rows_come_by_their_header_in_any_unicode(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes('a,b\r\n"one, two",é\r\n\r\n3,4\r\n'.encode(encoding))
    assert files.rows(path, ["b"]) == [{"a": "one, two", "b": "é"}, {"a": "3", "b": "4"}]


def test_tables_that_are_none_are_said_with_their_line(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("a,b\n1,2\n3\n")
    with pytest.raises(UserError, match="no column c; it has a, b"):
        files.rows(path, ["a", "c"])
    with pytest.raises(UserError, match="line 3 has 1 cells, the header 2"):
        files.rows(path, ["a"])
    with pytest.raises(UserError, match="line 3 has 1 cells; 2 are expected"):
        files.cells(path, 2)
    path.write_text("")
    with pytest.raises(UserError, match="it has nothing"):
        files.rows(path, ["a"])
    with pytest.raises(UserError, match="No such file"):
        files.text(tmp_path / "none")


@pytest.mark.parametrize("wrong", ["x", "-1", "nan", "inf", ""])
def test_times_are_finite_and_not_negative(tmp_path: Path, wrong: str) -> None:
    assert files.numbers(tmp_path, 1, ["0", "2.5"]) == [0, 2.5]
    with pytest.raises(UserError, match="line 7"):
        files.numbers(tmp_path, 7, ["1", wrong])


def test_json_that_is_none_is_said(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text("{")
    with pytest.raises(UserError, match="not JSON"):
        files.parsed(path)


def test_long_lists_are_counted() -> None:
    assert files.some("abc") == "a, b, c"
    assert files.some("abcde") == "a, b, c and 2 more"
