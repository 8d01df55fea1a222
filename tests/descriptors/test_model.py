import json
import tracemalloc
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from sklearn.decomposition import PCA

from tests.descriptors.mixtures import rows, scikit, some
from triptych.config import override
from triptych.descriptors.model import KIND, FisherModel, FisherSettings
from triptych.descriptors.sample import Block, Floats
from triptych.errors import UsageError, UserError
from triptych.state import checkpoint, tensor_file

SMALL = FisherSettings(components=4, sketch=16, variance=0.95, starts=2)


def videos(count: int = 5, size: int = 60) -> dict[str, Block]:
    mixture = some(3, components=5, width=6)
    return {f"{i}.mp4": rows(mixture, size, i) * np.float32(0.1) for i in range(count)}


@pytest.fixture(scope="module")
def model() -> FisherModel:
    return FisherModel.fit(videos(), SMALL, source={"descriptor": "test", "track": 15})


def test_real_rows_are_encoded_as_with_scikit_learn_and_loops_over_components(
    boxing: Floats,
) -> None:
    sample = {"box.avi": boxing[::3]}
    model = FisherModel.fit(sample, FisherSettings(components=8, sketch=50))
    other = boxing[1::3]  # rows that the model was not fitted to
    pca = PCA(0.9, svd_solver="full").fit(boxing[::3].astype("f8"))
    assert model.projection.dim == pca.n_components_
    y = (other.astype("f8") - model.projection.mean) @ model.projection.axes
    weights, means = model.mixture.weights, model.mixture.means
    variances = model.mixture.variances
    q = scikit(weights, means, variances).predict_proba(y)
    expected = []
    for k in range(8):
        phi = (y - means[k]) / np.sqrt(variances[k])
        expected.append((q[:, k : k + 1] * phi).mean(axis=0) / np.sqrt(weights[k]))
        second = (q[:, k : k + 1] * (phi**2 - 1)).mean(axis=0)
        expected.append(second / np.sqrt(2 * weights[k]))
    gradient = np.concatenate(expected)
    powered = np.sign(gradient) * np.abs(gradient) ** 0.5
    found = model.encode([other])
    assert found.rows == len(other)
    assert found.vector.shape == (model.dim,) == (2 * 8 * pca.n_components_,)
    np.testing.assert_allclose(found.vector, powered / np.linalg.norm(powered), atol=5e-4)
    half = model.encode([other.astype("f2")]).vector  # the default of `triptych trajectories`
    assert half @ found.vector > 0.9999


def test_the_paper_s_numbers() -> None:
    """Section 4.2: PCA of 90 %, 256 components, 3500 videos, 500 rows each; 3.3: 2000 numbers."""
    given = FisherSettings()
    assert (given.form, given.variance, given.components) == ("paper", 0.9, 256)
    assert (given.videos, given.rows_per_video, given.sketch) == (3500, 500, 2000)
    assert (given.power, given.renormalise) == (0.5, False)


def test_the_power_is_the_setting_s(model: FisherModel) -> None:
    x = rows(some(1, width=6), 90) * np.float32(0.1)
    plain, rooted = (
        replace(model, settings=override(SMALL, [f"power={power}"])).encode([x]).vector
        for power in (1, 0.5)
    )
    powered = np.sign(plain) * np.sqrt(np.abs(plain))
    np.testing.assert_allclose(rooted, powered / np.linalg.norm(powered), atol=1e-5)


@settings(max_examples=40, deadline=None)
@given(cuts=st.lists(st.integers(0, 90), max_size=6))
def test_rows_in_blocks_give_what_they_give_whole(model: FisherModel, cuts: list[int]) -> None:
    x = rows(some(1, width=6), 90) * np.float32(0.1)
    whole = model.encode([x])
    parts = model.encode(x[a:b] for a, b in pairwise([0, *sorted(cuts), 90]))
    assert parts.rows == whole.rows == 90
    np.testing.assert_allclose(parts.vector, whole.vector, atol=1e-3)


def test_a_long_video_needs_the_memory_of_a_block(model: FisherModel) -> None:
    block = rows(some(1, width=6), 20_000)
    model.encode([block])
    tracemalloc.start()
    found = model.encode(block.copy() for _ in range(50))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found.rows == 1_000_000
    assert peak < 4 * block.nbytes


def test_fitting_holds_the_projected_rows_alone() -> None:
    class Read(Mapping[str, Block]):
        def __getitem__(self, path: str) -> Block:
            made = np.random.default_rng(int(path)).normal(size=(500, 100)).astype("f4")
            made[:, 2:] *= 0.01
            return made

        def __iter__(self) -> Iterator[str]:
            return map(str, range(len(self)))

        def __len__(self) -> int:
            return 60

    tracemalloc.start()
    model = FisherModel.fit(Read(), SMALL.model_copy(update={"variance": 0.9}))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert model.projection.dim == 2
    assert peak < 60 * 500 * 100 * 4 / 2  # of all columns in float32


def test_no_rows_give_zeros_one_row_unit_length_and_bad_rows_are_dropped(
    model: FisherModel,
) -> None:
    for empty in ([], [np.empty((0, 6), np.float32)], [np.full((3, 6), np.nan, np.float32)]):
        found = model.encode(empty)
        assert found.rows == 0
        assert found.vector.shape == (model.dim,)
        assert not found.vector.any()
        assert not model.sketch(found.vector).any()
    assert found.dropped == 3
    x = videos()["0.mp4"]
    one = model.encode([x[:1]])
    assert np.linalg.norm(one.vector) == pytest.approx(1, abs=1e-6)
    bad = np.insert(x, 7, np.inf, axis=0)
    found = model.encode([bad])
    assert (found.rows, found.dropped) == (len(x), 1)
    assert found.vector.tobytes() == model.encode([x]).vector.tobytes()
    with pytest.raises(UserError, match="5 columns, where 6 are wanted"):
        model.encode([x[:, :5]])


def test_a_row_that_belongs_nowhere_still_gives_numbers(model: FisherModel) -> None:
    found = model.encode([np.full((1, 6), 4e5, np.float32)])
    assert np.isfinite(found.vector).all()


def test_sketches_keep_their_length_only_about_unless_told_to(model: FisherModel) -> None:
    vectors = np.stack([model.encode([x]).vector for x in videos().values()])
    lengths = np.linalg.norm(model.sketch(vectors), axis=1)
    assert np.abs(lengths - 1).max() > 1e-3
    told = FisherModel.fit(videos(), SMALL.model_copy(update={"renormalise": True}))
    assert told.sketch(vectors).shape == (5, 16)
    np.testing.assert_allclose(np.linalg.norm(told.sketch(vectors), axis=1), 1, rtol=1e-5)


def test_the_forms_share_a_fit_and_differ_in_the_vector(model: FisherModel) -> None:
    released = FisherModel.fit(videos(), SMALL.model_copy(update={"form": "released"}))
    assert (released.mixture.means == model.mixture.means).all()
    x = videos()["0.mp4"]
    assert abs(released.encode([x]).vector @ model.encode([x]).vector) < 0.9
    assert released.digest != model.digest


def test_a_saved_model_gives_new_videos_the_same_bits(model: FisherModel, tmp_path: Path) -> None:
    path = tmp_path / "new" / "fisher.safetensors"
    model.save(path)
    again = FisherModel.load(path)
    new = rows(some(8, width=6), 40) * np.float32(0.1)
    assert again.encode([new]).vector.tobytes() == model.encode([new]).vector.tobytes()
    vector = model.encode([new]).vector
    assert again.sketch(vector).tobytes() == model.sketch(vector).tobytes()
    assert again.settings == model.settings
    assert again.facts == model.facts
    assert again.projection.kept == model.projection.kept
    assert again.digest == model.digest
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_the_same_seed_gives_the_same_model_whatever_the_order_of_videos(
    model: FisherModel,
) -> None:
    again = FisherModel.fit(dict(reversed(videos().items())), SMALL)
    assert again.digest == model.digest
    other = FisherModel.fit(videos(), SMALL.model_copy(update={"seed": 1}))
    assert other.digest != model.digest


def test_the_model_says_what_it_was_fitted_to() -> None:
    sample = videos()
    sample["still.mp4"] = np.empty((0, 6), np.float32)
    sample["0.mp4"] = np.insert(sample["0.mp4"], 0, np.nan, axis=0)
    facts = FisherModel.fit(sample, SMALL, source={"descriptor": "test"}).facts
    assert facts["source"] == {"descriptor": "test"}
    fit = facts["fit"]
    assert (fit["videos"], fit["rows"], fit["dropped"], fit["columns"]) == (6, 300, 1, 6)
    assert fit["axes"] <= 6
    assert 0.95 <= fit["variance_kept"] <= 1
    assert fit["steps"] > 1
    json.dumps(facts)


@pytest.mark.parametrize(
    ("sample", "said"),
    [
        ({}, "no rows in a sample of 0 videos"),
        ({"a": np.empty((0, 6), np.float32)}, "no rows in a sample of 1 videos"),
        ({"a": np.full((9, 6), np.inf, np.float32)}, "none of the 9 rows of the sample is finite"),
        ({"a": np.eye(3, dtype="f4")}, "3 rows cannot make 4 components"),
        ({"a": np.ones((9, 6), "f4")}, "all 9 rows of the sample are the same"),
        ({"a": np.eye(9, dtype="f4"), "b": np.eye(8, dtype="f4")}, "9 columns, where 8"),
    ],
)
def test_a_sample_that_makes_no_model_is_refused(sample: dict[str, Block], said: str) -> None:
    with pytest.raises(UserError, match=said):
        FisherModel.fit(sample, SMALL)


def refused(path: Path) -> str:
    with pytest.raises(UserError) as found:
        FisherModel.load(path)
    line = str(found.value)
    assert line.startswith(f"{path}: ")
    assert "\n" not in line
    return line.removeprefix(f"{path}: ")


def test_other_files_are_refused_in_one_line(model: FisherModel, tmp_path: Path) -> None:
    path = tmp_path / "fisher.safetensors"
    assert refused(path).startswith("no Fisher model here; fit one")
    path.write_bytes(b"hello")
    assert refused(path).startswith("not a readable Fisher model")
    checkpoint.save(path, {"encoders.x": torch.ones(2)}, {})
    assert refused(path) == "safetensors, but not a Fisher model of Triptych"
    model.save(path)
    path.write_bytes(path.read_bytes()[:-9])
    assert refused(path).startswith("not a readable Fisher model")


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("pca.mean", lambda x: x[:-1]),
        ("pca.axes", lambda x: x * torch.nan),
        ("pca.axes", lambda x: x[:, :1]),
        ("pca.axes", lambda x: x.double()),
        ("gmm.weights", torch.zeros_like),
        ("gmm.means", lambda x: x[1:]),
        ("gmm.variances", lambda x: -x),
        ("sketch.buckets", lambda x: x + 16),
        ("sketch.signs", lambda x: x * 2),
        ("sketch.signs", lambda x: x.float()),
    ],
)
def test_damaged_arrays_are_refused(
    model: FisherModel, tmp_path: Path, name: str, change: object
) -> None:
    path = tmp_path / "fisher.safetensors"
    model.save(path)
    tensors, facts = tensor_file.load(path, KIND)
    assert callable(change)
    tensor_file.save(path, tensors | {name: change(tensors[name])}, facts, KIND)
    assert refused(path).startswith("a damaged Fisher model; fit one")


def test_missing_parts_and_wrong_settings_are_refused(model: FisherModel, tmp_path: Path) -> None:
    path = tmp_path / "fisher.safetensors"
    model.save(path)
    tensors, facts = tensor_file.load(path, KIND)
    lacking = {name: value for name, value in tensors.items() if name != "gmm.means"}
    tensor_file.save(path, lacking, facts, KIND)
    assert refused(path).startswith("not a whole Fisher model")
    for changed in ({}, facts | {"facts": 3}):
        tensor_file.save(path, tensors, changed, KIND)
        assert refused(path).startswith("not a whole Fisher model")
    tensor_file.save(path, tensors, facts | {"settings": {"form": "third"}}, KIND)
    assert "form='third'" in refused(path)
    plain = load_file(path)
    save_file(plain, path)
    assert refused(path) == "safetensors, but not a Fisher model of Triptych"


def test_settings_out_of_range_are_refused() -> None:
    for pair in ("components=0", "variance=0", "power=0", "form=whitened", "sketch=0"):
        with pytest.raises(UsageError, match=pair.split("=")[0]):
            override(FisherSettings(), [pair])
