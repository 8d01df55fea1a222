from pathlib import Path

import numpy as np
import pytest

from tests.embeddings.test_mapped import write
from triptych.embeddings import catalogue as module
from triptych.embeddings.catalogue import Catalogue
from triptych.errors import UserError


@pytest.mark.parametrize("smallest", [0, 1 << 30], ids=["mapped", "in memory"])
def test_a_table_on_disk_is_the_one_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, smallest: int
) -> None:
    monkeypatch.setattr(module, "SMALLEST_MAPPED", smallest)
    table = write(tmp_path / "e.parquet")
    plain, opened = Catalogue.of(table), Catalogue.open(tmp_path / "e.parquet")
    assert (tmp_path / "e.vectors").exists() == (smallest == 0)
    assert len(plain) == len(opened) == 50
    assert opened.names == plain.names == table.names()
    assert opened.info == table.info
    for name in table.names():
        np.testing.assert_array_equal(opened.column(name).centred, plain.column(name).centred)
        assert opened.column(name) is opened.column(name)
    for found in (plain, opened):
        assert found.rows(np.array([7, 3])) == found.clips.slice(7, 1).to_pylist() + [
            {"clip_id": row["clip_id"], "path": "a.mp4", "start": 3.0, "end": 4.0}
            | {"text": "words 3", "cluster": -1}
            for row in found.clips.slice(3, 1).to_pylist()
        ]
        assert found.files == ["a.mp4"]
        np.testing.assert_array_equal(found.values("path"), np.zeros(50))
        np.testing.assert_array_equal(found.values("start"), np.arange(50))


def test_a_folder_that_cannot_be_written_is_done_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr(module, "SMALLEST_MAPPED", 0)
    table = write(tmp_path / "e.parquet")
    (tmp_path / "e.vectors").write_text("a file in the folder's place")
    opened = Catalogue.open(tmp_path / "e.parquet")
    column = opened.column("vector_text")
    np.testing.assert_array_equal(column.raw, Catalogue.of(table).column("vector_text").raw)
    assert opened.rows(np.array([3]))[0]["start"] == 3.0
    assert "searching in memory" in capsys.readouterr().err


def test_a_damaged_table_gives_one_line(tmp_path: Path) -> None:
    path = tmp_path / "e.parquet"
    write(path, count=2000)
    content = path.read_bytes()
    path.write_bytes(content[:4] + bytes(len(content) // 2) + content[len(content) // 2 + 4 :])
    with pytest.raises(UserError, match=r"e\.parquet: damaged .*; embed again"):
        Catalogue.open(path)
    path.write_bytes(content[:100])
    with pytest.raises(UserError, match=r"e\.parquet: not a Parquet file"):
        Catalogue.open(path)
