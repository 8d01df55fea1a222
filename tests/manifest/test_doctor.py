from pathlib import Path

import pytest

from tests.manifest.media import make
from triptych.errors import UserError
from triptych.manifest.doctor import doctor


def test_the_damaged_file_is_described_to_the_frame(data: Path) -> None:
    (row,) = doctor(data / "containers" / "damaged", workers=1)
    assert (row.path, row.kind, row.reason) == (
        "demo.ogv",
        "damaged",
        "366 of 1441 video frames decode",
    )
    assert "15 clips" in row.action


def test_damage_that_a_sample_would_miss_is_found(tmp_path: Path) -> None:
    path = make(tmp_path / "a.mp4", seconds=40)
    raw = bytearray(path.read_bytes())
    middle = len(raw) * 7 // 10
    raw[middle : middle + 2000] = b"\x55" * 2000
    path.write_bytes(raw)
    damaged = [row for row in doctor(tmp_path, workers=0) if row.kind == "damaged"]
    assert len(damaged) == 1
    assert "of 1000 video frames decode" in damaged[0].reason


def test_nothing_is_written_and_a_missing_folder_is_one_line(tmp_path: Path) -> None:
    make(tmp_path / "a.mp4", seconds=1)
    before = sorted(tmp_path.rglob("*"))
    assert [row.kind for row in doctor(tmp_path, workers=0)] == ["no-audio"]
    assert sorted(tmp_path.rglob("*")) == before
    with pytest.raises(UserError, match="no such folder"):
        doctor(tmp_path / "missing")
