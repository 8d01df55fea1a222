from pathlib import Path

import numpy as np
import pytest
import torch

from tests.explore import run
from triptych.embeddings.table import EmbeddingTable
from triptych.errors import UserError
from triptych.explore.taught import Taught, locate
from triptych.manifest.schema import Manifest
from triptych.state import checkpoint

BEST = Path("run") / "checkpoints" / "best.safetensors"


def test_a_folder_that_fit_left_and_its_parts_are_the_same(tmp_path: Path) -> None:
    clips = run.make(tmp_path)
    whole = Taught.read(tmp_path)
    assert whole.embeddings is not None
    for part in (tmp_path / "run", tmp_path / BEST):
        taught = Taught.read(part, tmp_path / "manifest.parquet")
        assert taught.checkpoint == whole.checkpoint == locate(part)
        assert taught.assignments.keys() == run.CLUSTERS.keys()
        assert taught.assignments["video"].labels.tolist() == run.CLUSTERS["video"][0]
        assert taught.embeddings is None
        assert taught.features("video") is None
    assert whole.clip(9)["path"] == "film-4.mp4"
    assert whole.clip(9)["start"] == 1
    assert len(whole.manifest) == len(clips)


def test_features_are_by_the_rows_of_the_manifest(tmp_path: Path) -> None:
    run.make(tmp_path)
    table = EmbeddingTable.read(tmp_path / "embeddings.parquet")
    order = np.random.default_rng(0).permutation(len(table))
    EmbeddingTable(table.root, table.table.take(order), table.info).write(
        tmp_path / "shuffled.parquet"
    )
    taught = Taught.read(tmp_path, embeddings=tmp_path / "shuffled.parquet")
    video, audio = taught.features("video"), taught.features("audio")
    assert video is not None
    assert audio is not None
    np.testing.assert_array_equal(video.values, run.VECTORS)
    np.testing.assert_array_equal(audio.present, np.arange(12) < 6)
    assert taught.features("text") is None


def test_embeddings_of_other_weights_are_left_out_or_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clips = run.make(tmp_path)
    other = tmp_path / "embeddings.parquet"
    vectors = {"vector_video": (run.VECTORS, np.ones(12, bool))}
    EmbeddingTable.build(clips, vectors, "others").write(other)
    assert Taught.read(tmp_path).embeddings is None
    line = capsys.readouterr().err
    assert "of other weights" in line
    assert "exemplars are drawn at random" in line
    with pytest.raises(UserError, match="of other weights"):
        Taught.read(tmp_path, embeddings=other)
    few = {"vector_video": (run.VECTORS[:3], np.ones(3, bool))}
    EmbeddingTable.build(clips.select([0, 1, 2]), few, "w").write(other)
    with pytest.raises(UserError, match="do not hold every clip"):
        Taught.read(tmp_path, embeddings=other)


def test_a_run_without_clusters_gives_one_line(tmp_path: Path) -> None:
    run.make(tmp_path, trained=False)
    with pytest.raises(UserError, match=r"best\.safetensors: holds no clusters, .*first step"):
        Taught.read(tmp_path)


def test_a_method_without_clusters_gives_one_line(tmp_path: Path) -> None:
    clips = run.make(tmp_path, trained=False)
    facts = {"method": "contrast", "clusters": {}, "manifest": clips.digest}
    facts["state"] = {"clusterings": [], "epoch": 4, "refreshed": 2}
    checkpoint.save(tmp_path / BEST, {"encoders.video.x": torch.zeros(1)}, facts)
    with pytest.raises(UserError, match="as the method contrast keeps none of all clips"):
        Taught.read(tmp_path)


def test_clips_of_another_run_are_refused(tmp_path: Path) -> None:
    clips = run.make(tmp_path)
    Manifest(clips.root, clips.table.slice(1)).write(tmp_path / "other.parquet")
    with pytest.raises(UserError, match=r"other\.parquet: not the clips that .* trained on"):
        Taught.read(tmp_path, tmp_path / "other.parquet")


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    run.make(tmp_path / "demo" / "fit")
    with pytest.raises(UserError, match=r"did you mean .*demo/fit\?"):
        Taught.read(tmp_path / "demo")
    with pytest.raises(UserError, match=r"run: no manifest\.parquet here; .* --manifest"):
        Taught.read(tmp_path / "demo" / "fit" / "run")
    with pytest.raises(UserError, match="gone: no such folder or checkpoint"):
        Taught.read(tmp_path / "gone")


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"state": {"refreshed": 2, "epoch": 4}}, "after 2 of 4 epochs of training"),
        ({"state": {"refreshed": 0, "epoch": 4}}, "before the first step of training"),
        (
            {
                "recipe": {"prior": {"file": "idt.parquet", "space": "prior"}},
                "state": {"refreshed": 2, "epoch": 4},
            },
            "of the descriptors in idt.parquet",
        ),
        (
            {
                "recipe": {"prior": {"file": "idt.parquet", "space": "joint"}},
                "state": {"refreshed": 2, "epoch": 4},
            },
            "of the memory bank beside the descriptors in idt.parquet, after 2 of 4 epochs",
        ),
        ({"method": "supervised", "state": {}}, "labels from outside"),
    ],
)
def test_when_the_clusters_were_made(tmp_path: Path, facts: dict, said: str) -> None:
    taught = Taught(tmp_path, facts, {}, run.manifest(tmp_path), None)
    assert said in taught.made()


@pytest.mark.parametrize(
    ("prior", "said"),
    [
        ({}, "the memory bank of video, k-means 2 of 3"),
        (
            {"file": "d/idt.parquet", "space": "prior"},
            "the descriptors in idt.parquet, k-means 2 of 3",
        ),
        (
            {"file": "d/idt.parquet", "space": "joint"},
            "the memory bank of video beside the descriptors in idt.parquet, k-means 2 of 3",
        ),
    ],
)
def test_what_the_clusters_of_a_bank_are_of(
    tmp_path: Path, prior: dict[str, str], said: str
) -> None:
    clusters = {f"{name}_{run}": [name] for name in ("video", "audio") for run in (1, 2, 3)}
    facts = {"method": "la", "clusters": clusters, "recipe": {"prior": prior}}
    taught = Taught(tmp_path, facts, {}, run.manifest(tmp_path), None)
    assert taught.of("video_2") == said
    assert taught.joint == (prior.get("space") == "joint")


def test_what_other_clusters_are_of(tmp_path: Path) -> None:
    facts = {"method": "cdc", "clusters": {"video": ["video"], "joint": ["video", "audio"]}}
    taught = Taught(tmp_path, facts, {}, run.manifest(tmp_path), None)
    assert taught.of("video") == "features of video"
    assert taught.of("joint") == "features of video and audio"
    assert (taught.prior, taught.joint) == (None, False)
    outside = Taught(tmp_path, {**facts, "method": "supervised"}, {}, taught.manifest, None)
    assert outside.of("video") == "labels from outside"
