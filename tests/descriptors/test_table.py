import math
import unicodedata
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from triptych.descriptors.table import DescriptorTable
from triptych.errors import UserError


def table(count: int = 3, dim: int = 2, seed: int = 0) -> DescriptorTable:
    random = np.random.default_rng(seed)
    paths = tuple(f"dir/{i}.mp4" for i in random.permutation(count))
    vectors = random.normal(size=(count, dim)).astype("f4")
    return DescriptorTable(paths, vectors, random.integers(0, 99, count), {"model": "c0ffee"})


@settings(max_examples=25, deadline=None)
@given(count=st.integers(0, 30), dim=st.integers(1, 9), seed=st.integers(0, 99))
def test_what_was_written_comes_back_by_path(
    tmp_path_factory: pytest.TempPathFactory, count: int, dim: int, seed: int
) -> None:
    made = table(count, dim, seed)
    file = tmp_path_factory.mktemp("table") / "idt.parquet"
    made.write(file)
    again = DescriptorTable.read(file)
    assert again.info == {"model": "c0ffee"}
    assert list(again.paths) == sorted(made.paths)
    assert again.vectors.shape == (count, dim)
    assert again.trajectories is not None
    assert made.trajectories is not None
    order = [made.paths.index(path) for path in again.paths]
    assert (again.trajectories == made.trajectories[order]).all()
    vectors, present = again.of(made.paths)
    assert vectors.tobytes() == made.vectors.tobytes()
    assert present.all()


def test_the_file_is_plain_parquet(tmp_path: Path) -> None:
    table().write(tmp_path / "idt.parquet")
    found = pq.read_table(tmp_path / "idt.parquet")
    assert found.schema.names == ["path", "trajectories", "vector"]
    assert found.schema.types == [pa.string(), pa.int64(), pa.list_(pa.float32(), 2)]
    assert b"triptych.descriptors" in found.schema.metadata


def test_clips_ask_by_path_whatever_their_order_and_number() -> None:
    made = table()
    asked = [made.paths[2], "absent.mp4", made.paths[0], made.paths[2]]
    vectors, present = made.of(asked)
    assert present.tolist() == [True, False, True, True]
    np.testing.assert_array_equal(vectors[0], made.vectors[2])
    np.testing.assert_array_equal(vectors[3], made.vectors[2])
    np.testing.assert_array_equal(vectors[2], made.vectors[0])
    assert not vectors[1].any()
    assert made.of([])[0].shape == (0, 2)


def test_descriptors_of_others_are_read_without_counts_or_metadata(tmp_path: Path) -> None:
    made = table()
    DescriptorTable(made.paths, made.vectors, None, {}).write(tmp_path / "a.parquet")
    again = DescriptorTable.read(tmp_path / "a.parquet")
    assert again.trajectories is None
    plain = pq.read_table(tmp_path / "a.parquet").replace_schema_metadata(None)
    at = plain.schema.get_field_index("path")
    plain = plain.set_column(at, "path", plain["path"].cast(pa.large_string()))
    pq.write_table(plain.slice(1), tmp_path / "b.parquet")
    other = DescriptorTable.read(tmp_path / "b.parquet")
    assert other.info == {}
    assert other.paths == again.paths[1:]
    assert (other.vectors == again.vectors[1:]).all()


def test_vectors_that_cannot_be_used_are_refused() -> None:
    ones = np.ones((2, 2), np.float32)
    with pytest.raises(UserError, match=r"a\.mp4 is there twice"):
        DescriptorTable(("a.mp4", "a.mp4"), ones, None, {})
    with pytest.raises(UserError, match="the vectors of 1 of 2 videos are not finite"):
        DescriptorTable(("a", "b"), np.array([[1, np.inf], [0, 0]], np.float32), None, {})
    for paths, vectors, counts in (
        (("a",), ones, None),
        (("a", "b"), ones, np.ones(3, np.int64)),
        (("a", "b"), ones[0], None),
    ):
        with pytest.raises(ValueError, match="paths"):
            DescriptorTable(paths, vectors, counts, {})


def refused(path: Path) -> str:
    with pytest.raises(UserError) as found:
        DescriptorTable.read(path)
    line = str(found.value)
    assert line.startswith(f"{path}: ")
    assert "\n" not in line
    return line.removeprefix(f"{path}: ")


def test_other_files_are_refused_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "idt.parquet"
    assert refused(path) == "no descriptors here; make one with `triptych describe`"
    path.write_text("hello")
    assert refused(path).startswith("not a Parquet file")
    table().write(path)
    whole = pq.read_table(path)
    lists = pa.array([[1.0], [2.0], [3.0]])
    empty = pa.array([None, "a", "b"])
    twice = pa.array(["a", "a", "b"])
    for changed, said in (
        (whole.drop_columns(["vector"]), "not a descriptor file, it lacks vector"),
        (whole.drop_columns(["path"]), "not a descriptor file, it lacks path"),
        (whole.set_column(2, "vector", lists), "double>, not fixed-size lists of float32; make"),
        (whole.append_column("start", pa.array([0.0, None, math.nan])), "a start that is not fin"),
        (whole.append_column("start", pa.array([0.0, 1.0, math.inf])), "a start that is not fin"),
        (whole.set_column(0, "path", lists), "its path is of list"),
        (whole.set_column(0, "path", empty), "it has rows without path"),
        (whole.set_column(0, "path", twice), "a is there twice"),
        (whole.replace_schema_metadata({"triptych.descriptors": "{"}), "its metadata is damaged"),
        (whole.replace_schema_metadata({"triptych.descriptors": "3"}), "its metadata is damaged"),
    ):
        pq.write_table(changed, path)
        assert said in refused(path)


def test_a_clip_s_own_row_goes_before_that_of_its_video(tmp_path: Path) -> None:
    paths, starts = ("a.mp4", "a.mp4", "b.mp4"), (None, 4.0004, 0.0)
    vectors = np.array([[1], [2], [3]], np.float32)
    DescriptorTable(paths, vectors, None, {}, starts).write(tmp_path / "clips.parquet")
    again = DescriptorTable.read(tmp_path / "clips.parquet")
    assert again.starts == starts
    asked = ["a.mp4", "a.mp4", "b.mp4", "b.mp4"]
    values, present = again.of(asked, [0.0, 4.0, 0.0, 4.0])
    assert values[:, 0].tolist() == [1, 2, 3, 0]
    assert present.tolist() == [True, True, True, False]
    assert again.of(asked)[1].tolist() == [True, True, False, False]  # of whole videos
    with pytest.raises(UserError, match=r"a\.mp4 at 4 s is there twice"):
        DescriptorTable(("a.mp4", "a.mp4"), vectors[:2], None, {}, (4.0, 4.0))
    with pytest.raises(ValueError, match="starts"):
        DescriptorTable(paths, vectors, None, {}, (1.0,))


def test_a_path_is_found_however_a_system_spells_it() -> None:
    made = DescriptorTable(
        (unicodedata.normalize("NFD", "café.mp4"),), np.ones((1, 1), "f4"), None, {}
    )
    assert made.of([unicodedata.normalize("NFC", "café.mp4")])[1].all()


def test_another_column_of_vectors_is_read_where_it_is_not_null(tmp_path: Path) -> None:
    """As embeddings.parquet has them, with columns of other kinds beside."""
    rows = pa.array([[1.0, 2.0], None, [3.0, 4.0]], pa.list_(pa.float32(), 2))
    columns = {"path": ["a", "b", "c"], "text": ["", "", ""], "vector_video": rows}
    pq.write_table(pa.table(columns), tmp_path / "e.parquet", row_group_size=1)
    found = DescriptorTable.read(tmp_path / "e.parquet", "vector_video")
    assert found.paths == ("a", "c")
    assert found.vectors.tolist() == [[1, 2], [3, 4]]
    assert refused(tmp_path / "e.parquet").startswith("not a descriptor file, it lacks vector")
    with pytest.raises(UserError, match="its path is of string, not fixed-size lists"):
        DescriptorTable.read(tmp_path / "e.parquet", "path")
