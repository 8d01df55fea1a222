from pathlib import Path

import numpy as np
import pytest

from triptych.errors import UserError
from triptych.evaluate.layouts import stored
from triptych.evaluate.layouts.sets import Source


def saved(path: Path, columns: int = 2) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = np.ones((3, columns))
    if path.suffix == ".npz":
        np.savez(path, features=rows)
    else:
        np.save(path, rows)
    return path


@pytest.mark.parametrize(
    ("two", "three"),
    [
        ("v_2d.npy", "v_3d.npy"),
        ("v_2d.npz", "v_3d.npz"),
        ("features_2d/v.npy", "features_3d/v.npz"),
        ("2d/v.npy", "3d/v.npy"),
        ("v_2d.npy", "v.npz"),
    ],
)
def test_both_streams_are_found_in_each_layout(tmp_path: Path, two: str, three: str) -> None:
    saved(tmp_path / "b" / two)
    saved(tmp_path / "b" / three)
    found = stored.sources([tmp_path / "a", tmp_path / "b"], "v")
    assert [source.name for source in found] == ["2d", "3d"]
    assert [source.path for source in found] == [tmp_path / "b" / two, tmp_path / "b" / three]
    assert all(source.rows().shape == (3, 2) for source in found)


def test_a_spectrogram_goes_by_two_names(tmp_path: Path) -> None:
    assert stored.spectrogram([tmp_path], "v") is None
    (tmp_path / "v_spec.npz").touch()
    assert stored.spectrogram([tmp_path], "v") == Source("audio", tmp_path / "v_spec.npz", "arr_0")


def test_streams_are_those_of_all_and_who_lacks_one_is_named(tmp_path: Path) -> None:
    two = Source("2d", saved(tmp_path / "a.npy", 4))
    three = Source("3d", saved(tmp_path / "b.npy", 5))
    streams, lacking = stored.agreed({"x": (two,), "y": (two, three), "z": ()})
    assert streams == (("2d", 4), ("3d", 5))
    assert lacking == ["x", "z"]
    assert stored.agreed({"x": ()}) == ((), [])


@pytest.mark.parametrize("name", ["", "/etc/x", "../x", "a/../../x", "a\0"])
def test_a_name_cannot_lead_out_of_its_folder(tmp_path: Path, name: str) -> None:
    for find in (stored.sources, stored.spectrogram):
        with pytest.raises(UserError, match="no name of a video"):
            find([tmp_path], name)
