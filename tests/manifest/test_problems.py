from pathlib import Path

import pytest

from triptych.manifest.problems import KINDS, Problem, read_problems, write_problems


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    rows = [Problem(f"new\nline {kind} ☃.mp4", kind, "why", "what") for kind in KINDS]
    write_problems(tmp_path / "a" / "problems.parquet", rows)
    assert read_problems(tmp_path / "a" / "problems.parquet") == rows
    write_problems(tmp_path / "none.parquet", [])
    assert read_problems(tmp_path / "none.parquet") == []


def test_an_unknown_kind_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="unknown kind 'odd'"):
        Problem("a.mp4", "odd", "", "")
