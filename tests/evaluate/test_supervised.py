from pathlib import Path

import numpy as np
import pytest

from tests.small import RECIPE as SMALL_RECIPE
from tests.small import Small
from triptych.demo.collection import clip_labels, make_collection
from triptych.demo.knobs import Knobs
from triptych.embeddings.embed import embed
from triptych.embeddings.model import Model
from triptych.errors import UserError
from triptych.evaluate.supervised import train_supervised
from triptych.manifest.scan import scan
from triptych.training.recipe import Clip, Recipe
from triptych.training.source import open_source

RECIPE = Recipe(
    modalities=("audio",),
    clip=Clip(audio_seconds=1.0),
    epochs=20,
    batch=8,
    precision="32-true",
)


def test_labels_teach_and_leave_features_that_hold_them(tmp_path: Path) -> None:
    knobs = Knobs(videos=4, steps=6, step_seconds=2.0, width=64, height=48, frame_rate=8.0)
    collection = make_collection(tmp_path / "collection", knobs, workers=0)
    manifest = scan(collection.videos, tmp_path, min_caption=1.5, workers=1).manifest
    table = manifest.table
    truth = clip_labels(collection, *(table[name].to_pylist() for name in ("path", "start", "end")))
    labels = np.array([row["motion"] for row in truth], object)
    labels[0] = ""  # one clip of which nothing is known
    source = open_source(manifest, RECIPE.clip, None)
    done = train_supervised(manifest, labels, RECIPE, tmp_path / "run", source)
    assert done.finished
    vectors, present = embed(manifest, Model.load(done.run), source).vectors("vector_audio")
    assert present.all()
    # The nearest other clip has the same label far more often than by chance, and than before.
    before = embed(
        manifest, Model.load(tmp_path / "run" / "checkpoints" / "initial.safetensors"), source
    ).vectors("vector_audio")[0]
    assert nearest_agrees(vectors, labels) > max(0.6, nearest_agrees(before, labels))


def test_classes_are_numbered_by_their_sorted_names(small: Small, tmp_path: Path) -> None:
    """The release takes the order of a set, which differs from process to process."""
    labels = np.array(["pear", "apple", "fig", ""], object)[np.arange(len(small.manifest)) % 4]
    recipe = SMALL_RECIPE.model_copy(update={"modalities": ("text",), "epochs": 1})
    done = train_supervised(small.manifest, labels, recipe, tmp_path, small.source)
    numbers = {"apple": 0, "fig": 1, "pear": 2, "": -1}
    found = Model.load(done.run).assignments["label"].labels
    assert found.tolist() == [numbers[label] for label in labels]


def nearest_agrees(vectors: np.ndarray, labels: np.ndarray) -> float:
    units = vectors - vectors.mean(0)
    units /= np.linalg.norm(units, axis=1, keepdims=True)
    cosines = units @ units.T
    np.fill_diagonal(cosines, -np.inf)
    return float(np.mean(labels[cosines.argmax(1)] == labels))


def test_a_single_label_is_refused(tmp_path: Path) -> None:
    knobs = Knobs(videos=2, steps=2, step_seconds=2.0, width=64, height=48, frame_rate=8.0)
    collection = make_collection(tmp_path / "collection", knobs, workers=0)
    manifest = scan(collection.videos, tmp_path, workers=1).manifest
    source = open_source(manifest, RECIPE.clip, None)
    labels = np.array(["same"] * len(manifest), object)
    with pytest.raises(UserError, match="1 different labels, needs at least 2"):
        train_supervised(manifest, labels, RECIPE, tmp_path / "run", source)
