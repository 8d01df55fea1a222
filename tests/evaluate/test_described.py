from hashlib import sha256
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import triptych
from triptych.descriptors.table import DescriptorTable
from triptych.embeddings.table import EmbeddingTable
from triptych.errors import UsageError, UserError
from triptych.evaluate.described import read
from triptych.evaluate.evaluate import evaluate
from triptych.evaluate.results import read_results
from triptych.manifest.schema import SCHEMA, Manifest

VIDEOS, CLIPS = 60, 2
PATHS = [f"v{n:02}.mp4" for n in range(VIDEOS)]


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    path = tmp_path / "labels.csv"
    path.write_text("path,kind\n" + "\n".join(f"{p},{'abc'[n % 3]}" for n, p in enumerate(PATHS)))
    return path


def values(rows: int, seed: int = 0) -> np.ndarray:
    """A class is told apart now and then, so that a probe's figure is one of many."""
    draw = np.random.default_rng(seed)
    kind = np.arange(rows) * VIDEOS // rows % 3
    return (np.eye(6)[kind] + 0.7 * draw.standard_normal((rows, 6))).astype(np.float32)


def of_videos(path: Path) -> np.ndarray:
    vectors = values(VIDEOS)
    DescriptorTable(tuple(PATHS), vectors, None, {"descriptor": "idt"}).write(path)
    return vectors


def of_clips(path: Path) -> np.ndarray:
    vectors = values(VIDEOS * CLIPS, 1)
    paths = tuple(path for path in PATHS for _ in range(CLIPS))
    starts = tuple(4.0 * n for _ in PATHS for n in range(CLIPS))
    DescriptorTable(paths, vectors, None, {}, starts).write(path)
    return vectors


def clips_of(root: Path, rows: int) -> Manifest:
    """Clips of four seconds, as many of each video."""
    paths = np.repeat(PATHS, rows // VIDEOS).tolist()
    columns = {
        "clip_id": [f"{n:04}" for n in range(rows)], "path": paths,
        "start": [4.0 * (n % (rows // VIDEOS)) for n in range(rows)], "end": [99.0] * rows,
        "text": [""] * rows, "has_video": [True] * rows, "has_audio": [False] * rows,
        "has_text": [False] * rows, "width": [64] * rows, "height": [64] * rows,
        "fps": [8.0] * rows, "fingerprint": ["0"] * rows,
    }  # fmt: skip
    return Manifest(root, pa.table(columns, schema=SCHEMA))


def as_embeddings(path: Path, vectors: np.ndarray) -> Path:
    """The same vectors of clips as a model would have left them."""
    given = {"vector_video": (vectors, np.ones(len(vectors), bool))}
    EmbeddingTable.build(clips_of(path.parent, len(vectors)), given, "abc").write(path)
    return path


def figures(rows: list[dict]) -> list[tuple[object, ...]]:
    return [tuple(row[key] for key in ("metric", "value", "low", "high", "n")) for row in rows]


@pytest.mark.parametrize("what", ["knn", "linear", "5-shot"])
def test_descriptors_have_the_figures_of_embeddings_with_the_same_vectors(
    tmp_path: Path, labels: Path, what: str
) -> None:
    for make, levels in ((of_videos, ["video"]), (of_clips, ["video", "clip"])):
        vectors = make(tmp_path / "idt.parquet")
        other = as_embeddings(tmp_path / "embeddings.parquet", vectors)
        for level in levels:
            found = evaluate(tmp_path / "idt.parquet", labels, what=what, level=level)
            wanted = evaluate(other, labels, what=what, level=level)
            assert figures(found) == figures(wanted), (make, level)
            assert 0.4 < found[0]["value"] < 0.99
            assert found[0]["row"] == "idt"
            assert found[0]["vector"] == "vector"


def test_the_verb_takes_them_and_the_protocol_says_what_they_are(
    tmp_path: Path, labels: Path
) -> None:
    of_videos(tmp_path / "idt.parquet")
    out = tmp_path / "results.json"
    found = triptych.evaluate("knn", tmp_path / "idt.parquet", labels, out=out)
    results = read_results(out)
    assert list(results) == ["idt/knn/vector/kind/video"]
    assert results["idt/knn/vector/kind/video"]["rows"] == found["table"]
    protocol = results["idt/knn/vector/kind/video"]["protocol"]
    assert protocol["descriptors"] == {"descriptor": "idt"}
    assert protocol["video_features"] == "the file's own"
    assert protocol["embeddings"] == "idt.parquet"
    assert len(protocol["checkpoint"]) == 16


def test_a_video_with_a_row_of_its_own_is_not_the_mean_of_its_clips(tmp_path: Path) -> None:
    paths, starts = ("a.mp4", "a.mp4", "b.mp4", "b.mp4"), (None, 2.5, 0.0, 4.0)
    DescriptorTable(paths, np.eye(4, dtype=np.float32), None, {}, starts).write(tmp_path / "d")
    videos, column = read(tmp_path / "d", None, "video")
    assert column == "vector"
    assert videos.column("path").tolist() == ["a.mp4", "b.mp4", "b.mp4"]
    np.testing.assert_array_equal(videos.vectors(column)[0], np.eye(4)[[0, 2, 3]])
    assert videos.info["checkpoint"] == sha256((tmp_path / "d").read_bytes()).hexdigest()[:16]
    clips, _ = read(tmp_path / "d", None, "clip")
    assert clips.column("clip_id").tolist() == ["a.mp4#2.5", "b.mp4#0", "b.mp4#4"]
    np.testing.assert_array_equal(clips.vectors(column)[0], np.eye(4)[1:])


def test_a_manifest_names_the_clips(tmp_path: Path, labels: Path) -> None:
    """Labels of clips then do, and a clip without a vector of its own has its video's."""
    manifest = clips_of(tmp_path, VIDEOS * CLIPS)
    manifest.write(tmp_path / "manifest.parquet")
    by_clip = tmp_path / "clips.csv"
    ids = manifest.column("clip_id")
    lines = [f"{name},{'abc'[n // CLIPS % 3]}" for n, name in enumerate(ids)]
    by_clip.write_text("\n".join(["clip_id,kind", *lines]))
    given = tmp_path / "manifest.parquet"
    for make, repeated in ((of_videos, CLIPS), (of_clips, 1)):
        vectors = make(tmp_path / "idt.parquet").repeat(repeated, axis=0)
        other = as_embeddings(tmp_path / "embeddings.parquet", vectors)
        for level in ("video", "clip"):
            found = evaluate(
                tmp_path / "idt.parquet", by_clip, what="knn", level=level, manifest=given
            )
            assert figures(found) == figures(evaluate(other, by_clip, what="knn", level=level))
    short = DescriptorTable(("other.mp4",), np.ones((1, 3), np.float32), None, {})
    short.write(tmp_path / "short.parquet")
    with pytest.raises(UserError, match="has descriptors of none of the 120 clips"):
        evaluate(tmp_path / "short.parquet", labels, what="knn", manifest=given)


def test_another_column_may_be_named(tmp_path: Path, labels: Path) -> None:
    of_videos(tmp_path / "idt.parquet")
    table = pq.read_table(tmp_path / "idt.parquet").rename_columns(["path", "mine"])
    pq.write_table(table, tmp_path / "other.parquet")
    (row, *_) = evaluate(tmp_path / "other.parquet", labels, what="knn", vector="mine")
    assert row["vector"] == "mine"
    with pytest.raises(UserError, match="not a descriptor file, it lacks vector;"):
        evaluate(tmp_path / "other.parquet", labels, what="knn")


def test_what_only_embeddings_have_is_refused(tmp_path: Path, labels: Path) -> None:
    of_videos(tmp_path / "idt.parquet")
    with pytest.raises(UsageError, match=r"whole videos, .* --level video, describe with"):
        evaluate(tmp_path / "idt.parquet", labels, what="knn", level="clip")
    with pytest.raises(UsageError, match=r"clusters: .* --descriptor --evaluate clusters"):
        evaluate(tmp_path / "idt.parquet", labels, what="clusters")
    by_clip = tmp_path / "clips.csv"
    by_clip.write_text("clip_id,kind\n0,a\n1,b\n")
    with pytest.raises(UserError, match=r"clips\.csv: goes by clip_id, .* --manifest, or label"):
        evaluate(tmp_path / "idt.parquet", by_clip, what="knn")
    other = as_embeddings(tmp_path / "embeddings.parquet", values(VIDEOS))
    with pytest.raises(UsageError, match=r"--manifest says .*embeddings\.parquet is no such file"):
        evaluate(other, labels, what="knn", manifest=tmp_path / "manifest.parquet")
    with pytest.raises(UserError, match=r"gone\.parquet: no embeddings here"):
        evaluate(tmp_path / "gone.parquet", labels, what="knn")


def test_videos_that_are_not_described_are_counted(
    tmp_path: Path, labels: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    of_videos(tmp_path / "idt.parquet")
    labels.write_text(labels.read_text() + "\nlost.mp4,a\n")
    evaluate(tmp_path / "idt.parquet", labels, what="knn")
    assert "1 of 61 labelled files are not in the descriptors" in capsys.readouterr().err
