import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from triptych.errors import UserError
from triptych.evaluate.layouts import records

HERE = Path("a.pkl")


def test_what_is_no_list_of_clips_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.pkl"
    for made, says in [({}, "a dict"), ([], "a list"), ([1], "clip 0"), ([{"id": 3}], "clip 0")]:
        path.write_bytes(pickle.dumps(made))
        with pytest.raises(UserError, match=says):
            records.read(path)
    path.write_bytes(pickle.dumps([{"id": "x", "audio": torch.ones(40, 2)}]))
    assert records.read(path)[0]["audio"].shape == (40, 2)


def test_the_first_key_that_is_there_gives_the_vector() -> None:
    record = {"id": "x", "2d": np.array([[1.0, 4], [3, 2]]), "none": None, "no": np.zeros((0, 2))}
    assert records.vector(HERE, record, ("3d",)) is None
    assert records.vector(HERE, record, ("no", "none")) is None
    found = records.vector(HERE, record, ("none", "2d", "no"))
    np.testing.assert_array_equal(found, [3, 4])  # type: ignore[arg-type]


@pytest.mark.parametrize("wrong", ["text", [1.0], np.ones((1, 1, 1)), np.array(["a"])])
def test_features_that_are_no_numbers_are_refused(wrong: Any) -> None:
    with pytest.raises(UserError, match="x: '2d' is no array"):
        records.vector(HERE, {"id": "x", "2d": wrong}, ("2d",))


def test_a_clip_that_lacks_a_stream_has_no_video() -> None:
    two = [np.array([3.0, 4]), None, np.array([1.0, 0]), np.zeros(2)]
    three = [np.array([2.0]), np.array([1.0]), np.array([-1.0]), np.zeros(1)]
    found = records.pictures(HERE, list("abcd"), {"2d": two, "3d": three})
    assert found.streams == (("2d", 2), ("3d", 1))
    np.testing.assert_array_equal(found.present, [True, False, True, False])
    np.testing.assert_allclose(found.rows, [[0.6, 0.8, 1], [0] * 3, [1, 0, -1], [0] * 3], rtol=1e-6)
    alone = records.pictures(HERE, list("abcd"), {"2d": two, "3d": [None] * 4})
    assert alone.streams == (("2d", 2),)
    none = records.pictures(HERE, ["a"], {"2d": [None]})
    assert none.rows is None
    assert not none.present.any()


def test_sizes_that_differ_and_numbers_that_are_none_are_said_with_their_clip() -> None:
    with pytest.raises(UserError, match="b: 2d has 1 numbers, others 2"):
        records.pictures(HERE, ["a", "b"], {"2d": [np.ones(2), np.ones(1)]})
    with pytest.raises(UserError, match="b: 2d holds NaN"):
        records.pictures(HERE, ["a", "b"], {"2d": [np.ones(1), np.array([np.nan])]})


def test_sounds_are_of_one_kind_and_may_be_absent() -> None:
    assert records.sounds(HERE, [{"id": "a"}], 10) is None
    made = [{"id": "a", "audio": np.ones((40, 3))}, {"id": "b"}, {"id": "c", "audio": None}]
    found = records.sounds(HERE, made, 2)
    assert found is not None
    np.testing.assert_array_equal(found.frames, [2, 0, 0])
    with pytest.raises(UserError, match="of 40 and 64 bands"):
        records.sounds(HERE, [*made, {"id": "d", "audio": np.ones((64, 3))}], 2)
