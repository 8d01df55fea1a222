import json
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.embeddings.test_table import manifest
from triptych.embeddings import column as columns
from triptych.embeddings import mapped
from triptych.embeddings.column import Column
from triptych.embeddings.table import EmbeddingTable
from triptych.errors import UserError


def write(path: Path, count: int = 50, share: float = 0.6, seed: int = 0) -> EmbeddingTable:
    draw = np.random.default_rng(seed)
    vectors = 1 + draw.normal(size=(count, 6)).astype(np.float32)
    columns = {
        "vector_video": (vectors, np.ones(count, bool)),
        "vector_text": (vectors[:, :3], draw.random(count) < share),
    }
    table = EmbeddingTable.build(manifest(count), columns, "c0ffee")
    table.write(path)
    return table


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 99), count=st.integers(1, 40), share=st.sampled_from([0.0, 0.5, 1.0]))
def test_a_mapped_column_is_the_tables(
    tmp_path_factory: pytest.TempPathFactory, seed: int, count: int, share: float
) -> None:
    path = tmp_path_factory.mktemp("mapped") / "embeddings.parquet"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(columns, "NUMBERS_AT_ONCE", 40)  # 6 rows, or 13
        table = write(path, count, share, seed)
        for name in table.names():
            made, plain = mapped.column(path, name), Column.of(name, *table.vectors(name))
            assert made is not None
            assert made.count == count
            for part in ("raw", "centred", "along", "clips"):
                np.testing.assert_array_equal(getattr(made, part), getattr(plain, part))
            np.testing.assert_allclose(made.mean, plain.mean, rtol=1e-12, atol=1e-15)
            assert made.bounds == pytest.approx(plain.bounds)


def test_mapped_clips_are_the_tables(tmp_path: Path) -> None:
    table = write(tmp_path / "e.parquet")
    clips = mapped.clips(tmp_path / "e.parquet")
    assert clips is not None
    assert clips.to_pylist() == table.table.select(mapped.CLIPS).to_pylist()


def test_nothing_is_made_twice_and_new_clusters_leave_the_vectors(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    path = tmp_path / "e.parquet"
    table = write(path)
    mapped.column(path, "vector_video")
    mapped.clips(path)
    made = tmp_path / "e.vectors" / "vector_video" / "raw.f32"
    first = made.stat().st_ino
    mapped.column(path, "vector_video")
    table.with_clusters(np.arange(50) % 3).write(path)
    mapped.column(path, "vector_video")
    assert made.stat().st_ino == first
    assert not capsys.readouterr().err
    spec = json.loads((made.parent / "spec.json").read_text())
    assert spec["stamp"][1] == path.stat().st_mtime_ns  # digested once, then known
    clips = mapped.clips(path)
    assert clips is not None
    assert clips["cluster"].to_pylist()[:4] == [0, 1, 2, 0]
    assert "clips: made of a table that has changed; making it again" in capsys.readouterr().err


def test_a_table_that_has_changed_is_mapped_again(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    path = tmp_path / "e.parquet"
    write(path)
    mapped.column(path, "vector_video")
    table = write(path, seed=1)
    again = mapped.column(path, "vector_video")
    assert again is not None
    np.testing.assert_array_equal(again.raw, table.vectors("vector_video")[0])
    assert "vector_video: made of a table that has changed; making it" in capsys.readouterr().err


@pytest.mark.parametrize("damage", ["short", "gone", "words", "list", "format", "no files"])
def test_what_is_damaged_is_said_and_made_again(
    tmp_path: Path, capsys: pytest.CaptureFixture, damage: str
) -> None:
    path = tmp_path / "e.parquet"
    table = write(path)
    mapped.column(path, "vector_video")
    part = tmp_path / "e.vectors" / "vector_video"
    spec = json.loads((part / "spec.json").read_text())
    if damage == "short":
        os.truncate(part / "raw.f32", 100)
    elif damage == "gone":
        (part / "centred.f16").unlink()
    elif damage == "words":
        (part / "spec.json").write_text("no JSON")
    elif damage == "list":
        (part / "spec.json").write_text("[]")
    elif damage == "format":
        (part / "spec.json").write_text(json.dumps({**spec, "format": 0}))
    else:
        (part / "spec.json").write_text(json.dumps({"format": 1}))
    again = mapped.column(path, "vector_video")
    assert again is not None
    np.testing.assert_array_equal(again.raw, table.vectors("vector_video")[0])
    said = capsys.readouterr().err
    assert "damaged (" in said or "of another version" in said
    assert said.count("\n") == 1


def test_a_folder_that_cannot_be_written_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    path = tmp_path / "e.parquet"
    write(path)
    path.with_suffix(".vectors").write_text("a file in the folder's place")
    assert mapped.column(path, "vector_video") is None
    assert "cannot be written" in capsys.readouterr().err


def test_what_is_no_table_gives_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no embeddings here"):
        mapped.schema(tmp_path / "e.parquet")
    (tmp_path / "e.parquet").write_text("no Parquet")
    with pytest.raises(UserError, match="not a Parquet file"):
        mapped.schema(tmp_path / "e.parquet")


def test_a_damaged_table_leaves_no_part(tmp_path: Path) -> None:
    path = tmp_path / "e.parquet"
    write(path, count=2000)
    content = bytearray(path.read_bytes())
    content[len(content) // 8 : len(content) // 2] = bytes(len(content) // 2 - len(content) // 8)
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"e\.parquet: damaged .*; embed again"):
        mapped.column(path, "vector_video")
    assert not list((tmp_path / "e.vectors").iterdir())
