"""Retrieval and localization of a real run on the small collection, from its files."""

import csv
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from tests.small import RECIPE, Small
from triptych.embeddings.embed import embed
from triptych.embeddings.model import Model
from triptych.embeddings.table import EmbeddingTable
from triptych.errors import UsageError, UserError
from triptych.evaluate.across import evaluate_across
from triptych.evaluate.joint import NoSpace, summed, worded
from triptych.evaluate.results import read_results
from triptych.training.pretrain import pretrain


class Trained(NamedTuple):
    run: Path
    embeddings: Path
    steps: Path
    labels: Path


@pytest.fixture(scope="module")
def trained(small: Small, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    folder = tmp_path_factory.mktemp("across")
    recipe = RECIPE.model_copy(
        update={"method": "xcc", "modalities": ("video", "text"), "epochs": 2}
    )
    done = pretrain(small.manifest, recipe, folder / "run", small.source)
    embed(small.manifest, Model.load(done.run), small.source).write(folder / "embeddings.parquet")
    steps = small.manifest.root.parent / "steps.csv"
    with steps.open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == "test"]
    ids, paths = small.manifest.column("clip_id"), small.manifest.column("path")
    middles = (small.manifest.column("start") + small.manifest.column("end")) / 2
    lines = ["clip_id,action,split,group"]
    for clip, path, middle in zip(ids, paths, middles, strict=True):
        of_path = [row for row in rows if row["path"] == path]
        lines += [
            f"{clip},{row['action']},test,{path}"
            for row in of_path
            if float(row["start"]) <= middle <= float(row["end"])
        ]
    (folder / "labels.csv").write_text("\n".join(lines) + "\n")
    return Trained(done.run, folder / "embeddings.parquet", steps, folder / "labels.csv")


def test_clips_are_found_by_their_captions(trained: Trained, tmp_path: Path) -> None:
    out = tmp_path / "results.json"
    rows = evaluate_across(trained.embeddings, None, what="retrieval", seed=3, out=out)
    table = EmbeddingTable.read(trained.embeddings)
    asked, there = table.vectors("shared_text")[1], table.vectors("shared_video")[1]
    assert [row["metric"] for row in rows] == ["R@1", "R@5", "R@10", "median rank", "mean rank"]
    place = {"row": "xcc", "probe": "retrieval", "vector": "text to video", "target": "clip"}
    for row in rows:
        assert {key: row[key] for key in place} == place
        assert row["low"] <= row["value"] <= row["high"]
        assert row["n"] == asked.sum()
    assert rows[1]["chance"] == pytest.approx(5 / there.sum())
    (kept,) = read_results(out).items()
    assert kept[0] == "xcc/retrieval/text to video/clip/clip"
    wanted = {"ties": "average", "missing": "missed", "seeds": [3], "n_queries": asked.sum()}
    assert {key: kept[1]["protocol"][key] for key in wanted} == wanted
    # The same by hand, by cosine: ties are not to be expected among real captions and pictures.
    text, video = (summed(table, [name], complete=False).values for name in ("text", "video"))
    found = np.flatnonzero(asked)
    scores = text[found] @ video.T
    ranks = 1 + (scores > scores[range(len(found)), found][:, None] + 1e-6).sum(1)
    equal = (abs(scores - scores[range(len(found)), found][:, None]) <= 1e-6).sum(1) - 1
    assert rows[-1]["value"] == pytest.approx(np.mean(ranks + equal / 2), abs=0.05)
    back = evaluate_across(trained.embeddings, None, what="retrieval", settings=["query=video"])
    assert (back[0]["vector"], back[0]["probe"]) == ("video to text", "retrieval query=video")


def test_the_words_of_a_label_find_its_clips(trained: Trained) -> None:
    given = {"what": "retrieval", "run": trained.run, "target": "action"}
    rows = evaluate_across(trained.embeddings, trained.labels, settings=["right=words"], **given)
    assert (rows[0]["vector"], rows[0]["target"]) == ("words to video", "action")
    assert rows[-1]["metric"] == "mAP"
    assert 0 < rows[-1]["value"] <= 1
    with pytest.raises(UsageError, match="right=words: needs --run RUN"):
        evaluate_across(
            trained.embeddings, trained.labels, settings=["right=words"],
            **{**given, "run": None},
        )  # fmt: skip
    with pytest.raises(UsageError, match="right=label: needs a labels file"):
        evaluate_across(trained.embeddings, None, settings=["right=label"], what="retrieval")


def test_steps_are_placed_in_the_test_videos(
    trained: Trained, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "results.json"
    given = {"what": "localization", "run": trained.run, "target": "action", "out": out}
    rows = evaluate_across(trained.embeddings, trained.steps, **given)
    figures = {row["metric"]: row for row in rows}
    assert list(figures) == [
        "recall", "recall of videos", "IoD", "IoU", "frames", "frames of steps",
    ]  # fmt: skip
    assert all(0 <= row["low"] <= row["value"] <= row["high"] <= 1 for row in rows)
    assert rows[0]["target"] == "steps"
    (kept,) = read_results(out).values()
    assert kept["protocol"]["n_files"] == rows[1]["n"]
    assert kept["protocol"]["file"] == "steps.csv"
    assert "files of its test part are evaluated" in capsys.readouterr().err
    with pytest.raises(UsageError, match="localization: needs a CSV of steps"):
        evaluate_across(trained.embeddings, None, what="localization", run=trained.run)
    with pytest.raises(UsageError, match="localization: needs --run RUN"):
        evaluate_across(trained.embeddings, trained.steps, what="localization", target="action")
    with pytest.raises(UsageError, match="'decode' is not a key; keys are through"):
        evaluate_across(trained.embeddings, None, what="localization", settings=["decode=x"])


def test_another_run_s_words_and_methods_without_a_space_are_refused(
    trained: Trained, tmp_path: Path
) -> None:
    first = trained.run / "checkpoints" / "initial.safetensors"
    with pytest.raises(UserError, match="made with other weights than the run"):
        evaluate_across(trained.embeddings, trained.steps, what="localization", run=first)
    with pytest.raises(NoSpace, match="words have no place in what video, text share under xcc"):
        worded(Model.load(first), ["a"])
    model = Model.load(trained.run)
    known = worded(model, ["stir the pot", "xylophone", "stir the pot"])
    assert list(known) == ["stir the pot"]
    table = EmbeddingTable.read(trained.embeddings)
    apart = table.table.drop_columns(["shared_video", "shared_text"])
    EmbeddingTable(table.root, apart, {**table.info, "method": "sdc"}).write(tmp_path / "t.parquet")
    with pytest.raises(NoSpace, match="under sdc modalities share no space"):
        evaluate_across(tmp_path / "t.parquet", None, what="retrieval")
