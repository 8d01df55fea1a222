import unicodedata
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from triptych.descriptors.table import DescriptorTable
from triptych.errors import UserError
from triptych.manifest.schema import SCHEMA, Manifest, clip_id

NAMES = ("b/one.mp4", "a.mp4", "café.mp4")


def manifest_of(clips: list[tuple[str, float]]) -> Manifest:
    rows = [
        {
            "clip_id": clip_id(path, start, start + 4),
            "path": path,
            "start": start,
            "end": start + 4,
            "text": "",
            "has_video": True,
            "has_audio": False,
            "has_text": False,
            "width": 8,
            "height": 8,
            "fps": 8.0,
            "fingerprint": "",
        }
        for path, start in clips
    ]
    return Manifest(Path("/videos"), pa.Table.from_pylist(rows, schema=SCHEMA))


def test_vectors_are_found_by_path_in_whatever_order_they_stand(tmp_path: Path) -> None:
    vectors = np.arange(6, dtype=np.float32).reshape(3, 2)
    DescriptorTable.write(tmp_path / "d.parquet", NAMES, vectors)
    table = DescriptorTable.read(tmp_path / "d.parquet")
    assert len(table) == 3
    spelt = unicodedata.normalize("NFD", "café.mp4")  # as another system writes the same name
    clips = manifest_of([("a.mp4", 0), ("a.mp4", 4), ("b/one.mp4", 0), (spelt, 0), ("none", 0)])
    values, known = table.of(clips)
    assert values.tolist() == [[2, 3], [2, 3], [0, 1], [4, 5], [0, 0]]
    assert known.tolist() == [True, True, True, True, False]
    assert values.dtype == np.float32


def test_a_clip_s_own_row_goes_before_that_of_its_file(tmp_path: Path) -> None:
    paths, starts = ["a.mp4", "a.mp4", "b/one.mp4"], [None, 4.0004, 0.0]
    DescriptorTable.write(tmp_path / "d.parquet", paths, np.array([[1.0], [2.0], [3.0]]), starts)
    clips = manifest_of([("a.mp4", 0), ("a.mp4", 4), ("b/one.mp4", 0), ("b/one.mp4", 4)])
    values, known = DescriptorTable.read(tmp_path / "d.parquet").of(clips)
    assert values[:, 0].tolist() == [1, 2, 3, 0]
    assert known.tolist() == [True, True, True, False]


@pytest.mark.parametrize(
    "kind", [pa.list_(pa.float32(), 2), pa.list_(pa.float16()), pa.large_list(pa.float64())]
)
def test_lists_of_every_kind_are_read_and_null_is_no_descriptor(
    tmp_path: Path, kind: pa.DataType
) -> None:
    number = np.float16 if kind.value_type == pa.float16() else float
    rows = [[number(1), number(2)], None, [number(3), number(4)]]
    table = pa.table({"path": list(NAMES), "vector_video": pa.array(rows, kind)})
    pq.write_table(table, tmp_path / "d.parquet", row_group_size=2)
    found = DescriptorTable.read(tmp_path / "d.parquet", "vector_video")
    values32, known = found.of(manifest_of([(name, 0.0) for name in NAMES]))
    assert known.tolist() == [True, False, True]
    assert values32.tolist() == [[1, 2], [0, 0], [3, 4]]


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"clip": ["a"], "vector": [[1.0]]}, "has no column 'path', only clip, vector"),
        ({"path": ["a"], "vectors": [[1.0]]}, "has no column 'vector', only path, vectors"),
        ({"path": ["a"], "vector": ["b"]}, "column 'vector' is of string, not of lists"),
        ({"path": ["a"], "vector": [["b"]]}, "not of lists of numbers"),
        ({"path": ["a", "b"], "vector": [[1.0], [1.0, 2.0]]}, "vectors of different"),
        ({"path": ["a", "a"], "vector": [[1.0], [2.0]]}, "two rows are of a; keep one"),
        ({"path": ["a", "b"], "vector": [[1.0], [float("nan")]]}, "1 of 2 vectors hold NaN.* of b"),
    ],
)
def test_what_cannot_be_used_is_refused_in_one_line(
    tmp_path: Path, columns: dict[str, list[object]], said: str
) -> None:
    pq.write_table(pa.table(columns), tmp_path / "d.parquet")
    with pytest.raises(UserError, match=said) as found:
        DescriptorTable.read(tmp_path / "d.parquet")
    assert "\n" not in str(found.value)


def test_no_file_and_another_file_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no descriptors here"):
        DescriptorTable.read(tmp_path / "none.parquet")
    (tmp_path / "text.parquet").write_text("not that")
    with pytest.raises(UserError, match="not a readable Parquet file"):
        DescriptorTable.read(tmp_path / "text.parquet")
