from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.small import RECIPE, Small
from triptych import config
from triptych.clips.feature_store import Described, FeatureStore, Spec, write_store
from triptych.clips.files import FileClips
from triptych.clips.stored import StoredFeatures
from triptych.embeddings.embed import embed
from triptych.embeddings.model import Model
from triptych.errors import UsageError, UserError
from triptych.manifest.schema import Manifest
from triptych.state import checkpoint
from triptych.training import features
from triptych.training.pretrain import pretrain
from triptych.training.recipe import Recipe

DIMS = {"video": (12, 7), "audio": (9,)}


def store_of(
    manifest: Manifest, folder: Path, modality: str, dim: int, rate: float, seed: int = 0
) -> Path:
    """Rows that tell a file and a time, so that clusters of them are none of chance."""
    draw = np.random.default_rng([seed, dim])
    spec = Spec(folder.stem, modality, rate, dim, {"encoder": {"name": "net"}, "sha256": str(seed)})
    prints = dict(zip(manifest.column("path"), manifest.column("fingerprint"), strict=True))
    waves = draw.normal(size=(2, dim))
    files = [
        Described(
            path,
            prints[path],
            np.outer(np.sin(np.arange(round(40 * rate)) + place), waves[0]) + waves[1],
        )
        for place, path in enumerate(sorted(prints))
    ]
    write_store(folder, spec, files)
    return folder


@pytest.fixture(scope="module")
def stores(small: Small, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Path]]:
    root = tmp_path_factory.mktemp("stores")
    return {
        name: [
            store_of(small.manifest, root / f"{name}{dim}.features", name, dim, 1.0 + 0.5 * place)
            for place, dim in enumerate(dims)
        ]
        for name, dims in DIMS.items()
    }


def with_stores(stores: dict[str, list[Path]], *pairs: str) -> Recipe:
    named = [f"features.{name}={','.join(map(str, found))}" for name, found in stores.items()]
    short = RECIPE.model_copy(update={"epochs": 2, "threads": 1})
    return config.override(short, [*named, *pairs])


def absent(manifest: Manifest) -> Manifest:
    """The same clips, without their files: nothing may be decoded."""
    return replace(manifest, root=Path("/nowhere"))


@pytest.mark.parametrize("method", ["xdc", "xcc", "ir"])
def test_a_run_on_stored_features_reads_no_clip(
    method: str, small: Small, stores: dict[str, list[Path]], tmp_path: Path
) -> None:
    manifest = absent(small.manifest)
    modalities = "video,text" if method == "xcc" else "video,audio,text"
    chosen = {name: found for name, found in stores.items() if name in modalities}
    recipe = with_stores(chosen, f"method={method}", f"modalities={modalities}", "bank.width=8")
    run = tmp_path / "run"
    assert pretrain(manifest, recipe, run, FileClips(manifest)).finished
    model = Model.load(run)
    table = embed(manifest, model, FileClips(manifest))
    for name, folders in chosen.items():
        known = StoredFeatures(manifest, [FeatureStore.open(folder) for folder in folders])
        values, present = table.vectors(f"vector_{name}")
        assert values.shape[1] == sum(DIMS[name])
        np.testing.assert_array_equal(present, known.known)
        np.testing.assert_array_equal(values[present], known.batch(np.flatnonzero(known.known)))
    described = model.facts["encoders"]["video"]["input"]["streams"]
    assert [(stream["rate"], stream["dim"]) for stream in described] == [(1.0, 12), (1.5, 7)]
    assert {stream["backbone"]["sha256"] for stream in described} == {"0"}
    assert model.facts["features"]["video"] == [
        FeatureStore.open(folder).digest for folder in stores["video"]
    ]


def test_pictures_may_be_stored_and_sound_heard(
    small: Small, stores: dict[str, list[Path]], tmp_path: Path
) -> None:
    recipe = with_stores({"video": stores["video"]}, "epochs=1")
    pretrain(small.manifest, recipe, tmp_path / "run", small.source)
    tensors, _ = checkpoint.load(checkpoint.of_run(tmp_path / "run"))
    assert not checkpoint.part(tensors, "encoders.video")
    assert checkpoint.part(tensors, "encoders.audio")
    begun, _ = checkpoint.load(tmp_path / "run" / "checkpoints" / "initial.safetensors")
    before, after = (some["encoders.audio.conv1.weight"] for some in (begun, tensors))
    assert not before.equal(after)


def test_a_run_goes_on_with_the_same_values_only(small: Small, tmp_path: Path) -> None:
    manifest, source = absent(small.manifest), FileClips(small.manifest)
    other = store_of(small.manifest, tmp_path / "mine.features", "video", 12, 1.0)
    recipe = with_stores({"video": [other]}, "modalities=video", "method=sdc")
    run = tmp_path / "run"
    pretrain(manifest, recipe, run, source, deadline=0.0)
    store_of(small.manifest, other, "video", 12, 1.0, seed=1)
    with pytest.raises(UserError, match="made with another set of stored features"):
        pretrain(manifest, recipe, run, source, resume=True)
    store_of(small.manifest, other, "video", 12, 1.0, seed=0)
    assert pretrain(manifest, recipe, run, source, resume=True).finished


def test_embeddings_of_other_files_have_stores_of_their_own(
    small: Small, stores: dict[str, list[Path]], tmp_path: Path
) -> None:
    manifest, source = absent(small.manifest), FileClips(small.manifest)
    recipe = with_stores({"video": stores["video"][:1]}, "modalities=video", "method=sdc")
    pretrain(manifest, recipe, tmp_path / "run", source, deadline=0.0)
    model = Model.load(tmp_path / "run")
    half = manifest.select(np.arange(len(manifest) // 2))
    moved = store_of(half, tmp_path / "moved.features", "video", 12, 1.0)
    table = embed(half, model, source, features={"video": [moved]})
    assert table.vectors("vector_video")[1].all()
    others = store_of(half, tmp_path / "others.features", "video", 12, 1.0, seed=1)
    with pytest.raises(UserError, match="describe the files with the same networks"):
        embed(half, model, source, features={"video": [others]})
    with pytest.raises(UsageError, match=r"learned from stored features of video; .*video=STORE"):
        embed(half, model, source, features={})
    with pytest.raises(UsageError, match="audio is no modality that the model"):
        embed(half, model, source, features={"video": [moved], "audio": stores["audio"]})


def test_what_cannot_be_is_refused(
    small: Small, stores: dict[str, list[Path]], tmp_path: Path
) -> None:
    for pairs, said in {
        ("modalities=video",): r"^features\.audio: the recipe has no audio, only video; leave it",
        ("weights.video=x.pt",): r"^weights\.video: with features\.video no encoder runs",
    }.items():
        with pytest.raises(UsageError, match=said):
            features.named(with_stores(stores, *pairs))
    with pytest.raises(UsageError, match=r"^encoders\.video=stored_video: takes stored features"):
        features.named(config.override(RECIPE, ["encoders.video=stored_video"]))
    with pytest.raises(UserError, match="no such folder"):
        features.check(with_stores({"video": [tmp_path / "gone"]}))
    swapped = {"video": stores["audio"], "audio": stores["video"]}
    with pytest.raises(UsageError, match=r"features of audio; name it as features\.audio"):
        pretrain(small.manifest, with_stores(swapped), tmp_path / "run", small.source)


def test_whether_clips_are_read(stores: dict[str, list[Path]]) -> None:
    assert not features.reads_clips(with_stores(stores))
    assert features.reads_clips(with_stores({"video": stores["video"]}))
    assert not features.reads_clips(
        with_stores({"video": stores["video"]}, "modalities=video,text")
    )


def test_clips_without_rows_take_no_part_and_that_is_said(
    small: Small, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = absent(small.manifest)
    paths = sorted(set(manifest.column("path")))
    some = manifest.select(np.flatnonzero(manifest.column("path") != paths[0]))
    store = store_of(some, tmp_path / "some.features", "video", 12, 1.0)
    recipe = with_stores({"video": [store]}, "modalities=video,text", "epochs=1")
    pretrain(manifest, recipe, tmp_path / "run", FileClips(manifest))
    assert f"has no rows of 1 of 6 files, as {paths[0]}" in capsys.readouterr().err
    present = embed(manifest, Model.load(tmp_path / "run"), FileClips(manifest)).vectors(
        "vector_video"
    )[1]
    np.testing.assert_array_equal(present, manifest.column("path") != paths[0])
