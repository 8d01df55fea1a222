from pathlib import Path

import numpy as np
import pytest

from tests.small import Small
from triptych.embeddings.table import EmbeddingTable
from triptych.errors import UsageError, UserError
from triptych.evaluate.clusters import FeatureClusters
from triptych.recipes.comparison import scores
from triptych.recipes.comparison.scores import Judge, Scores, results


def judge(small: Small, labels: Path, evaluators: tuple[str, ...] = ("knn",), **more: str) -> Judge:
    chosen = {"vector": "vector_video", "level": "video", **more}
    return Judge.make(small.manifest, labels, (), evaluators, **chosen)


def vectors(judge: Judge, seed: int) -> EmbeddingTable:
    random = np.random.default_rng(seed)
    values = random.normal(size=(len(judge.clips), 5)).astype(np.float32)
    present = np.ones(len(values), bool)
    return EmbeddingTable.build(judge.clips, {"vector_video": (values, present)}, f"w{seed}")


def test_scores_are_of_the_tested_examples_and_say_their_protocol(
    small: Small, labelled: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(scores.EVALUATORS, "clusters", FeatureClusters(draws=20))
    chosen = judge(small, labelled[1], ("knn", "clusters"))
    found = chosen.score(vectors(chosen, 0), 7, tmp_path, "a row")
    paths = sorted(set(small.manifest.column("path")))
    tested = found["knn", "parity"]
    assert tested.names.tolist() == paths[4:]
    assert tested.labels.tolist() == ["even", "odd"]
    assert set(tested.found[:, 0]) <= {"even", "odd"}
    assert tested.protocol["folds"] == "the labels' column split"
    assert tested.rows[0]["value"] == np.mean(tested.found[:, 0] == tested.labels)
    clusters = found["clusters", "parity"]
    assert len(clusters.names) == len(small.manifest)  # clips, of both parts
    assert set(clusters.found[:, 0]) == {"0", "1"}
    assert list(results("a row", 7, found)) == [
        "a row seed 7/knn/vector_video/parity/video",
        "a row seed 7/clusters/vector_video/parity/clip",
    ]


def test_scores_are_kept_for_the_same_vectors_labels_and_seed(
    small: Small, labelled: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = judge(small, labelled[1])
    made = []

    def counted(*given: object) -> Scores:
        made.append(given)
        return real(*given)

    real = scores.EVALUATORS["knn"]
    monkeypatch.setitem(scores.EVALUATORS, "knn", counted)
    first = chosen.score(vectors(chosen, 0), 0, tmp_path, "r")["knn", "parity"]
    again = chosen.score(vectors(chosen, 0), 0, tmp_path, "r")["knn", "parity"]
    assert len(made) == 1
    assert again.names.tolist() == first.names.tolist()
    assert again.found.tolist() == first.found.tolist()
    assert (again.rows, again.protocol) == (first.rows, first.protocol)
    chosen.score(vectors(chosen, 1), 0, tmp_path, "r")
    assert len(made) == 2
    chosen.score(vectors(chosen, 1), 1, tmp_path, "r")
    assert len(made) == 3
    changed = tmp_path / "changed.csv"
    changed.write_text(labelled[1].read_text().replace("even,test", "odd,test"))
    other = judge(small, changed)
    other.score(vectors(other, 1), 1, tmp_path, "r")
    assert len(made) == 4
    (kept,) = tmp_path.glob("r-0*.parquet")
    kept.write_bytes(b"half a fi")
    chosen.score(vectors(chosen, 1), 0, tmp_path, "r")
    assert len(made) == 5


LABELS = {
    "nobody": "path,label\nnothing.mp4,a\nnowhere.mp4,b\n",
    "one class": "path,label,split\n{0},a,train\n{1},a,train\n{2},b,test\n",
    "no test": "path,label,split\n{0},a,train\n{1},b,train\n",
    "one fold": "path,label,fold\n{0},a,1\n{1},b,1\n",
    "only a": "path,label\n{0},a\n{1},a\n{2},a\n",
}


@pytest.mark.parametrize(
    ("name", "more", "evaluator", "message"),
    [
        ("nobody", {}, "knn", "none of its 2 keys names a clip"),
        ("one class", {}, "linear", "holds only one class, 'a'"),
        ("no test", {}, "knn", "leaves nothing to test on"),
        ("one fold", {}, "knn", "at least two folds"),
        ("only a", {}, "clusters", "holds one class only"),
    ],
)
def test_labels_that_cannot_be_used_are_refused_before_any_training(
    small: Small, tmp_path: Path, name: str, more: dict[str, str], evaluator: str, message: str
) -> None:
    paths = sorted(set(small.manifest.column("path")))
    (tmp_path / "labels.csv").write_text(LABELS[name].format(*paths))
    with pytest.raises(UserError, match=message):
        judge(small, tmp_path / "labels.csv", (evaluator,), **more)


def test_unknown_evaluators_and_levels_are_wrong_usage(
    small: Small, labelled: tuple[Path, Path]
) -> None:
    with pytest.raises(UsageError, match="'svm': choose knn, linear, 1-shot"):
        judge(small, labelled[1], ("svm",))
    with pytest.raises(UsageError, match="'film': choose video or clip"):
        judge(small, labelled[1], level="film")


def test_labels_that_differ_within_a_file_need_the_level_of_clips(
    small: Small, tmp_path: Path
) -> None:
    rows = [f"{name},{'ab'[i % 2]}" for i, name in enumerate(small.manifest.column("clip_id"))]
    (tmp_path / "labels.csv").write_text("clip_id,label\n" + "\n".join(rows) + "\n")
    with pytest.raises(UserError, match="evaluate at level clip"):
        judge(small, tmp_path / "labels.csv")
    assert judge(small, tmp_path / "labels.csv", level="clip").targets == ["label"]
