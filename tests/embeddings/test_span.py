from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.clips.making import numbered, write_video
from tests.small import RECIPE, Small
from triptych import config
from triptych.clips.feature_store import FeatureStore
from triptych.clips.files import FileClips
from triptych.clips.stored import StoredFeatures
from triptych.clips.streams import Asked, ReadStreams
from triptych.descriptors.backbone.collection import Collection
from triptych.descriptors.backbone.files import Stream
from triptych.embeddings import span
from triptych.embeddings.embed import embed
from triptych.embeddings.model import Model
from triptych.embeddings.query import embed_media
from triptych.embeddings.span import describe_parts
from triptych.encoders.encoder import FeatureInput
from triptych.errors import UserError
from triptych.manifest.schema import Manifest
from triptych.state.backbone import Backbone, Word
from triptych.training.pretrain import pretrain

WORDS = {
    "video": ("r2plus1d_small@1:random", "r2plus1d_small@1.5:random"),
    "audio": ("audio_resnet_small@2:random",),
}


@pytest.fixture(scope="module")
def two(small: Small) -> Manifest:
    """Two of the films: networks take their time."""
    paths = sorted(set(small.manifest.column("path")))[:2]
    chosen = [path in paths for path in small.manifest.column("path")]
    return small.manifest.select(np.flatnonzero(chosen))


@pytest.fixture(scope="module")
def stores(two: Manifest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Path]]:
    out = tmp_path_factory.mktemp("stores")
    named = {name: [f"{name}{n}" for n in range(len(words))] for name, words in WORDS.items()}
    streams = [
        Stream(called, word.rate, Backbone.of(word))
        for name, words in WORDS.items()
        for called, word in zip(named[name], map(Word.parse, words), strict=True)
    ]
    Collection(out, streams, torch.device("cpu"), workers=0).describe(two)
    return {name: [out / f"{called}.features" for called in some] for name, some in named.items()}


@pytest.fixture(scope="module")
def model(
    two: Manifest, stores: dict[str, list[Path]], tmp_path_factory: pytest.TempPathFactory
) -> Model:
    pairs = [f"features.{name}={','.join(map(str, found))}" for name, found in stores.items()]
    pairs += ["modalities=video,audio", "clustering.k=2", "epochs=1"]
    run = tmp_path_factory.mktemp("run")
    pretrain(two, config.override(RECIPE, pairs), run, FileClips(two))
    return Model.load(run)


def form_of(stores: list[Path]) -> FeatureInput:
    return FeatureInput(tuple(FeatureStore.open(store).spec.stream for store in stores))


def test_a_clip_given_as_a_span_has_the_features_that_are_stored(
    two: Manifest, stores: dict[str, list[Path]]
) -> None:
    for folders in stores.values():
        stored = StoredFeatures(two, [FeatureStore.open(folder) for folder in folders])
        rows = [0, 3, len(two) - 1]
        for row in rows:
            start, end = (float(two.column(part)[row]) for part in ("start", "end"))
            found, present = describe_parts(two.file(row), form_of(folders), [(start, end)])
            assert present.all()
            np.testing.assert_allclose(found, stored.batch([row]), atol=2e-3)
        near = describe_parts(two.file(0), form_of(folders), [(0.0, 3.0), (9.0, 12.0)])[0]
        assert np.abs(near[0] - near[1]).max() > 0.01, "the tolerance tells moments apart"


def test_a_query_by_a_clip_finds_its_row(two: Manifest, model: Model) -> None:
    table = embed(two, model, FileClips(two))
    row = len(two) // 2
    start, end = (float(two.column(part)[row]) for part in ("start", "end"))
    found = embed_media(model, two.file(row), start, end)
    for name in ("vector_video", "vector_audio", "shared_video"):
        values, present = table.vectors(name)
        assert present[row]
        wanted = values / np.linalg.norm(values, axis=1, keepdims=True)
        assert found[name] @ wanted[row] > 0.999
        assert (wanted[present] @ found[name]).argmax() == np.flatnonzero(present).tolist().index(
            row
        )


def test_of_a_long_part_the_middle_is_read(
    two: Manifest, stores: dict[str, list[Path]], monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Asked] = []
    call = ReadStreams.__call__
    monkeypatch.setattr(span, "LONGEST", 2.0)
    monkeypatch.setattr(
        ReadStreams, "__call__", lambda self, asked: call(self, read.append(asked) or asked)
    )
    describe_parts(two.file(0), form_of(stores["video"]), [(2.0, 9.0)])
    assert [asked.spans for asked in read] == [((4, 7), (6, 10))]


def test_silence_and_what_does_not_decode(stores: dict[str, list[Path]], tmp_path: Path) -> None:
    path = write_video(
        tmp_path / "a.mp4",
        [40 * i for i in range(99)],
        picture=numbered,
        sound=np.zeros(4 * 44_100),
    )
    assert not describe_parts(path, form_of(stores["audio"]), [(0.0, 3.0)])[1].any()
    assert describe_parts(path, form_of(stores["video"]), [(0.0, 3.0)])[1].all()
    mute = write_video(tmp_path / "b.mp4", [40 * i for i in range(99)], picture=numbered)
    with pytest.raises(UserError, match="has no sound"):
        describe_parts(mute, form_of(stores["audio"]), [(0.0, 3.0)])


def test_weights_that_are_not_there_are_said(two: Manifest, stores: dict[str, list[Path]]) -> None:
    form = form_of(stores["audio"])
    (stream,) = form.streams
    gone = {**stream.backbone, "weights": {"from": "file", "path": "/gone/net.pt"}}
    lost = FeatureInput((replace(stream, backbone=gone),))
    with pytest.raises(
        UserError, match=r"^/gone/net\.pt: the weights of audio_resnet_small were here"
    ):
        describe_parts(two.file(0), lost, [(0.0, 3.0)])
    theirs = FeatureInput((replace(stream, backbone={"layout": "mcn"}),))
    with pytest.raises(UserError, match="stored by another program"):
        describe_parts(two.file(0), theirs, [(0.0, 3.0)])
