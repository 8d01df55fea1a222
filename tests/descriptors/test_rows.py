import gzip
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from triptych.descriptors.decimal import lines
from triptych.descriptors.pyramid import Floats
from triptych.descriptors.rows import (
    BLOCK,
    DECIMALS,
    FACTS,
    read_facts,
    read_frames,
    read_rows,
    read_span,
    write_rows,
)
from triptych.descriptors.tracks import COLUMNS
from triptych.errors import UserError


def frames_of(count: int, frames: int = 20) -> list[Floats]:
    """So many rows that end in some of the frames, as ``Trajectories`` gives them."""
    random = np.random.default_rng(0)
    blocks = []
    for frame, rows in enumerate(np.array_split(np.arange(count), frames)):
        block = random.uniform(-1, 1, (len(rows), 436)).astype(np.float32)
        block[:, 0], block[:, 9] = frame, frame - 7.5
        blocks.append(block)
    return blocks


@pytest.mark.parametrize("name", ["a.parquet", "a.txt", "a.txt.gz"])
@pytest.mark.parametrize("count", [0, 9, 5000])
def test_what_is_written_can_be_read(tmp_path: Path, name: str, count: int) -> None:
    blocks = frames_of(count)
    path = tmp_path / name
    format = "parquet" if name == "a.parquet" else "idt"
    assert write_rows(path, iter(blocks), format, {"keypoints": "sift"}) == (count, 20)  # type: ignore[arg-type]
    found = [*read_rows(path), np.empty((0, 436), np.float32)]
    assert max(map(len, found)) <= 4096 or format == "idt"
    rows, wanted = np.concatenate(found), np.concatenate(blocks)
    assert rows.dtype == np.float32
    assert len(rows) == count
    np.testing.assert_array_equal(rows[:, 0], wanted[:, 0])
    np.testing.assert_allclose(rows[:, 9], np.clip(wanted[:, 9] / 20, 0, 0.999), atol=1e-6)
    np.testing.assert_allclose(rows[:, 1:9], wanted[:, 1:9], atol=1e-6)
    np.testing.assert_allclose(rows[:, 10:], wanted[:, 10:], atol=3e-4)  # half precision
    assert list(tmp_path.iterdir()) == [path]


def test_the_table_says_what_it_is_of(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    write_rows(path, iter(frames_of(30)), "parquet", {"keypoints": "none"})
    schema = pq.read_schema(path)
    assert schema.names[:3] == ["frame", "mean_x", "mean_y"]
    assert schema.names[-5:] == ["trajectory", "hog", "hof", "mbhx", "mbhy"]
    assert schema.field("hof").type.list_size == 108
    assert schema.field("hof").type.value_type == pa.float16()
    assert json.loads(schema.metadata[FACTS]) == {"keypoints": "none", "frames": 20}
    assert read_facts(path) == {"keypoints": "none", "frames": 20}
    assert read_facts(tmp_path / "gone.parquet") is None
    (tmp_path / "text").write_text("no table")
    assert read_facts(tmp_path / "text") is None


def test_the_original_s_file_is_read_and_written_byte_for_byte(
    data: Path, reference: Floats
) -> None:
    path = data / "idt_reference" / "person01_boxing_d1.gz"
    rows = np.concatenate(list(read_rows(path)))
    np.testing.assert_array_equal(rows, reference)
    with gzip.open(path) as file:
        assert lines(rows, DECIMALS) == file.read()


def test_what_stops_halfway_leaves_nothing(tmp_path: Path) -> None:
    def broken() -> Iterator[Floats]:
        yield frames_of(100)[3]
        raise UserError("a.mp4: the film tears")

    for name, format in (("a.parquet", "parquet"), ("a.txt.gz", "idt")):
        with pytest.raises(UserError, match="tears"):
            write_rows(tmp_path / name, broken(), format, {})  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "content", [b"PAR1 but no table", b"1\t2\t3\n", b"words\n", b"\x1f\x8b bad"]
)
def test_what_is_neither_is_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / ("a.gz" if content.startswith(b"\x1f") else "a")
    path.write_bytes(content)
    with pytest.raises(UserError, match="cannot be read as trajectories") as error:
        list(read_rows(path))
    assert "\n" not in str(error.value)
    with pytest.raises(UserError, match=r"gone: cannot be read as trajectories"):
        list(read_rows(tmp_path / "gone"))


def test_a_span_of_rows_is_read_alone(tmp_path: Path) -> None:
    random = np.random.default_rng(3)
    rows = random.random((2 * BLOCK + 700, COLUMNS)).astype(np.float32)
    rows[:, 0] = np.sort(random.integers(0, 50, len(rows)))
    write_rows(tmp_path / "a.parquet", [rows], "parquet", {})
    np.testing.assert_array_equal(read_frames(tmp_path / "a.parquet"), rows[:, 0])
    whole = np.concatenate(list(read_rows(tmp_path / "a.parquet")))
    for first, last in ((0, 10), (4000, 4200), (BLOCK, 2 * BLOCK), (100, len(rows)), (7, 7)):
        found = list(read_span(tmp_path / "a.parquet", first, last))
        found.append(np.empty((0, COLUMNS), np.float32))
        np.testing.assert_array_equal(np.concatenate(found), whole[first:last])
