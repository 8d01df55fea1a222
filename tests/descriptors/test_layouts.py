from pathlib import Path

import numpy as np
import pytest

from tests.clips.test_stored import manifest_of
from triptych.clips.feature_store import FeatureStore
from triptych.clips.stored import StoredFeatures
from triptych.descriptors.layouts import Tree, find_features
from triptych.errors import UserError
from triptych.manifest.problems import read_problems
from triptych.manifest.schema import Manifest

VIDEOS = [
    "cooking/video_0/3qPkxJeXzQc.mp4",
    "b/Eggs [dQw4w9WgXcQ].webm",
    "b/Eggs-abcdefghij_.mkv",
    "gone.mp4",
]


@pytest.fixture
def manifest() -> Manifest:
    return manifest_of([(path, 0.0, 2.0) for path in VIDEOS] + [(VIDEOS[0], 2.0, 4.0)])


def rows(count: int, width: int = 3, kind: type = np.float16) -> np.ndarray:
    return np.arange(count * width).reshape(count, width).astype(kind) + 1


def test_files_are_found_by_path_by_name_and_by_the_id_in_it(
    manifest: Manifest, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "2d"
    for name in ("cooking/video_0/3qPkxJeXzQc", "all/dQw4w9WgXcQ", "abcdefghij_"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        np.save(root / f"{name}.npy", rows(4))
    (root / "other").mkdir()
    np.save(root / "other" / "3qPkxJeXzQc.npy", rows(9))  # of the same name, at another path
    found = find_features(manifest, tmp_path / "out", [Tree("2d", root, ".npy", 1.0)], "howto100m")
    (stream,) = found["streams"]
    assert (stream["files"], stream["rows"], stream["dim"]) == (3, 12, 3)
    assert [row["path"] for row in found["files"]] == ["gone.mp4"]
    assert "no features of 1 of 4 videos, as gone.mp4" in capsys.readouterr().err
    (problem,) = read_problems(tmp_path / "out" / "2d_problems.parquet")
    assert (problem.path, problem.kind, problem.action) == (
        "gone.mp4",
        "features",
        "has no rows of 2d",
    )
    features = StoredFeatures(manifest, [FeatureStore.open(tmp_path / "out" / "2d.features")])
    assert features.known.tolist() == [True, True, True, False, True]
    wanted = rows(4)[[1, 3]].astype(np.float32)  # the larger of two rows each
    batch = features.batch([0, 4])
    np.testing.assert_allclose(
        batch, wanted / np.linalg.norm(wanted, axis=1, keepdims=True), atol=1e-6
    )


@pytest.mark.parametrize("kind", [np.float16, np.float32])
@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_mcn_s_two_networks_lie_beside_each_other(
    manifest: Manifest, tmp_path: Path, kind: type, save: object
) -> None:
    root = tmp_path / "parsed"
    place = root / "cooking" / "video_0"
    place.mkdir(parents=True)
    save(place / "3qPkxJeXzQc_2d.npz", features=rows(4, 5, kind))  # type: ignore[operator]
    save(place / "3qPkxJeXzQc_3d.npz", features=rows(6, 2, kind))  # type: ignore[operator]
    save(place / "3qPkxJeXzQc_spec.npz", arr_0=rows(6, 2, kind))  # type: ignore[operator]
    trees = [Tree("2d", root, "_2d.npz", 1.0), Tree("3d", root, "_3d.npz", 1.5)]
    find_features(manifest, tmp_path, trees, "mcn")
    stores = [FeatureStore.open(tmp_path / f"{name}.features") for name in ("2d", "3d")]
    assert [(store.rate, store.dim) for store in stores] == [(1.0, 5), (1.5, 2)]
    np.testing.assert_array_equal(stores[1].rows(VIDEOS[0]), rows(6, 2, kind))
    assert StoredFeatures(manifest, stores).batch([0]).shape == (1, 7)


def test_what_cannot_be_is_said(manifest: Manifest, tmp_path: Path) -> None:
    root = tmp_path / "2d"
    tree = Tree("2d", root, ".npy", 1.0)

    def refused(said: str) -> None:
        with pytest.raises(UserError, match=said):
            find_features(manifest, tmp_path / "out", [tree], "howto100m")

    refused("no such folder of features")
    root.mkdir()
    refused(
        r"features of none of the 4 videos; those of b/Eggs .* is called Eggs \[dQw4w9WgXcQ\]\.npy"
    )
    for name in ("a", "b"):
        (root / name).mkdir()
        np.save(root / name / "gone.npy", rows(2))
    refused(r"gone\.mp4: two files may hold its features, .*a/gone\.npy and .*b/gone\.npy")
    (root / "b" / "gone.npy").unlink()
    np.save(root / "dQw4w9WgXcQ.npy", rows(2, 4))
    refused(r"rows of 3 numbers, those of .*dQw4w9WgXcQ\.npy have 4")
    np.save(root / "dQw4w9WgXcQ.npy", rows(2).astype(int))
    refused("of int64, not")
    assert not (tmp_path / "out").exists()
