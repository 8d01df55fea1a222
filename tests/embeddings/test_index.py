import json
from pathlib import Path

import faiss
import numpy as np
import pytest

from triptych.embeddings import index as module
from triptych.embeddings.column import Column
from triptych.embeddings.index import kind_of, open_index
from triptych.errors import UserError


def column(count: int = 3000, dim: int = 16, share: float = 0.7) -> Column:
    """Groups of alike vectors, as clips are, in a cone."""
    draw = np.random.default_rng(0)
    groups = 2 + draw.normal(size=(40, dim))
    vectors = groups[draw.integers(0, 40, count)] + 0.3 * draw.normal(size=(count, dim))
    return Column.of("shared_video", vectors.astype(np.float32), draw.random(count) < share)


def true_nearest(of: Column, query: np.ndarray, count: int = 10) -> np.ndarray:
    raw = of.raw.astype(float)
    cosines = raw @ query / np.linalg.norm(raw, axis=1)
    assert of.clips is not None
    return of.clips[np.argsort(-cosines)[:count]]


@pytest.mark.parametrize("coded", [100_000, 1000], ids=["half precision", "codes"])
def test_candidates_hold_what_the_measured_recall_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture, coded: int
) -> None:
    monkeypatch.setattr(module, "CODED", coded)
    monkeypatch.setattr(module, "CANDIDATES", 50)
    of = column()
    found = open_index(tmp_path / "index", of)
    spec = json.loads((tmp_path / "index" / "spec.json").read_text())
    assert ("PQ" in spec["kind"]) == (coded == 1000)
    assert found.recall == spec["recall"] >= module.ENOUGH
    said = capsys.readouterr().err
    assert f"finds {found.recall:.1%} of the 10 nearest, looking into {spec['cells']} of" in said
    draw = np.random.default_rng(1)
    queries = of.raw[draw.choice(len(of.raw), 60)] + 0.1 * draw.normal(size=(60, 16))
    hits = [
        len(np.intersect1d(found.candidates(query, 10), true_nearest(of, query)))
        for query in queries
    ]
    assert sum(hits) / 600 >= found.recall - 0.05


def test_looking_into_all_cells_finds_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ENOUGH", 1.1)
    monkeypatch.setattr(module, "LITTLE", -1.0)
    of = column(share=1.0)
    found = open_index(tmp_path / "index", of, askers=of.raw[:100])
    assert found.recall == 1.0
    cells = faiss.extract_index_ivf(found.faiss)
    assert cells.nprobe == cells.nlist
    np.testing.assert_array_equal(np.sort(found.candidates(of.raw[5], 3000)), np.arange(3000))


def test_an_index_is_made_once_and_again_where_it_is_damaged(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    of = column()
    first = open_index(tmp_path / "index", of)
    capsys.readouterr()
    again = open_index(tmp_path / "index", of)
    assert not capsys.readouterr().err
    query = of.raw[0].astype(float)
    np.testing.assert_array_equal(first.candidates(query, 9), again.candidates(query, 9))
    file = tmp_path / "index" / "index.faiss"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 255
    file.unlink()  # the old one is mapped still, and must not become shorter under faiss's eyes
    file.write_bytes(content)
    open_index(tmp_path / "index", of)
    assert "index: damaged, or of another version; making it again" in capsys.readouterr().err
    (tmp_path / "index" / "spec.json").write_text("[]")
    open_index(tmp_path / "index", of)
    assert "damaged" in capsys.readouterr().err


def test_few_vectors_or_one_are_indexed_too(tmp_path: Path) -> None:
    for count in (1, 2, 30):
        of = column(count, share=1.0)
        found = open_index(tmp_path / str(count), of)
        np.testing.assert_array_equal(np.sort(found.candidates(of.raw[0], 99)), np.arange(count))


def test_an_index_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "part").write_text("a file in the folder's place")
    with pytest.raises(UserError, match=r"the index cannot be written .*; search with --how exact"):
        open_index(tmp_path / "part" / "index", column())


@pytest.mark.parametrize(
    ("rows", "dim", "kind"),
    [
        (1, 8, "IVF1,SQfp16"),
        (50_000, 256, "IVF781,SQfp16"),
        (1_000_000, 256, "IVF4000,PQ64np"),
        (1_000_000, 50, "IVF4000,PQ10np"),
        (1_000_000, 3, "IVF4000,PQ1np"),
        (10_000_000, 512, "IVF12649,PQ128np"),
    ],
)
def test_the_kind_goes_by_the_size(rows: int, dim: int, kind: str) -> None:
    assert kind_of(rows, dim) == kind
