from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from triptych.embeddings.table import EmbeddingTable
from triptych.errors import UsageError, UserError
from triptych.evaluate.evaluate import evaluate, examples
from triptych.evaluate.labels import join, read_labels
from triptych.evaluate.results import read_results
from triptych.manifest.schema import SCHEMA, Manifest

VIDEOS, CLIPS = 60, 3


def collection(folder: Path) -> EmbeddingTable:
    """60 videos of 3 clips: in their mean the class is plain, in a clip it is hidden by noise."""
    random = np.random.default_rng(0)
    paths = [f"v{n:02}.mp4" for n in range(VIDEOS) for _ in range(CLIPS)]
    rows = len(paths)
    columns = {
        "clip_id": [f"{path}-{n % CLIPS}" for n, path in enumerate(paths)],
        "path": paths,
        "start": [float(n % CLIPS) for n in range(rows)],
        "end": [n % CLIPS + 1.0 for n in range(rows)],
        "text": [""] * rows,
        "has_video": [True] * rows,
        "has_audio": [n % 2 == 0 for n in range(rows)],
        "has_text": [False] * rows,
        "width": [64] * rows, "height": [64] * rows, "fps": [8.0] * rows,
        "fingerprint": ["0"] * rows,
    }  # fmt: skip
    manifest = Manifest(folder, pa.table(columns, schema=SCHEMA))
    kind = np.arange(rows) // CLIPS % 3
    noise = random.standard_normal((VIDEOS, CLIPS, 8))
    noise -= noise.mean(1, keepdims=True)
    video = (np.eye(8)[kind] + 3 * noise.reshape(rows, 8)).astype("f4")
    audio = random.standard_normal((rows, 4)).astype("f4")
    present = np.array(columns["has_audio"])
    table = EmbeddingTable.build(
        manifest,
        {"vector_video": (video, np.ones(rows, bool)), "vector_audio": (audio, present)},
        "abc",
        method="xdc",
    )
    table.write(folder / "embeddings.parquet")
    lines = [f"v{n:02}.mp4,{'abc'[n % 3]}" for n in range(VIDEOS)]
    (folder / "labels.csv").write_text("path,kind\n" + "\n".join(lines))
    return table


def run(folder: Path, what: str, **options: object) -> list[dict]:
    return evaluate(folder / "embeddings.parquet", folder / "labels.csv", what=what, **options)


def test_a_video_is_the_mean_of_its_clips(tmp_path: Path) -> None:
    table = collection(tmp_path)
    joined = join(
        read_labels(tmp_path / "labels.csv"),
        list(table.column("clip_id")), list(table.column("path")), tmp_path,
    )  # fmt: skip
    given = examples(table, joined, "vector_video", "video")
    vectors, _ = table.vectors("vector_video")
    np.testing.assert_allclose(given.features[7], vectors[21:24].mean(0), atol=1e-6)
    # Clips 1, 3, 5 ... lack sound: a video has the mean of those that have it.
    sound = examples(table, joined, "vector_audio", "video")
    heard, _ = table.vectors("vector_audio")
    np.testing.assert_allclose(sound.features[0], (heard[0] + heard[2]) / 2, atol=1e-6)
    np.testing.assert_allclose(sound.features[1], heard[4], atol=1e-6)
    clips = examples(table, joined, "vector_audio", "clip")
    assert clips.present.sum() == 90


@pytest.mark.parametrize("what", ["knn", "linear"])
def test_probes_see_at_the_level_of_videos_what_clips_hide(tmp_path: Path, what: str) -> None:
    collection(tmp_path)
    row = run(tmp_path, what)[0]
    assert {key: row[key] for key in ("row", "probe", "target", "metric", "seeds", "n")} == {
        "row": "xdc", "probe": what, "target": "kind", "metric": "accuracy", "seeds": 1, "n": 60,
    }  # fmt: skip
    assert row["value"] > 0.95
    assert row["low"] <= row["value"] <= row["high"]
    by_clip = run(tmp_path, what, level="clip")[0]
    assert by_clip["n"] == 180
    assert by_clip["value"] < 0.8


def test_results_hold_protocols_side_by_side(tmp_path: Path) -> None:
    table = collection(tmp_path)
    table.with_clusters(np.arange(180) // CLIPS % 3).write(tmp_path / "embeddings.parquet")
    out = tmp_path / "results.json"
    run(tmp_path, "knn", out=out, level="clip", vector="vector_audio", seed=4)
    rows = run(tmp_path, "clusters", out=out)
    found = read_results(out)
    assert sorted(found) == ["xdc/clusters/cluster/kind/clip", "xdc/knn/vector_audio/kind/clip"]
    assert found["xdc/clusters/cluster/kind/clip"]["rows"] == rows
    assert rows[0]["metric"] == "nmi"
    assert rows[0]["value"] == pytest.approx(1)
    protocol = found["xdc/knn/vector_audio/kind/clip"]["protocol"]
    expected = {
        "level": "clip", "normalisation": "L2", "k": 20, "seeds": [4], "checkpoint": "abc",
        "n_without_vector": 90, "n_clips_labelled": 180, "n_clips_without_label": 0,
        "group": "path", "folds": "5 folds drawn by group, stratified, seed 4",
    }  # fmt: skip
    assert {key: protocol[key] for key in expected} == expected


def test_what_was_left_out_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    collection(tmp_path)
    lines = (tmp_path / "labels.csv").read_text().splitlines()
    lines = [lines[0] + ",split,group"] + [
        f"{line},{'test' if n % 4 == 0 else 'train'},g{n // 2}"
        for n, line in enumerate(lines[1:51])
    ]
    lines.append("lost.mp4,a,test,z")
    lines[1] = "v00.mp4,rare,test,g0"
    (tmp_path / "labels.csv").write_text("\n".join(lines))
    run(tmp_path, "knn", vector="vector_audio", level="clip")
    said = capsys.readouterr().err.replace(f"{tmp_path}/", "").splitlines()
    assert said == [
        "labels.csv: 1 of 51 labelled files are not in the embeddings and are left out: 'lost.mp4'",
        "labels.csv: 30 of 180 clips have no label and are left out",
        "labels: 13 groups are in both training and test, so the score may owe something to having "
        "seen the source",
        "labels: 2 test examples are of classes that their training part does not have; they count "
        "as wrong",
        "evaluate: 75 labelled examples have no such vector; scores are over the others",
    ]


def test_classes_with_too_few_examples_for_the_shots_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    collection(tmp_path)
    run(tmp_path, "1-shot", level="clip")
    assert "fewer than" not in capsys.readouterr().err
    run(tmp_path, "20-shot", level="video")
    assert (
        "classes with fewer than 20 examples in a training part give all they have: 'a', 'b'"
        in (capsys.readouterr().err)
    )


def test_what_cannot_be_asked_is_refused_in_one_line(tmp_path: Path) -> None:
    collection(tmp_path)
    with pytest.raises(UsageError, match="'mlp' is not known; choose one of knn, linear, 1-shot"):
        run(tmp_path, "mlp")
    with pytest.raises(UsageError, match="level 'frame' is not known"):
        run(tmp_path, "knn", level="frame")
    with pytest.raises(UserError, match="the embeddings have no vector_text"):
        run(tmp_path, "knn", vector="vector_text")
    with pytest.raises(UserError, match="run `triptych cluster`"):
        run(tmp_path, "clusters")
    (tmp_path / "other.json").write_text("[]")
    with pytest.raises(UserError, match=r"other\.json: not a results file"):
        run(tmp_path, "knn", out=tmp_path / "other.json")
    (tmp_path / "labels.csv").write_text("clip_id,label\nv00.mp4-0,a\nv00.mp4-1,b\nv01.mp4-0,a\n")
    with pytest.raises(UserError, match=r"differ in their label, first those of 'v00.mp4'"):
        run(tmp_path, "knn")
