import hashlib
import math
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from triptych.errors import UserError
from triptych.manifest.schema import SCHEMA, Manifest, clip_id, fingerprint


def manifest(root: Path, **changes: Any) -> Manifest:
    row = {
        "clip_id": "0" * 16,
        "path": "a.mp4",
        "start": 0.0,
        "end": 4.0,
        "text": "stir",
        "has_video": True,
        "has_audio": False,
        "has_text": True,
        "width": 64,
        "height": 48,
        "fps": 25.0,
        "fingerprint": "f",
    }
    rows = [row, {**row, "clip_id": "1" * 16, "start": 4.0, "end": 8.0, "text": "", **changes}]
    return Manifest(root, pa.Table.from_pylist(rows, SCHEMA))


def test_a_clip_id_depends_on_name_and_milliseconds_and_on_nothing_else() -> None:
    expected = hashlib.sha256(b"kitchen/a.mp4\x1f1500\x1f5250").hexdigest()[:16]
    assert clip_id("kitchen/a.mp4", 1.5, 5.25) == expected
    assert clip_id("kitchen/a.mp4", 1.5000001, 5.25) == expected
    assert clip_id("kitchen/a.mp4", 1.501, 5.25) != expected
    assert clip_id("cafe\u0301.mp4", 0, 1) == clip_id("caf\u00e9.mp4", 0, 1)


def test_a_fingerprint_sees_size_beginning_and_end(tmp_path: Path) -> None:
    path = tmp_path / "a"
    seen = set()
    for content in (b"", b"a", b"ab", b"b" + bytes(300_000), bytes(300_000) + b"b", bytes(300_001)):
        path.write_bytes(content)
        seen.add(fingerprint(path))
        assert fingerprint(path) == fingerprint(path)
    assert len(seen) == 6


def test_what_is_written_is_read_again_and_the_root_can_move(tmp_path: Path) -> None:
    written = manifest(tmp_path)
    path = tmp_path / "manifest.parquet"
    written.write(path)
    read = Manifest.read(path)
    assert read.table == written.table
    assert read.root == tmp_path.resolve()
    assert read.file(1) == tmp_path.resolve() / "a.mp4"
    assert Manifest.read(path, tmp_path / "other").file(0) == tmp_path / "other" / "a.mp4"
    assert read.has("text").tolist() == [True, True]
    assert read.select([1]).column("clip_id").tolist() == ["1" * 16]


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({}, True),
        ({"fps": 30.0}, True),
        ({"text": "x"}, False),
        ({"fingerprint": "g"}, False),
        ({"has_audio": True}, False),
        ({"clip_id": "2" * 16}, False),
    ],
)
def test_the_digest_changes_with_the_clips_not_with_the_place(
    tmp_path: Path, change: dict[str, Any], same: bool
) -> None:
    first = manifest(tmp_path)
    assert (manifest(tmp_path / "x", **change).digest == first.digest) == same


def test_what_is_no_manifest_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no manifest here"):
        Manifest.read(tmp_path / "missing.parquet")
    broken = tmp_path / "broken.parquet"
    broken.write_text("not parquet")
    with pytest.raises(UserError, match="not a Parquet file"):
        Manifest.read(broken)
    other = tmp_path / "other.parquet"
    pa.parquet.write_table(pa.table({"clip_id": ["a"]}), other)
    with pytest.raises(UserError, match="it lacks path, start"):
        Manifest.read(other)


def test_a_manifest_without_root_or_with_holes_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "manifest.parquet"
    table = manifest(tmp_path).table
    pa.parquet.write_table(table, path)
    with pytest.raises(UserError, match="does not say which folder"):
        Manifest.read(path)
    assert Manifest.read(path, tmp_path).root == tmp_path
    at = table.schema.get_field_index
    for column, values, said in (
        ("path", pa.nulls(len(table), pa.string()), "rows without path"),
        ("fps", pa.array([None, 25.0]), "rows without fps"),
        ("start", pa.array(["x"] * len(table)), "not a manifest"),
        ("text", pa.array([{"a": 1}] * len(table)), "not a manifest"),
        ("start", pa.array([0.0, math.nan]), r"a\.mp4: a clip from nan to 8 s"),
        ("start", pa.array([-1.0, 4.0]), r"a\.mp4: a clip from -1 to 4 s"),
        ("end", pa.array([4.0, 4.0]), r"a\.mp4: a clip from 4 to 4 s"),
        ("end", pa.array([math.inf, 8.0]), r"a\.mp4: a clip from 0 to inf s"),
        ("fps", pa.array([math.nan, 25.0]), r"a\.mp4: nan frames per second"),
        ("path", pa.array(["/a.mp4", "a.mp4"]), "/a.mp4: not below the folder"),
        ("path", pa.array(["a.mp4", "a/../../b.mp4"]), "b.mp4: not below the folder"),
    ):
        pa.parquet.write_table(table.set_column(at(column), column, values), path)
        with pytest.raises(UserError, match=said):
            Manifest.read(path, tmp_path)
