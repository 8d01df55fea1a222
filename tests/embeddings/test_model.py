import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from triptych.clustering.whiten import Whitening
from triptych.embeddings.extract import Features
from triptych.embeddings.model import TEMPERATURE, Model
from triptych.encoders.build import build, describe, text_input
from triptych.encoders.encoder import AudioInput, Encoder, Input, VideoInput
from triptych.encoders.text import WordInput
from triptych.errors import UserError
from triptych.state import checkpoint
from triptych.state.assignments import Assignment
from triptych.state.joint import joint_heads
from triptych.state.training_state import TrainingState, new_heads

K = 4
NAMES = {"video": "r2plus1d_small", "audio": "audio_resnet_small", "text": "bag_of_words"}
INPUTS: dict[str, Input] = {
    "video": VideoInput(frames=2, frame_rate=4.0, size=16),
    "audio": AudioInput(8_000, 0.5),
    "text": WordInput(("onion", "knife", "salt")),
}


def save_run(
    path: Path,
    modalities: tuple[str, ...] = ("video", "audio"),
    meet: bool = True,
    seed: int = 0,
    inputs: Mapping[str, Input] = INPUTS,
    text: str = "bag_of_words",
) -> None:
    """A checkpoint as training leaves it, of encoders with random or published weights."""
    named = {**NAMES, "text": text}
    if text not in NAMES.values():
        inputs = {**inputs, "text": text_input(text, [])}
    encoders = {name: build(named[name], name, inputs[name], seed) for name in modalities}
    teaches = [
        (teacher, student)
        for teacher in modalities
        for student in modalities
        if (teacher != student) == meet
    ]
    heads = new_heads({f"{t}_teaches_{s}": (K, encoders[s].dim) for t, s in teaches}, seed)
    draw = np.random.default_rng(seed)
    state = TrainingState(nn.ModuleDict(encoders), heads, {})
    state.assignments = {
        name: Assignment(
            draw.integers(0, K, 9),
            draw.normal(size=(K, encoder.dim)).astype(np.float32),
            Whitening.none(encoder.dim),
        )
        for name, encoder in encoders.items()
    }
    tensors = state.model_tensors()
    facts = {
        "method": "xdc" if meet else "sdc",
        "clusters": {name: [name] for name in modalities},
        "teaches": [{"cluster": teacher, "students": [student]} for teacher, student in teaches],
        "contrasts": [],
        "encoders": {name: describe(named[name], encoder) for name, encoder in encoders.items()},
        "weights": checkpoint.weights_hash(tensors),
        "state": state.facts(),
    }
    checkpoint.save(path, tensors, facts)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Model]:
    folder = tmp_path_factory.mktemp("models")
    found = {}
    for name, modalities, meet in (
        ("xdc", ("video", "audio"), True),
        ("sdc", ("video", "audio", "text"), False),
        ("three", ("video", "audio", "text"), True),
    ):
        save_run(folder / name, modalities, meet)
        found[name] = Model.load(folder / name)
    return found


def features(model: Model, clips: int, seed: int = 0) -> dict[str, Features]:
    draw = np.random.default_rng(seed)
    found = {}
    for name, encoder in model.encoders.items():
        present = draw.random(clips) < 0.7
        values = draw.normal(size=(clips, encoder.dim)).astype(np.float32) * present[:, None]
        found[name] = Features(values, present)
    return found


class Plain(Encoder):
    def __init__(self, modality: str) -> None:
        super().__init__()
        self.modality, self.dim, self.input = modality, 2, AudioInput()


def test_the_shared_space_by_hand() -> None:
    """Video has two clusters, along its axes; audio is taught them by a head, and has none.

    Video (3, 0) has cosines 1 and 0: memberships e^10 and 1 over their sum. Audio (ln 3, 0)
    through the unit head has logits ln 3 and 0: 3/4 and 1/4. The dot product of the shared vectors
    is the Bhattacharyya coefficient sqrt(p q) + sqrt((1 - p)(1 - q)).
    """
    model = Model(
        {"video": Plain("video"), "audio": Plain("audio")},
        {"video_teaches_audio": (np.eye(2, dtype=np.float32), np.zeros(2, np.float32))},
        {},
        {
            "video": Assignment(
                np.zeros(0, np.int64), np.eye(2, dtype=np.float32) * 7, Whitening.none(2)
            )
        },
        {
            "clusters": {"video": ["video"]},
            "teaches": [{"cluster": "video", "students": ["audio"]}],
            "contrasts": [],
        },
    )
    assert model.meets
    p = math.exp(1 / TEMPERATURE) / (math.exp(1 / TEMPERATURE) + 1)
    video = model.shared("video", np.array([[3, 0]], np.float32))
    audio = model.shared("audio", np.array([[math.log(3), 0]], np.float32))
    np.testing.assert_allclose(video, [[math.sqrt(p), math.sqrt(1 - p)]], atol=1e-6)
    np.testing.assert_allclose(audio, [[math.sqrt(3) / 2, 1 / 2]], atol=1e-6)
    expected = math.sqrt(p * 3 / 4) + math.sqrt((1 - p) / 4)
    assert float(video[0] @ audio[0]) == pytest.approx(expected, abs=1e-6)


def test_of_joint_clusters_each_modality_knows_what_its_head_says() -> None:
    """Video (ln 3, 0) and audio (0, ln 3) through unit heads: 3/4, 1/4 and 1/4, 3/4."""
    unit_head = (np.eye(2, dtype=np.float32), np.zeros(2, np.float32))
    model = Model(
        {"video": Plain("video"), "audio": Plain("audio")},
        {"joint_teaches_video": unit_head, "joint_teaches_audio": unit_head},
        {},
        {
            "joint": Assignment(
                np.zeros(0, np.int64), np.eye(2, 4, dtype=np.float32), Whitening.none(4)
            )
        },
        {
            "clusters": {"joint": ["video", "audio"]},
            "teaches": [
                {"cluster": "joint", "students": ["video"]},
                {"cluster": "joint", "students": ["audio"]},
            ],
            "contrasts": [],
        },
    )
    assert model.meets
    video = model.shared("video", np.array([[math.log(3), 0]], np.float32))
    audio = model.shared("audio", np.array([[0, math.log(3)]], np.float32))
    assert float(video[0] @ audio[0]) == pytest.approx(2 * math.sqrt(3) / 4, abs=1e-6)


def test_where_projections_are_drawn_together_they_are_the_shared_space() -> None:
    """Video (3, 4) through a unit layer is (0.6, 0.8); audio (0, 1) through one with a bias."""
    unit_layer = (np.eye(2, dtype=np.float32), np.zeros(2, np.float32))
    moved = (np.eye(2, dtype=np.float32), np.array([3, 3], np.float32))
    model = Model(
        {"video": Plain("video"), "audio": Plain("audio")},
        {"video_teaches_video": unit_layer},
        {"video": unit_layer, "audio": moved},
        {},
        {
            "clusters": {"video": ["video"], "audio": ["audio"]},
            "teaches": [{"cluster": "video", "students": ["video"]}],
            "contrasts": [{"anchor": "video", "other": "audio", "apart": "audio"}],
        },
    )
    assert model.meets
    video = model.shared("video", np.array([[3, 4]], np.float32))
    audio = model.shared("audio", np.array([[0, 1]], np.float32))
    np.testing.assert_allclose(video, [[0.6, 0.8]], atol=1e-6)
    np.testing.assert_allclose(audio, [[0.6, 0.8]], atol=1e-6)


def plain_distribution(model: Model, cluster: str, modality: str, x: np.ndarray) -> np.ndarray:
    """Memberships in double precision, one clip."""
    if cluster == modality:
        centroids = model.assignments[cluster].centroids.astype(np.float64)
        cosines = centroids @ x / np.linalg.norm(centroids, axis=1) / np.linalg.norm(x)
        logits = cosines / 0.1
    else:
        weight, bias = model.heads[f"{cluster}_teaches_{modality}"]
        logits = weight.astype(np.float64) @ x + bias
    chances = np.exp(logits - logits.max())
    found: np.ndarray = chances / chances.sum()
    return found


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 999))
def test_the_dot_product_is_the_mean_bhattacharyya_coefficient_over_clusterings(
    runs: dict[str, Model], seed: int
) -> None:
    model = runs["three"]
    draw = np.random.default_rng(seed)
    one, other = draw.choice(list(model.encoders), 2)
    x, y = (draw.normal(size=model.encoders[name].dim) * 4 for name in (one, other))
    coefficients = [
        np.sqrt(
            plain_distribution(model, cluster, one, x)
            * plain_distribution(model, cluster, other, y)
        ).sum()
        for cluster in model.facts["clusters"]
    ]
    shared = [
        model.shared(name, value.astype(np.float32)[None])[0]
        for name, value in ((one, x), (other, y))
    ]
    assert float(shared[0] @ shared[1]) == pytest.approx(np.mean(coefficients), abs=1e-4)


def test_columns_of_a_run_whose_modalities_meet(runs: dict[str, Model]) -> None:
    model = runs["xdc"]
    given_ = features(model, 12)
    columns = model.vectors(given_)
    assert list(columns) == [
        *("vector_video", "vector_audio", "shared_video", "shared_audio", "vector_joint")
    ]
    joint = columns["vector_joint"]
    for row in range(12):
        has = [name for name in given_ if given_[name].present[row]]
        assert joint.present[row] == bool(has)
        for name in given_:
            shared = columns[f"shared_{name}"]
            length = np.linalg.norm(shared.values[row])
            assert length == pytest.approx(float(name in has), abs=1e-5)
            assert shared.present[row] == (name in has)
        if has:
            total = sum(columns[f"shared_{name}"].values[row] for name in has)
            np.testing.assert_allclose(joint.values[row], total / np.linalg.norm(total), atol=1e-5)
        else:
            assert not joint.values[row].any()


def test_a_run_whose_modalities_do_not_meet_has_no_shared_columns(runs: dict[str, Model]) -> None:
    model = runs["sdc"]
    assert not model.meets
    given_ = features(model, 12)
    columns = model.vectors(given_)
    assert not [name for name in columns if name.startswith("shared_")]
    joint = columns["vector_joint"]
    for row in range(12):
        parts = []
        for part in given_.values():
            length = np.linalg.norm(part.values[row])
            parts.append(part.values[row] / length if part.present[row] else 0 * part.values[row])
        together = np.concatenate(parts)
        has = sum(bool(part.present[row]) for part in given_.values())
        expected = together / math.sqrt(has) if has else together
        np.testing.assert_allclose(joint.values[row], expected, atol=1e-5)
        assert joint.present[row] == bool(has)


@pytest.mark.parametrize("run", ["sdc", "three"])
def test_a_query_s_vectors_have_the_widths_of_the_collection_s(
    runs: dict[str, Model], run: str
) -> None:
    model = runs[run]
    widths = {
        name: part.values.shape[1] for name, part in model.vectors(features(model, 2)).items()
    }
    query = model.embed_text("onion")
    assert {name: len(vector) for name, vector in query.items()} == {
        name: widths[name] for name in query
    }
    assert "vector_joint" in query
    assert "vector_text" in query


def test_words_are_embedded_as_captions_are(runs: dict[str, Model]) -> None:
    model = runs["three"]
    again = model.embed_text("  SALT: the Onion; and unheard-of words")
    expected = model.encode("text", np.array([[1, 0, 1]], np.float32))[0]
    np.testing.assert_array_equal(again["vector_text"], expected)


def test_unknown_words_name_near_ones(runs: dict[str, Model]) -> None:
    for words, said in (
        ("onions", "did you mean onion?"),
        ("knive knive", "did you mean knife?"),
        ("zebra", "it knows onion, knife, salt"),
        ("…", "it knows onion, knife, salt"),
    ):
        with pytest.raises(UserError) as found:
            runs["three"].embed_text(words)
        assert str(found.value).endswith(said)
        assert repr(words) in str(found.value)
        assert "\n" not in str(found.value)


def test_a_language_model_takes_any_words_and_refuses_silence(
    roberta: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_run(tmp_path / "run", ("video", "text"), text=f"transformer:{roberta}")
    model = Model.load(tmp_path / "run")
    found = model.embed_text("zebra crossing")
    assert set(found) == {"vector_text", "shared_text", "vector_joint"}
    assert not np.allclose(found["vector_text"], model.embed_text("an onion")["vector_text"])
    assert capsys.readouterr().err == "", "no word is unknown"
    with pytest.raises(UserError, match="search: '  ' holds nothing that the model can read"):
        model.embed_text("  ")


def test_a_model_without_words_says_what_it_was_trained_on(runs: dict[str, Model]) -> None:
    with pytest.raises(UserError, match="trained on video, audio, not on words"):
        runs["xdc"].embed_text("onion")


def test_a_run_s_folder_gives_its_best_checkpoint(tmp_path: Path) -> None:
    save_run(tmp_path / "checkpoints" / "last.safetensors", seed=1)
    last = Model.load(tmp_path)
    save_run(tmp_path / "checkpoints" / "best.safetensors", seed=2)
    best = Model.load(tmp_path)
    assert best.sha256 != last.sha256
    assert Model.load(tmp_path / "checkpoints" / "last.safetensors").sha256 == last.sha256
    wanted = checkpoint.load(tmp_path / "checkpoints" / "best.safetensors")[0]
    state = best.encoders["video"].state_dict()
    assert all(torch.equal(state[k], wanted[f"encoders.video.{k}"]) for k in state)
    assert not best.encoders["video"].training
    assert best.heads.keys() == {"audio_teaches_video", "video_teaches_audio"}
    assert best.assignments.keys() == {"video", "audio"}


def test_the_vocabulary_is_kept_in_the_checkpoint(runs: dict[str, Model]) -> None:
    assert runs["three"].encoders["text"].input == INPUTS["text"]


def test_a_checkpoint_of_random_weights_has_no_shared_columns(tmp_path: Path) -> None:
    """What is saved before the first clustering has neither heads nor clusters."""
    encoder = build(NAMES["video"], "video", INPUTS["video"], 0)
    state = TrainingState(nn.ModuleDict({"video": encoder}), nn.ModuleDict(), {})
    facts: dict[str, Any] = {
        "clusters": {"video": ["video"], "audio": ["audio"]},
        "teaches": [{"cluster": "audio", "students": ["video"]}],
        "contrasts": [],
        "encoders": {"video": describe(NAMES["video"], encoder)},
        "state": state.facts(),
    }
    checkpoint.save(tmp_path / "initial", state.model_tensors(), facts)
    model = Model.load(tmp_path / "initial")
    assert not model.meets
    assert set(model.vectors(features(model, 3))) == {"vector_video", "vector_joint"}


def test_weights_of_another_version_are_refused_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save_run(path)
    tensors, facts = checkpoint.load(path)
    del tensors["encoders.video.stem.0.weight"]
    checkpoint.save(path, tensors, facts)
    with pytest.raises(UserError, match="video weights are not those of r2plus1d_small") as found:
        Model.load(path)
    assert "\n" not in str(found.value)


def test_a_checkpoint_without_its_facts_is_refused_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    checkpoint.save(path, {"encoders.video.weight": torch.ones(1)}, {"state": {}})
    with pytest.raises(
        UserError, match="its facts lack clusters, teaches, contrasts, encoders; take another"
    ):
        Model.load(path)


def joint_model(tmp_path: Path, unit: bool, refreshed: int = 0) -> tuple[Model, nn.ModuleDict]:
    """A checkpoint with random heads to a joint space of six numbers, loaded from its file."""
    encoders = {name: build(NAMES[name], name, INPUTS[name], 0) for name in INPUTS}
    dims = {name: encoder.dim for name, encoder in encoders.items()}
    heads = joint_heads(dims, 6, ("audio",), 3)
    state = TrainingState(nn.ModuleDict(encoders), nn.ModuleDict(), {}, joint=heads)
    state.refreshed = refreshed
    state.centroids = {"fused": torch.ones(4, 6)}
    tensors = state.model_tensors()
    facts = {
        "method": "mcn_released",
        "clusters": {},
        "teaches": [],
        "contrasts": [],
        "joint": {"width": 6, "features": dims, "narrow": ["audio"], "unit": unit},
        "encoders": {name: describe(NAMES[name], encoder) for name, encoder in encoders.items()},
        "weights": checkpoint.weights_hash(tensors),
        "state": state.facts(),
    }
    checkpoint.save(tmp_path / "a", tensors, facts)
    return Model.load(tmp_path / "a"), heads


@pytest.mark.parametrize("unit", [True, False])
def test_a_joint_space_is_that_of_the_heads_by_hand(tmp_path: Path, unit: bool) -> None:
    """Linear, then x * sigmoid(linear(x)); of sound a linear layer behind it."""
    model, heads = joint_model(tmp_path, unit)
    assert model.trained
    assert model.meets
    given_features = features(model, 5)
    columns = model.vectors(given_features)
    for name, part in given_features.items():
        weights = {key: value.numpy() for key, value in heads[name].state_dict().items()}
        y = part.values @ weights["0.linear.weight"].T + weights["0.linear.bias"]
        y = y / (1 + np.exp(-(y @ weights["0.gate.weight"].T + weights["0.gate.bias"])))
        if name == "audio":
            y = y @ weights["1.weight"].T + weights["1.bias"]
        if unit:
            y = y / np.linalg.norm(y, axis=1, keepdims=True)
        found = columns[f"shared_{name}"]
        np.testing.assert_allclose(found.values, y * part.present[:, None], rtol=1e-3, atol=1e-5)
        assert found.present.tolist() == part.present.tolist()
    total = sum(columns[f"shared_{name}"].values for name in given_features)
    joint = columns["vector_joint"]
    lengths = np.linalg.norm(total, axis=1, keepdims=True)
    expected = total / np.where(lengths > 0, lengths, 1)
    np.testing.assert_allclose(joint.values, expected, rtol=1e-4, atol=1e-6)
    assert joint.values.shape == (5, 6)


def test_words_lead_into_the_joint_space(tmp_path: Path) -> None:
    model, _ = joint_model(tmp_path, unit=True)
    query = model.embed_text("salt the onion")
    assert query["shared_text"].shape == (6,)
    np.testing.assert_allclose(np.linalg.norm(query["shared_text"]), 1, rtol=1e-5)


def test_before_the_first_step_nothing_meets_in_a_joint_space(tmp_path: Path) -> None:
    model, _ = joint_model(tmp_path, unit=True, refreshed=-1)
    assert not model.trained
    assert not model.meets
    assert set(model.vectors(features(model, 3))) == {
        "vector_video", "vector_audio", "vector_text", "vector_joint",
    }  # fmt: skip


def test_checkpoints_that_say_nothing_of_a_joint_space_are_read(tmp_path: Path) -> None:
    save_run(tmp_path / "old")  # as versions before it left them
    assert len(Model.load(tmp_path / "old").gates) == 0
