from pathlib import Path

import pytest

from triptych.errors import UserError
from triptych.evaluate.csv_rows import Paths, read_rows, some


def test_rows_have_their_line_numbers(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('\ufeffx; y\n1 ;"a;b"\n\n2;\n', encoding="utf-8")
    assert read_rows(tmp_path / "a.csv", "x") == (
        ["x", "y"],
        [(2, ["1", "a;b"]), (4, ["2", ""])],
    )


def test_what_a_file_needs_is_said(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x,y\n")
    with pytest.raises(UserError, match="has a header but no rows; it needs columns of gold"):
        read_rows(tmp_path / "a.csv", "columns of gold")


def test_a_path_may_lack_or_add_folders(tmp_path: Path) -> None:
    known = {"one/a.mp4", "two/a.mp4", "two/b.mp4"}
    paths = Paths(known, ["x/b.mp4", "a.mp4", "two/a.mp4"], tmp_path)
    assert paths.by(f"{tmp_path}/two/a.mp4") == "two/a.mp4"
    assert paths.by("y/one/a.mp4") == "one/a.mp4"
    assert paths.by("x/b.mp4") == "two/b.mp4"  # met once on both sides
    assert paths.by("c.mp4") is None
    with pytest.raises(UserError, match=r"'a.mp4' may be any of 2 files: 'one/a.mp4', 'two/a.mp4'"):
        paths.by("a.mp4")


def test_few_names_are_shown() -> None:
    assert some(["a", "b"]) == "'a', 'b'"
    assert some(["a", "b", "c", "d", "e"]) == "'a', 'b', 'c' and 2 more"
