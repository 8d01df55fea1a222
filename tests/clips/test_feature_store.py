import json
import unicodedata
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from triptych.clips.feature_store import (
    Described,
    FeatureStore,
    Spec,
    read_others,
    write_index,
    write_store,
)
from triptych.errors import UserError

SPEC = Spec("net", "video", 1.5, 3, {"encoder": {"name": "net"}, "sha256": "ab"}, "digest")


def rows(count: int, start: int = 0) -> np.ndarray:
    return (start + np.arange(3 * count)).reshape(count, 3).astype(np.float16)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    folder = tmp_path / "net.features"
    files = [Described("a/b.mp4", "f1", rows(2)), Described("c.mp4", "f2", rows(0))]
    write_store(folder, SPEC, [*files, Described("é.mp4", "f3", rows(4, 100))])
    return folder


def refused(folder: Path) -> str:
    with pytest.raises(UserError) as found:
        FeatureStore.open(folder)
    line = str(found.value)
    assert str(folder) in line
    assert "\n" not in line
    return line


def test_what_was_written_is_read(store: Path) -> None:
    found = FeatureStore.open(store)
    assert (found.name, found.modality, found.rate, found.dim) == ("net", "video", 1.5, 3)
    assert found.spec == SPEC
    assert found.paths == ("a/b.mp4", "c.mp4", "é.mp4")
    np.testing.assert_array_equal(found.rows("a/b.mp4"), rows(2))
    np.testing.assert_array_equal(found.rows("é.mp4"), rows(4, 100))
    assert found.rows("c.mp4").shape == (0, 3)
    assert found.rows("a/b.mp4").dtype == np.float16
    assert found.fingerprint("é.mp4") == "f3"
    assert [found.has(path) for path in ("c.mp4", "b.mp4")] == [True, False]
    assert [found.place(path) for path in ("é.mp4", "b.mp4")] == [2, -1]


def test_the_values_are_the_rows_one_after_another_and_nothing_else(store: Path) -> None:
    """Read without the reader: what the format says is what lies on the disk."""
    raw = np.fromfile(store / "values.bin", "<f2").reshape(-1, 3)
    np.testing.assert_array_equal(raw, np.concatenate([rows(2), rows(4, 100)]))
    index = pq.read_table(store / "index.parquet").to_pydict()
    assert index["first"] == [0, 2, 2]
    assert index["rows"] == [2, 0, 4]
    info = json.loads((store / "spec.json").read_text())
    assert info["format"] == 1
    assert info["backbone"]["sha256"] == "ab"


def test_a_path_is_found_however_its_accents_are_spelt(store: Path) -> None:
    found = FeatureStore.open(store)
    assert found.has(unicodedata.normalize("NFD", "é.mp4"))


@given(
    files=st.lists(
        arrays.arrays(
            np.float16,
            st.tuples(st.integers(0, 5), st.just(3)),
            elements=st.floats(-9, 9, width=16),
        ),
        max_size=5,
    )
)
def test_any_rows_come_back(
    files: list[np.ndarray], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("any") / "net.features"
    write_store(folder, SPEC, [Described(str(i), "", rows) for i, rows in enumerate(files)])
    found = FeatureStore.open(folder)
    for number, wanted in enumerate(files):
        np.testing.assert_array_equal(found.rows(str(number)), wanted)


def test_the_digest_tells_the_values_apart(tmp_path: Path) -> None:
    digests = []
    for number, (spec, values) in enumerate(
        [
            (SPEC, [rows(2)]),
            (SPEC, [rows(2)]),
            (SPEC, [rows(2, 1)]),
            (SPEC, [rows(1), rows(1, 3)]),
            (replace(SPEC, rate=2.0), [rows(2)]),
        ]
    ):
        folder = tmp_path / f"{number}.features"
        write_store(folder, spec, [Described(str(i), "", some) for i, some in enumerate(values)])
        digests.append(FeatureStore.open(folder).digest)
    assert digests[0] == digests[1]
    assert len(set(digests)) == 4


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_not_written(value: float, tmp_path: Path) -> None:
    values = rows(2)
    values[1, 1] = value
    with pytest.raises(UserError, match=r"^a\.mp4: its net features are not finite$"):
        write_store(tmp_path / "net.features", SPEC, [Described("a.mp4", "", values)])
    assert not list(tmp_path.iterdir())


def test_rows_of_another_width_are_not_written(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"not \(T, 3\)"):
        write_store(tmp_path / "n.features", SPEC, [Described("a", "", np.zeros((2, 4)))])


def edit(folder: Path, **changes: object) -> None:
    info = json.loads((folder / "spec.json").read_text()) | changes
    (folder / "spec.json").write_text(json.dumps(info))


def test_what_is_no_store_is_refused(tmp_path: Path, store: Path) -> None:
    assert "no such folder" in refused(tmp_path / "gone")
    (tmp_path / "empty").mkdir()
    assert "no stored features here" in refused(tmp_path / "empty")
    (tmp_path / "empty" / "spec.json").write_text("{")
    assert "cannot be read" in refused(tmp_path / "empty")
    (tmp_path / "empty" / "spec.json").write_text("[1]")
    assert "in format None" in refused(tmp_path / "empty")
    edit(store, format=2)
    assert "in format 2, this version reads 1" in refused(store)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"rate": None}, "no right rate"),
        ({"rate": 0}, "0 rows a second"),
        ({"dim": "3"}, "no right dim"),
        ({"backbone": None}, "no right backbone"),
        ({"modality": "text"}, "of text"),
        ({"dim": 4}, "36 bytes, not 48"),
    ],
)
def test_a_wrong_spec_is_refused(store: Path, changes: dict[str, object], said: str) -> None:
    edit(store, **changes)
    assert said in refused(store)


def test_sizes_that_do_not_match_are_refused(store: Path) -> None:
    with (store / "values.bin").open("ab") as file:
        file.write(b"\0\0")
    assert "38 bytes, not 36 bytes" in refused(store)
    (store / "values.bin").unlink()
    assert "missing, not 36 bytes" in refused(store)


def test_a_wrong_index_is_refused(store: Path) -> None:
    file = store / "index.parquet"
    table = pq.read_table(file)
    first = table.schema.get_field_index("first")
    pq.write_table(table.set_column(first, "first", pa.array([0, 2, 3])), file)
    assert "beyond its values" in refused(store)
    pq.write_table(pa.concat_tables([table, table.slice(1, 1)]), file)
    assert "a file twice" in refused(store)
    pq.write_table(table.drop_columns(["rows"]), file)
    assert "not that of a store" in refused(store)
    file.write_bytes(b"none")
    assert "not that of a store" in refused(store)


def test_files_of_others_are_read_where_they_are(tmp_path: Path) -> None:
    values = np.arange(12, dtype=np.float32).reshape(4, 3)
    np.save(tmp_path / "x.npy", values)
    np.savez(tmp_path / "y.npz", features=values[:2], other=values)
    folder = tmp_path / "theirs.features"
    files = [("a.mp4", tmp_path / "x.npy", 4), ("b.mp4", tmp_path / "y.npz", 2)]
    write_index(folder, SPEC, files)
    assert not (folder / "values.bin").exists()
    found = FeatureStore.open(folder)
    np.testing.assert_array_equal(found.rows("a.mp4"), values)
    np.testing.assert_array_equal(found.rows("b.mp4"), values[:2])
    assert found.fingerprint("a.mp4") == ""
    assert found.counts.tolist() == [4, 2]
    np.save(tmp_path / "x.npy", values[:3])
    with pytest.raises(UserError, match=r"3 rows of 3, and .* says 4 of 3; index the files again"):
        FeatureStore.open(folder).rows("a.mp4")
    (tmp_path / "x.npy").unlink()
    with pytest.raises(UserError, match="no such file"):
        FeatureStore.open(folder).rows("a.mp4")


def test_an_index_of_no_files_is_one(tmp_path: Path) -> None:
    write_index(tmp_path / "n.features", SPEC, [])
    assert len(FeatureStore.open(tmp_path / "n.features")) == 0


def test_arrays_that_are_none_are_refused_in_one_line(tmp_path: Path) -> None:
    flat, whole, packed = (tmp_path / name for name in ("flat.npy", "whole.npy", "packed.npz"))
    np.save(flat, np.zeros(3))
    np.save(whole, np.zeros((2, 3), np.int64))
    np.savez(packed, rows=np.zeros((2, 3)))
    (tmp_path / "text.npy").write_text("no array")
    (tmp_path / "text.npz").write_text("no archive")
    np.save(tmp_path / "pickled.npy", np.array([{}], object), allow_pickle=True)
    for file, said in {
        flat: r"an array \(3,\) of float64",
        whole: "of int64, not",
        packed: "no array 'features', only rows",
        tmp_path / "text.npy": "not a readable array",
        tmp_path / "text.npz": "not a readable array",
        tmp_path / "pickled.npy": "not a readable array",
    }.items():
        with pytest.raises(UserError, match=said) as found:
            read_others(file)
        assert "\n" not in str(found.value)
