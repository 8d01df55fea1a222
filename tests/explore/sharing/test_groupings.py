import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.explore import run
from tests.explore.sharing.films import COUNT, MOTIONS, SCENES
from triptych.clustering.agreement import ari
from triptych.embeddings.table import EmbeddingTable
from triptych.errors import UsageError, UserError
from triptych.explore.sharing.groupings import Wanted, read


def test_two_tables_are_cut_into_the_groups_that_they_hold(films: Path) -> None:
    sources = [films / "embeddings.parquet", films / "idt"]
    clips, (scene, motion) = read(sources, Wanted(k=2, seed=1))
    assert len(clips) == COUNT
    assert ari(scene.labels, SCENES) == ari(motion.labels, MOTIONS) == 1
    assert (scene.name, motion.name) == ("embeddings.parquet", "idt.parquet")
    assert scene.title == "embeddings.parquet: clusters of vector_video"
    assert "k-means of vector_video in" in scene.made
    assert motion.file == films / "idt" / "idt.parquet"
    assert scene.near is not None
    assert (scene.near <= 1.0001).all()
    again = read(sources, Wanted(k=2, seed=1))[1]
    np.testing.assert_array_equal(again[0].labels, scene.labels)
    assert read(sources[:1], Wanted())[1][0].k == 3  # the root of half of sixteen


def test_a_run_has_the_clusters_that_taught_it(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    run.make(tmp_path)
    clips, (video,) = read([tmp_path], Wanted())
    assert (video.name, video.k, len(clips)) == (tmp_path.name, 3, 12)
    assert video.title == f"{tmp_path.name}: clusters of features of video"
    assert video.labels.tolist() == run.CLUSTERS["video"][0]
    assert "made after 2 of 4 epochs of training" in video.made
    assert "shows the clustering video, one of video, audio, joint;" in capsys.readouterr().err
    best = tmp_path / "run" / "checkpoints" / "best.safetensors"
    wanted = Wanted(manifest=tmp_path / "manifest.parquet", clusterings=["audio"])
    (audio,) = read([best], wanted)[1]
    assert audio.labels.tolist() == run.CLUSTERS["audio"][0]
    assert audio.near is None  # no embeddings beside a checkpoint


def test_clips_are_matched_by_what_they_are_and_k_follows_the_run(tmp_path: Path) -> None:
    clips = run.make(tmp_path / "work")
    turned = clips.select(np.arange(11, 1, -1))
    vectors = {"vector_video": (run.VECTORS[:1:-1].copy(), np.ones(10, bool))}
    EmbeddingTable.build(turned, vectors, "w").write(tmp_path / "some.parquet")
    known, (first, second) = read([tmp_path / "some.parquet", tmp_path / "work"], Wanted())
    assert len(known) == 12  # of the run
    assert (first.labels < 0).tolist() == [True, True] + [False] * 10
    assert first.k == second.k == 3
    turned.write(tmp_path / "some-manifest.parquet")
    with pytest.raises(UserError, match=r"not the clips that .* was trained on"):
        read([tmp_path / "work"], Wanted(manifest=tmp_path / "some-manifest.parquet"))


def test_what_is_no_source_is_said_in_a_line(films: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="gone: no such run"):
        read([tmp_path / "gone"], Wanted())
    with pytest.raises(UserError, match=r"neither a run nor .* \(none\)"):
        read([tmp_path], Wanted())
    shutil.copy(films / "idt" / "idt.parquet", tmp_path / "a.parquet")
    with pytest.raises(UserError, match="name the clips with --manifest"):
        read([tmp_path], Wanted())
    shutil.copy(films / "idt" / "idt.parquet", tmp_path / "b.parquet")
    with pytest.raises(UserError, match=r"neither a run nor .* \(a\.parquet, b\.parquet\)"):
        read([tmp_path], Wanted())
    with pytest.raises(UsageError, match="3 sources"):
        read([tmp_path] * 3, Wanted())
    with pytest.raises(UserError, match="16 clips cannot make 17 clusters"):
        read([films / "embeddings.parquet"], Wanted(k=17))
    (tmp_path / "text").write_text("x")
    with pytest.raises(UserError, match="not a Parquet file"):
        read([tmp_path / "text"], Wanted())


def test_options_that_do_not_fit_the_sources_are_refused(films: Path, tmp_path: Path) -> None:
    run.make(tmp_path)
    with pytest.raises(UsageError, match="--k is for files of vectors"):
        read([tmp_path], Wanted(k=3))
    with pytest.raises(UsageError, match="--clustering text: the run's are video, audio, joint"):
        read([tmp_path], Wanted(clusterings=["text"]))
    with pytest.raises(UsageError, match="--clustering is given 1 times for 0 runs"):
        read([films / "embeddings.parquet"], Wanted(clusterings=["video"]))
    with pytest.raises(UserError, match=r"idt\.parquet: holds none of the 12 clips"):
        read([tmp_path, films / "idt" / "idt.parquet"], Wanted())
