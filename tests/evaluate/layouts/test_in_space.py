from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from triptych.encoders import encoder
from triptych.encoders.bag_of_words import build
from triptych.encoders.encoder import AudioInput, Encoder, FeatureInput, VideoInput
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

    def __init__(self, *streams: tuple[str, int]) -> None:
        super().__init__()
        self.input = FeatureInput(tuple(encoder.Stream(name, 1.0, dim) for name, dim in streams))
        self.dim = self.input.dim

    def forward(self, x: Tensor) -> Tensor:
        return x


class Ears(Encoder):
    """The mean level of the frames that have sound, and how many these are."""

    modality = "audio"
    dim = 2
    input = AudioInput()

    def forward(self, x: Tensor) -> Tensor:
        raise NotImplementedError

    def of_spectrograms(self, x: Tensor, frames: Tensor) -> Tensor:
        inside = torch.arange(x.shape[2]) < frames[:, None]
        level = (x.mean(1) * inside).sum(1) / frames
        return torch.stack([level, frames.float()], 1)


class Model:
    """Its space: each modality's features times 2, and 1 more, as a bias would add."""

    sha256 = "feed"

    def __init__(self, *streams: tuple[str, int]) -> None:
        words = build(WordInput(("stir", "pan")))
        rows = Rows(*(streams or (("2d", 1), ("3d", 2))))
        self.encoders: Mapping[str, Encoder] = {"video": rows, "audio": Ears(), "text": words}

    def shared(self, modality: str, features: np.ndarray) -> np.ndarray:
        assert modality in self.encoders
        return 2 * features + 1

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
    np.testing.assert_array_equal(values[1], [7, 9, 11])
    values, present = table.vectors("shared_audio")
    np.testing.assert_array_equal(present, [1, 0, 1, 0, 0])
    np.testing.assert_allclose(values[[0, 2]], [[-13, 11], [-5, 7]])
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
    deaf.encoders = {**deaf.encoders, "audio": Rows(("sound", 2))}
    assert "shared_audio" not in in_space.clips(clips(), deaf, tmp_path).names()


def test_a_model_of_sound_and_words_hears_and_one_of_words_alone_is_refused(tmp_path: Path) -> None:
    blind = Model()
    blind.encoders = {name: blind.encoders[name] for name in ("audio", "text")}
    assert in_space.clips(clips(), blind, tmp_path).names() == ["shared_audio", "shared_text"]
    blind.encoders = {"text": blind.encoders["text"]}
    with pytest.raises(
        UserError, match=r"pictures, 2d \(1\) \| 3d \(2\) and spectrograms, .*text$"
    ):
        in_space.clips(clips(), blind, tmp_path)
    bare = LocalizationSet("set", (Timeline("v", "t", ("a",), (0,), (), 1.0, 2),), ("a",))
    with pytest.raises(UserError, match="the folder holds words and times alone"):
        in_space.modalities(bare, Model())


def test_features_of_other_networks_are_refused(tmp_path: Path) -> None:
    for streams, said in (
        ([("rgb", 7)], r"rgb \(7\)"),
        ([("rgb", 2), ("flow", 1)], r"rgb \(2\) \| flow \(1\)"),
        ([("rgb", 3)], r"rgb \(3\)"),
    ):
        with pytest.raises(UserError, match=rf"holds 2d \(1\) \| 3d \(2\), .*learned from {said}"):
            in_space.clips(clips(), Model(*streams), tmp_path)
    looks = Model()
    looks.encoders["video"].input = VideoInput()
    with pytest.raises(UserError, match="looks at pictures itself"):
        in_space.clips(clips(), looks, tmp_path)
    sound = Spectrograms(tuple(np.zeros((39, 4)) for _ in range(3)), 5, 39)
    with pytest.raises(UserError, match="39 bands, and the model hears 40"):
        in_space.clips(clips(audio=sound), Model(), tmp_path)


def test_streams_of_the_same_names_are_put_in_the_order_of_the_model(tmp_path: Path) -> None:
    table = in_space.clips(clips(), Model(("3d", 2), ("2d", 1)), tmp_path)
    np.testing.assert_array_equal(table.vectors("shared_video")[0][1], [9, 11, 7])
    other = in_space.clips(clips(), Model(("rgb", 1), ("flow", 2)), tmp_path)
    np.testing.assert_array_equal(other.vectors("shared_video")[0][1], [7, 9, 11])


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


def test_the_rows_of_a_video_become_vectors_and_those_that_have_nothing_zeros(
    tmp_path: Path,
) -> None:
    found, model = timelines(tmp_path), Model(("x", 3))
    assert in_space.modalities(found, model) == ["video", "audio"]
    seen, heard = found.timelines
    [(values, present)] = in_space.vectors(found, seen, model, ["video", "audio"])
    np.testing.assert_array_equal(present, [1, 0])
    np.testing.assert_allclose(values, [[2.2, 1, 2.6], [0, 0, 0]], rtol=1e-6)
    [(values, present)] = in_space.vectors(found, heard, model, ["video", "audio"])
    np.testing.assert_allclose(values, [[-9, 201]])
    assert in_space.vectors(found, heard, model, ["video"]) == []


def test_a_video_of_another_width_than_the_others_is_refused(tmp_path: Path) -> None:
    found = timelines(tmp_path)
    np.save(tmp_path / "v.npy", np.ones((2, 4)))
    with pytest.raises(UserError, match=r"a video has 4 numbers, others 3, x \(3\)"):
        in_space.vectors(found, found.timelines[0], Model(("x", 3)), ["video"])


def test_words_that_the_model_does_not_know_are_zeros() -> None:
    values, known = in_space.words(Model(), ["stir the pan", "unknown", "pan"])
    assert known.tolist() == [True, False, True]
    assert not values[1].any()
    np.testing.assert_array_equal(values[0, :2], [3, 3])
