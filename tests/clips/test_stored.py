import math
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from triptych.clips.feature_store import Described, FeatureStore, Spec, write_index, write_store
from triptych.clips.stored import (
    StoredFeatures,
    open_stored,
    overlapping,
    refuse_other_streams,
)
from triptych.encoders.encoder import FeatureInput, Stream
from triptych.errors import UsageError, UserError
from triptych.manifest.schema import SCHEMA, Manifest

CLIPS = [
    ("a.mp4", 0.0, 2.0),
    ("a.mp4", 1.9, 2.2),
    ("a.mp4", 2.5, 99.0),  # longer than its rows
    ("b.mp4", 0.4, 0.5),
    ("b.mp4", 7.0, 8.0),  # after its last row
    ("c.mp4", 0.0, 1.0),
]


def manifest_of(clips: list[tuple[str, float, float]] = CLIPS, silent: int = -1) -> Manifest:
    rows = [
        (str(n), path, start, end, "", True, n != silent, False, 64, 48, 24.0, f"print of {path}")
        for n, (path, start, end) in enumerate(clips)
    ]
    return Manifest(
        Path(), pa.table([list(column) for column in zip(*rows, strict=True)], schema=SCHEMA)
    )


def store_of(
    folder: Path,
    rate: float,
    dim: int,
    counts: dict[str, int],
    seed: int = 0,
    modality: str = "video",
) -> FeatureStore:
    draw = np.random.default_rng(seed)
    spec = Spec(folder.stem, modality, rate, dim, {"encoder": {"name": "net"}, "sha256": str(seed)})
    files = [
        Described(path, f"print of {path}", draw.normal(size=(count, dim)))
        for path, count in counts.items()
    ]
    write_store(folder, spec, files)
    return FeatureStore.open(folder)


def brute(store: FeatureStore, path: str, start: float, end: float) -> np.ndarray | None:
    """The strongest of every number, row by row, of the rows that overlap the span."""
    if not store.has(path):
        return None
    best: list[float] | None = None
    for number, row in enumerate(store.rows(path)):
        low, high = number / store.rate, (number + 1) / store.rate
        if low < end - 1e-9 and start < high - 1e-9:
            best = [
                max(a, float(b)) for a, b in zip(best or [-math.inf] * len(row), row, strict=True)
            ]
    return None if best is None else np.array(best) / math.sqrt(sum(x * x for x in best))


def test_a_clip_has_the_strongest_of_the_rows_that_it_overlaps(tmp_path: Path) -> None:
    manifest = manifest_of()
    stores = [
        store_of(tmp_path / "x.features", 1.0, 5, {"a.mp4": 4, "b.mp4": 1, "c.mp4": 0}, 1),
        store_of(tmp_path / "y.features", 1.5, 7, {"c.mp4": 2, "a.mp4": 6, "b.mp4": 2}, 2),
    ]
    found = StoredFeatures(manifest, stores)
    assert found.dim == 12
    assert found.input == FeatureInput(
        tuple(Stream(s.name, s.rate, s.dim, s.spec.backbone) for s in stores)
    )
    rows = np.array([3, 0, 0, 5, 2, 1, 4])
    batch = found.batch(rows)
    assert batch.dtype == np.float32
    assert found.known.tolist() == [True, True, True, True, False, False]
    for values, row in zip(batch, rows, strict=True):
        wanted = [brute(store, *CLIPS[row]) for store in stores]
        if any(part is None for part in wanted):
            assert not values.any()
            assert not found.known[row]
        else:
            np.testing.assert_allclose(values, np.concatenate(wanted), atol=1e-6)


def test_what_does_not_fit_is_pooled_every_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = store_of(tmp_path / "x.features", 1.0, 5, {"a.mp4": 4, "b.mp4": 1, "c.mp4": 3})
    kept = StoredFeatures(manifest_of(), [store])
    monkeypatch.setattr("triptych.clips.stored.KEPT", 4 * 6 * 5 - 1)
    anew = StoredFeatures(manifest_of(), [store])
    for rows in ([0, 3, 3], [5, 0, 1, 4]):
        np.testing.assert_array_equal(kept.batch(rows), anew.batch(rows))
    monkeypatch.setattr(FeatureStore, "rows", None)
    assert kept.batch([0, 5, 3]).shape == (3, 5)
    with pytest.raises(TypeError):
        anew.batch([0])


@given(
    start=st.fractions(0, 50, max_denominator=1000),
    length=st.fractions(Fraction(1, 100), 20, max_denominator=1000),
    rate=st.sampled_from([Fraction(1), Fraction(3, 2), Fraction(2, 3), Fraction(10)]),
)
def test_rows_overlap_a_span_as_exact_numbers_say(
    start: Fraction, length: Fraction, rate: Fraction
) -> None:
    end = start + length
    wanted = [i for i in range(1000) if i / rate < end and start < (i + 1) / rate]
    first, last = overlapping(np.array([float(start)]), np.array([float(end)]), float(rate))
    assert range(int(first[0]), int(last[0])) == range(wanted[0], wanted[-1] + 1)


def test_rounding_of_times_adds_no_row() -> None:
    # .1 + .2 is a hair above .3, and .57 times 100 a hair below 57.
    first, last = overlapping(np.array([0.1]), np.array([0.1 + 0.2]), 10.0)
    assert (first.tolist(), last.tolist()) == ([1], [3])
    first, last = overlapping(np.array([0.57]), np.array([0.6]), 100.0)
    assert (first.tolist(), last.tolist()) == ([57], [60])


def test_a_span_without_length_is_of_the_row_that_it_is_in() -> None:
    first, last = overlapping(np.array([2.0, 2.5]), np.array([2.0, 2.5]), 1.0)
    assert list(zip(first.tolist(), last.tolist(), strict=True)) == [(2, 3), (2, 3)]


def test_what_the_manifest_has_no_sound_for_is_not_known(tmp_path: Path) -> None:
    store = store_of(
        tmp_path / "s.features", 1.0, 3, {"a.mp4": 4, "b.mp4": 9, "c.mp4": 1}, modality="audio"
    )
    assert StoredFeatures(manifest_of(silent=1), [store]).known.tolist() == [True, False] + 4 * [
        True
    ]


def test_zeros_stay_zeros(tmp_path: Path) -> None:
    spec = Spec("z", "video", 1.0, 2, {})
    write_store(tmp_path / "z.features", spec, [Described("a.mp4", "", np.zeros((3, 2)))])
    found = StoredFeatures(manifest_of(), [FeatureStore.open(tmp_path / "z.features")])
    assert not found.batch([0]).any()


def test_how_many_files_are_lacking_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = store_of(tmp_path / "x.features", 1.0, 3, {"b.mp4": 9})
    found = StoredFeatures(manifest_of(), [store])
    assert "has no rows of 2 of 3 files, as a.mp4" in capsys.readouterr().err
    assert found.known.tolist() == [False] * 3 + [True, True, False]


def test_a_store_of_another_collection_is_refused(tmp_path: Path) -> None:
    store = store_of(tmp_path / "x.features", 1.0, 3, {"else.mp4": 9})
    with pytest.raises(UserError, match=r"x\.features: holds none of the 3 files with video, as a"):
        StoredFeatures(manifest_of(), [store])


def test_files_that_have_changed_since_are_refused(tmp_path: Path) -> None:
    spec = Spec("z", "video", 1.0, 2, {})
    files = [Described(f"{name}.mp4", "old", np.ones((3, 2))) for name in "ab"]
    write_store(tmp_path / "z.features", spec, files)
    with pytest.raises(UserError, match=r"2 of 3 files have other bytes than .* as a\.mp4"):
        StoredFeatures(manifest_of(), [FeatureStore.open(tmp_path / "z.features")])


def test_stores_of_two_modalities_or_none_are_refused(tmp_path: Path) -> None:
    files = {"a.mp4": 4, "b.mp4": 9, "c.mp4": 1}
    one = store_of(tmp_path / "x.features", 1.0, 3, files)
    two = store_of(tmp_path / "y.features", 1.0, 3, files, modality="audio")
    for stores in ([one, two], []):
        with pytest.raises(UsageError, match="name stores of one modality"):
            StoredFeatures(manifest_of(), stores)
    with pytest.raises(UsageError, match=r"features\.video=.*y\.features: features of audio"):
        open_stored(manifest_of(), {"video": [two.folder]})
    found = open_stored(manifest_of(), {"video": [one.folder], "audio": [two.folder]})
    assert {name: part.modality for name, part in found.items()} == {
        "video": "video",
        "audio": "audio",
    }
    assert open_stored(manifest_of(), {"video": []}) == {}


@pytest.mark.parametrize("value", [np.nan, -np.nan, np.inf])
def test_a_row_that_is_not_finite_is_refused_where_it_is_read(tmp_path: Path, value: float) -> None:
    values = np.ones((4, 3), np.float32)
    values[2, 1] = value
    np.save(tmp_path / "a.npy", values)
    spec = Spec("n", "video", 1.0, 3, {})
    write_index(tmp_path / "n.features", spec, [("a.mp4", tmp_path / "a.npy", 4)])
    found = StoredFeatures(manifest_of(), [FeatureStore.open(tmp_path / "n.features")])
    assert found.batch([0]).any()
    with pytest.raises(UserError, match=r"n\.features: the features of a\.mp4 are not finite"):
        found.batch([0, 2])


def test_a_model_takes_the_streams_that_it_learned_from() -> None:
    one = Stream("2d", 1.0, 8, {"sha256": "ab", "encoder": {"name": "net"}, "weights": "here"})
    form = FeatureInput((one, replace(one, name="3d", rate=1.5)))
    moved = replace(one, name="else", backbone={**one.backbone, "weights": "there"})
    refuse_other_streams(form, FeatureInput((moved, form.streams[1])), "video")
    for other in (
        replace(one, rate=2.0),
        replace(one, dim=9),
        replace(one, backbone={**one.backbone, "sha256": "cd"}),
    ):
        with pytest.raises(UserError, match=r"features\.video: the model learned from 2d .* \+ 3d"):
            refuse_other_streams(form, FeatureInput((other, form.streams[1])), "video")
    with pytest.raises(UserError, match="describe the files with the same networks"):
        refuse_other_streams(form, FeatureInput((one,)), "video")
