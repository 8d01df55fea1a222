from pathlib import Path

import numpy as np
import pytest

from triptych.errors import UserError
from triptych.evaluate.layouts.sets import (
    LocalizationSet,
    RetrievalSet,
    Segment,
    Source,
    Timeline,
)
from triptych.evaluate.layouts.streams import Spectrograms


def timeline(*segments: Segment, **more: object) -> Timeline:
    return Timeline("v", "t", ("a", "b"), (0, 1), segments, 1.0, 5, **more)  # type: ignore[arg-type]


def test_a_row_that_a_segment_touches_is_of_its_step() -> None:
    found = timeline(Segment(0, 0.9, 2.1), Segment(1, 3, 4), Segment(1, 4.5, 9)).truth()
    np.testing.assert_array_equal(found[:, 0], [1, 1, 1, 0, 0])
    np.testing.assert_array_equal(found[:, 1], [0, 0, 0, 1, 1])


def test_annotations_come_as_arrays_too() -> None:
    one = timeline(Segment(1, 0.5, 2), Segment(0, 3, 4))
    np.testing.assert_array_equal(one.spans, [[0.5, 2], [3, 4]])
    np.testing.assert_array_equal(one.of, [1, 0])
    assert timeline().spans.shape == (0, 2)


def test_frames_that_became_seconds_become_the_same_frames() -> None:
    for first in range(400):
        one = Timeline(
            "v", "t", ("a",), (0,), (Segment(0, first / 29.97, (first + 3) / 29.97),), 29.97
        )
        assert np.flatnonzero(one.truth(500)[:, 0]).tolist() == [first, first + 1, first + 2]


def test_where_words_say_nothing_every_row_is_allowed() -> None:
    assert timeline().allowed().all()
    found = timeline(constraints=(Segment(1, 1, 2),)).allowed()
    np.testing.assert_array_equal(np.argwhere(found), [[1, 1]])


def test_features_of_several_rates_stand_side_by_side(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.arange(1, 16, dtype=np.float16).reshape(5, 3))
    np.savez(tmp_path / "b.npz", features=np.arange(1.0, 8)[:, None])
    one = timeline(
        sources=(
            Source("a", tmp_path / "a.npy", columns=(1, 3)),
            Source("b", tmp_path / "b.npz", "features"),
        )
    )
    found = one.features()
    rows = np.arange(1, 16).reshape(5, 3)[:, 1:].astype(float)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    np.testing.assert_allclose(found, np.c_[rows, np.ones(5)], rtol=1e-5)


@pytest.mark.parametrize(
    ("made", "says"),
    [
        (np.zeros(3), "rows of features are wanted"),
        (np.zeros((0, 3)), "rows of features are wanted"),
        (np.zeros((2, 1)), "1 columns; 2 are wanted"),
        (np.array([[0, np.nan]]), "NaN or infinity"),
    ],
)
def test_files_that_are_no_features_are_refused(
    tmp_path: Path, made: np.ndarray, says: str
) -> None:
    np.save(tmp_path / "a.npy", made)
    one = timeline(sources=(Source("a", tmp_path / "a.npy", columns=(0, 2)),))
    with pytest.raises(UserError, match=says):
        one.features()


def test_a_video_without_sound_has_none_and_another_a_window_a_second(tmp_path: Path) -> None:
    assert timeline().spectrograms() is None
    np.savez(tmp_path / "v.npz", arr_0=np.zeros((40, 500), np.float16))
    held = timeline(sound=Source("audio", tmp_path / "v.npz", "arr_0")).spectrograms()
    assert held is not None
    assert len(held) == 5
    assert held.bands == 40


def clips(**changed: object) -> RetrievalSet:
    given = {
        "name": "x",
        "ids": ("a", "b"),
        "captions": ("one", ""),
        "groups": ("v", "v"),
        "video": np.ones((2, 3), np.float32),
        "has_video": np.array([True, False]),
        "streams": (),
        "audio": Spectrograms((np.ones((40, 3)), np.ones((40, 0))), 10),
        "denominator": 2,
    }
    return RetrievalSet(**{**given, **changed})  # type: ignore[arg-type]


def test_each_modality_says_which_clips_have_it() -> None:
    for modality in ("video", "audio", "text"):
        np.testing.assert_array_equal(clips().has(modality), [True, False])
    assert not clips(audio=None).has("audio").any()


@pytest.mark.parametrize(
    "changed", [{"captions": ("one",)}, {"denominator": 1}, {"video": np.ones((3, 3))}]
)
def test_columns_that_do_not_fit_are_a_mistake(changed: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="2 clips"):
        clips(**changed)


def test_labels_of_the_same_words_are_found() -> None:
    held = LocalizationSet("x", (), ("wash", "cut", "wash"))
    np.testing.assert_array_equal(held.alike(), [0, 1, 0])
