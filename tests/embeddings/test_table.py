from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from triptych.embeddings.table import EmbeddingTable
from triptych.errors import UserError
from triptych.manifest.schema import SCHEMA, Manifest, clip_id


def manifest(count: int, root: Path = Path("/videos")) -> Manifest:
    rows = [
        {
            "clip_id": clip_id("a.mp4", i, i + 1),
            "path": "a.mp4",
            "start": float(i),
            "end": i + 1.0,
            "text": f"words {i}",
            "has_video": True,
            "has_audio": False,
            "has_text": True,
            "width": 64,
            "height": 48,
            "fps": 25.0,
            "fingerprint": "0",
        }
        for i in range(count)
    ]
    return Manifest(root, pa.Table.from_pylist(rows, SCHEMA))


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 999), count=st.integers(1, 40), dim=st.integers(1, 9))
def test_vectors_come_back_as_they_went_in(
    tmp_path_factory: pytest.TempPathFactory, seed: int, count: int, dim: int
) -> None:
    draw = np.random.default_rng(seed)
    values = draw.normal(size=(count, dim)).astype(np.float32)
    present = draw.random(count) < 0.6
    file = tmp_path_factory.mktemp("table") / "embeddings.parquet"
    made = EmbeddingTable.build(manifest(count), {"vector_video": (values, present)}, "c0ffee")
    made.write(file)
    again, again_present = EmbeddingTable.read(file).vectors("vector_video")
    np.testing.assert_array_equal(again_present, present)
    np.testing.assert_array_equal(again, np.where(present[:, None], values, 0))


def test_a_table_keeps_its_clips_its_origin_and_its_clusters(tmp_path: Path) -> None:
    ones = np.ones((3, 2), np.float32), np.ones(3, bool)
    made = EmbeddingTable.build(
        manifest(3, tmp_path), {"vector_joint": ones}, "c0ffee", method="sdc"
    ).with_clusters([2, 0, -1])
    made.write(tmp_path / "e.parquet")
    again = EmbeddingTable.read(tmp_path / "e.parquet")
    assert again.info["method"] == "sdc"
    assert again.info["manifest"] == manifest(3).digest
    assert again.root == tmp_path.resolve()
    assert again.file(1) == tmp_path.resolve() / "a.mp4"
    assert again.names() == ["vector_joint"]
    assert again.column("cluster").tolist() == [2, 0, -1]
    assert again.column("text").tolist() == ["words 0", "words 1", "words 2"]
    assert set(again.column("checkpoint")) == {"c0ffee"}
    moved = EmbeddingTable.read(tmp_path / "e.parquet", root=Path("/elsewhere"))
    assert moved.file(0) == Path("/elsewhere/a.mp4")


def test_a_slice_of_a_table_gives_its_own_vectors() -> None:
    values = np.arange(10, dtype=np.float32).reshape(5, 2)
    made = EmbeddingTable.build(manifest(5), {"vector_joint": (values, np.ones(5, bool))}, "c")
    part = EmbeddingTable(made.root, made.table.slice(2, 2), made.info)
    np.testing.assert_array_equal(part.vectors("vector_joint")[0], values[2:4])


def test_vectors_that_are_not_finite_are_refused_unless_absent() -> None:
    values = np.array([[1, 2], [np.nan, 0]], np.float32)
    with pytest.raises(UserError, match="1 of 2 clips are not finite"):
        EmbeddingTable.build(manifest(2), {"vector_video": (values, np.ones(2, bool))}, "c")
    present = np.array([True, False])
    made = EmbeddingTable.build(manifest(2), {"vector_video": (values, present)}, "c")
    np.testing.assert_array_equal(made.vectors("vector_video")[0], [[1, 2], [0, 0]])


def test_what_is_no_table_is_refused_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no embeddings here"):
        EmbeddingTable.read(tmp_path / "none.parquet")
    (tmp_path / "text.parquet").write_text("hello")
    with pytest.raises(UserError, match="not a Parquet file"):
        EmbeddingTable.read(tmp_path / "text.parquet")
    manifest(2).write(tmp_path / "manifest.parquet")
    with pytest.raises(UserError, match="lacks cluster, checkpoint"):
        EmbeddingTable.read(tmp_path / "manifest.parquet")
    with pytest.raises(UserError, match="have no vector_audio; they have none"):
        EmbeddingTable.build(manifest(2), {}, "c").vectors("vector_audio")


def test_damaged_columns_and_metadata_are_named(tmp_path: Path) -> None:
    path = tmp_path / "embeddings.parquet"
    whole = EmbeddingTable.build(
        manifest(2), {"vector_video": (np.ones((2, 3), np.float32), np.ones(2, bool))}, "c"
    )
    whole.write(path)
    table = pa.parquet.read_table(path)
    at = table.schema.get_field_index
    for damaged, said in (
        (table.set_column(at("start"), "start", pa.array(["x", "y"])), "in start;"),
        (table.set_column(at("vector_video"), "vector_video", pa.array(["x", "y"])), "vector_vid"),
        (table.replace_schema_metadata({"triptych.embeddings": "{"}), "its metadata"),
        (table.replace_schema_metadata({"triptych.embeddings": "[]"}), "its metadata"),
    ):
        pa.parquet.write_table(damaged, path)
        with pytest.raises(UserError, match=f"embeddings.parquet: damaged or .*{said}"):
            EmbeddingTable.read(path)
