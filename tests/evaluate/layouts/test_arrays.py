import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from triptych.errors import UserError
from triptych.evaluate.layouts import arrays
from triptych.evaluate.layouts.arrays import Listed


def listed(folder: Path, video: str) -> Listed:
    return Listed(video, "t", ("a", "b"), (0, 1), folder / f"{video}.npy")


def saved(folder: Path, video: str, rows: int = 6, streams: tuple[str, ...] = ("2d", "3d")) -> None:
    marked = np.zeros((rows, 2), np.uint8)
    marked[1:3, 0] = marked[4, 1] = 1
    np.save(folder / f"{video}.npy", marked)
    for stream, count in (("2d", rows + 1), ("3d", rows * 3 // 2)):
        if stream in streams:
            np.save(folder / f"{video}_{stream}.npy", np.ones((count, 3)))


def test_a_video_has_as_many_rows_as_its_annotation(tmp_path: Path) -> None:
    saved(tmp_path, "x")
    np.savez(tmp_path / "x_spec.npz", arr_0=np.zeros((40, 590), np.float16))
    held = arrays.read("set", [listed(tmp_path, "x")], [tmp_path], [tmp_path])
    [one] = held.timelines
    assert one.features().shape == (6, 6)
    np.testing.assert_array_equal(np.argwhere(one.truth()), [[1, 0], [2, 0], [4, 1]])
    sound = one.spectrograms()
    assert sound is not None
    assert len(sound) == 6
    assert held.streams == (("2d", 3), ("3d", 3))
    assert not held.remarks


def test_what_is_missing_is_counted_and_the_rest_is_read(tmp_path: Path) -> None:
    saved(tmp_path, "x")
    saved(tmp_path, "y", streams=("2d",))
    saved(tmp_path, "z", streams=())
    names = ["x", "y", "z", "none"]
    held = arrays.read("set", [listed(tmp_path, name) for name in names], [tmp_path], [])
    assert [one.video for one in held.timelines] == ["x"]
    assert held.protocol["videos_listed"] == 4
    assert held.protocol["videos_without_annotation"] == 1
    assert held.protocol["videos_without_features"] == 2
    assert held.protocol["videos_without_spectrogram"] == 1
    assert held.remarks == [
        "set: 1 of 4 videos have no annotation",
        "set: 2 of 4 videos have no features",
        "set: 1 of 4 videos have no spectrogram",
    ]


def test_without_any_features_steps_and_times_are_read(tmp_path: Path) -> None:
    saved(tmp_path, "z", streams=())
    held = arrays.read("set", [listed(tmp_path, "z")], [tmp_path], [])
    assert held.streams == ()
    assert held.timelines[0].sources == ()
    assert "only steps and times" in held.remarks[-1]


def test_nothing_left_and_annotations_of_other_steps_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="of 1 videos, 0 are annotated"):
        arrays.read("set", [listed(tmp_path, "x")], [tmp_path], [])
    np.save(tmp_path / "x.npy", np.zeros((5, 3)))
    with pytest.raises(UserError, match="seconds x 2 steps wanted"):
        arrays.read("set", [listed(tmp_path, "x")], [tmp_path], [])


@pytest.mark.parametrize("wrong", [[], {}, {"x": "a"}, {"x": [1]}])
def test_steps_are_lists_of_words_by_name(tmp_path: Path, wrong: Any) -> None:
    path = tmp_path / "step.json"
    path.write_text(json.dumps({"x": ["add é"]}), encoding="utf-8")
    assert arrays.steps_by_name(path) == {"x": ("add é",)}
    path.write_text(json.dumps(wrong))
    with pytest.raises(UserError, match="steps"):
        arrays.steps_by_name(path)
