from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from triptych.encoders.bag_of_words import build
from triptych.encoders.encoder import AudioInput, Encoder, VideoInput
from triptych.encoders.text import WordInput
from triptych.errors import UserError
from triptych.evaluate.layouts import in_space
from triptych.evaluate.layouts.sets import (
    LocalizationSet,
    RetrievalSet,
    Segment,
    Source,
    Stream,
    Timeline,
)
from triptych.evaluate.layouts.streams import Spectrograms


class Rows(Encoder):
    """Features as they are, as an encoder of stored features leaves them."""

    modality = "video"

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = dim
        self.input = AudioInput()

    def forward(self, x: Tensor) -> Tensor:
        return x


class Ears(Rows):
    """The mean level of the frames that have sound, and how many these are."""

    def of_spectrograms(self, x: Tensor, frames: Tensor) -> Tensor:
        inside = torch.arange(x.shape[2]) < frames[:, None]
        level = (x.mean(1) * inside).sum(1) / frames
        return torch.stack([level, frames.float()], 1)


class Model:
    """Its space: each modality's features times 2; of words, 1 more, as a bias would add."""

    sha256 = "feed"

    def __init__(self, dim: int = 3) -> None:
        words = build(WordInput(("stir", "pan")))
        self.encoders: Mapping[str, Encoder] = {"video": Rows(dim), "audio": Ears(2), "text": words}

    def shared(self, modality: str, features: np.ndarray) -> np.ndarray:
        assert modality in self.encoders
        return 2 * features + (modality == "text")

    def encode(self, modality: str, clips: np.ndarray) -> np.ndarray:
        assert modality == "text"
        return np.pad(clips, ((0, 0), (0, self.encoders["text"].dim - clips.shape[1])))


def clips(**changed: Any) -> RetrievalSet:
    sound = tuple(np.full((40, n), -float(n)) for n in (7, 0, 3))
    given = {
        "name": "set",
        "ids": ("a", "b", "c"),
        "captions": ("stir the pan", "unknown", "pan"),
        "groups": ("v", "v", "w"),
        "video": np.arange(9, dtype=np.float32).reshape(3, 3),
        "has_video": np.array([True, True, False]),
        "streams": (Stream("2d", 1), Stream("3d", 2)),
        "audio": Spectrograms(sound, 5),
        "denominator": 5,
        "spans": np.array([[0.0, 2], [2, 3], [1, 4]]),
    }
    return RetrievalSet(**{**given, **changed})


def test_clips_become_rows_of_the_shared_space(tmp_path: Path) -> None:
    table = in_space.clips(clips(), Model(), tmp_path)
    assert len(table) == 5
    assert table.names() == ["shared_video", "shared_audio", "shared_text"]
    values, present = table.vectors("shared_video")
    np.testing.assert_array_equal(present, [1, 1, 0, 0, 0])
    np.testing.assert_array_equal(values[1], [6, 8, 10])
    values, present = table.vectors("shared_audio")
    np.testing.assert_array_equal(present, [1, 0, 1, 0, 0])
    np.testing.assert_allclose(values[[0, 2]], [[-14, 10], [-6, 6]])
    values, present = table.vectors("shared_text")
    np.testing.assert_array_equal(present, [1, 1, 1, 1, 1])
    np.testing.assert_array_equal(values[0, :2], [3, 3])
    assert not values[[1, 3, 4]].any()
    assert table.column("path")[:3].tolist() == ["v", "v", "w"]
    assert table.column("end")[:3].tolist() == [2, 3, 4]


def test_a_layout_without_sound_or_a_model_that_hears_waveforms_leaves_it_out(
    tmp_path: Path,
) -> None:
    assert "shared_audio" not in in_space.clips(clips(audio=None), Model(), tmp_path).names()
    deaf = Model()
    deaf.encoders = {**deaf.encoders, "audio": Rows(2)}
    assert "shared_audio" not in in_space.clips(clips(), deaf, tmp_path).names()


def test_features_of_other_networks_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"3 numbers a clip, 2d \(1\) \| 3d \(2\).*take 7"):
        in_space.clips(clips(), Model(7), tmp_path)
    looks = Model()
    looks.encoders["video"].input = VideoInput()
    with pytest.raises(UserError, match="looks at pictures itself"):
        in_space.clips(clips(), looks, tmp_path)
    blind = Model()
    blind.encoders = {"text": blind.encoders["text"]}
    with pytest.raises(UserError, match="knows no pictures"):
        in_space.clips(clips(), blind, tmp_path)


def timelines(folder: Path) -> LocalizationSet:
    np.save(folder / "v.npy", np.array([[3.0, 0, 4], [0, 0, 0]]))
    np.savez(folder / "w.npz", arr_0=np.full((40, 100), -5.0))
    made = (
        Timeline(
            "v", "t", ("a",), (0,), (Segment(0, 0, 1),), 2.0, 2, (Source("x", folder / "v.npy"),)
        ),
        Timeline(
            "w", "t", ("a",), (0,), (), 1.0, 1, (), Source("audio", folder / "w.npz", "arr_0")
        ),
    )
    return LocalizationSet("set", made, ("a",), (Stream("x", 3),))


def test_rows_of_videos_become_rows_with_their_times(tmp_path: Path) -> None:
    table = in_space.rows(timelines(tmp_path), Model(), tmp_path)
    assert table.column("path").tolist() == ["v", "v", "w"]
    assert table.column("start").tolist() == [0, 0.5, 0]
    assert table.column("end").tolist() == [0.5, 1, 1]
    values, present = table.vectors("shared_video")
    np.testing.assert_array_equal(present, [1, 0, 0])
    np.testing.assert_allclose(values[0], [1.2, 0, 1.6], rtol=1e-6)
    values, present = table.vectors("shared_audio")
    np.testing.assert_array_equal(present, [0, 0, 1])
    np.testing.assert_allclose(values[2], [-10, 200])


def test_videos_of_which_the_model_takes_nothing_are_refused(tmp_path: Path) -> None:
    bare = LocalizationSet("set", (Timeline("v", "t", ("a",), (0,), (), 1.0, 2),), ("a",))
    with pytest.raises(UserError, match="nothing here that the model looks at"):
        in_space.rows(bare, Model(), tmp_path)
