import csv
import functools
import json
import multiprocessing
import os
import shutil
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import save_file

import triptych
from tests.small import Small
from tests.training.test_features import store_of
from triptych.atomic import alone
from triptych.descriptors.table import DescriptorTable
from triptych.encoders.build import native
from triptych.errors import UsageError, UserError
from triptych.evaluate.clusters import FeatureClusters
from triptych.evaluate.results import read_results
from triptych.manifest.scan import scan
from triptych.manifest.schema import Manifest
from triptych.recipes import compare as face
from triptych.recipes.comparison import runs, scores
from triptych.recipes.comparison.table import Agreement
from triptych.state import checkpoint
from triptych.training import loop

SPAWN = multiprocessing.get_context("spawn")
FIELDS = [
    "clip.frames=4", "clip.size=32", "epochs=2", "refresh_every=1", "batch=8", "clustering.k=4",
    "clustering.starts=1", "clustering.components=8", "precision=32-true", "threads=1",
]  # fmt: skip
WORDS = ["sdc:modalities=video", "xdc:modalities=video,text", *FIELDS]
Labelled = tuple[Path, Path]


def compare(labelled: Labelled, out: Path, words: list[str] | None = None, **more: Any) -> Any:
    manifest, labels = labelled
    return triptych.compare(
        words or WORDS, manifest=manifest, labels=labels, out=out, workers=1, **more
    )


@pytest.fixture(scope="module")
def made(labelled: Labelled, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    out = tmp_path_factory.mktemp("compare")
    more = {"axis": ["clips=9,12"], "seeds": 2, "evaluate": ["knn"]}
    return out, compare(labelled, out, supervised="parity", against="sdc video", **more)


def test_the_table_has_every_row_and_probe_with_every_seed(made: tuple[Path, Any]) -> None:
    out, found = made
    names = [
        "random", "sdc video clips=9", "sdc video clips=12", "xdc video+text clips=9",
        "xdc video+text clips=12", "supervised",
    ]  # fmt: skip
    table = found["table"]
    places = [(row["row"], row["probe"], row["target"]) for row in table]
    assert places == [(name, probe, "parity") for name in names for probe in ("knn",)]
    for row in table:
        assert row["low"] <= row["value"] <= row["high"]
        assert (row["seeds"], len(row["of_each_seed"])) == (2, 2)
        assert row["value"] == pytest.approx(np.mean(row["of_each_seed"]), abs=1e-4)
        trained = row["row"] != "random"
        assert ("over_random" in row) == trained
        assert (row.get("training_seconds", 0) > 0) == trained
        assert ("over_sdc video" in row) == row["row"].startswith("xdc")
    by_name = {row["row"]: row for row in table}
    one, other = by_name["xdc video+text clips=9"], by_name["sdc video clips=9"]
    assert one["over_sdc video"] == pytest.approx(one["value"] - other["value"], abs=1e-4)
    assert (one["clips"], found["failed"]) == (9, [])
    kept = json.loads((out / "table.json").read_text())
    assert kept["table"] == table
    assert kept["protocol"]["seeds"] == [0, 1]
    with (out / "table.csv").open(newline="") as file:
        assert [float(row["value"]) for row in csv.DictReader(file)] == [r["value"] for r in table]
    assert (out / "plot.svg").stat().st_size
    assert Path(found["plot"]) == out / "plot.png"


def test_every_evaluation_has_its_protocol(made: tuple[Path, Any]) -> None:
    results = read_results(made[0] / "results.json")
    assert len(results) == 6 * 2
    one = results["supervised seed 1/knn/vector_video/parity/video"]
    assert one["protocol"]["folds"] == "the labels' column split"
    row = next(r for r in made[1]["table"] if (r["row"], r["probe"]) == ("supervised", "knn"))
    assert one["rows"][0]["value"] == pytest.approx(row["of_each_seed"][1], abs=1e-4)


def test_nothing_is_trained_on_a_clip_of_the_test_part(
    made: tuple[Path, Any], labelled: Labelled
) -> None:
    manifest = Manifest.read(labelled[0])
    path_of = dict(zip(manifest.column("clip_id"), manifest.column("path"), strict=True))
    paths = sorted(set(path_of.values()))
    seen: dict[str, set[str]] = {}
    for file in made[0].glob("runs/*/assignments/*.parquet"):
        ids = pq.read_table(file)["clip_id"].to_pylist()
        seen.setdefault(file.parents[1].name, set()).update(ids)
    assert len(seen) == 4 * 2  # the labels of the supervised ones come from outside
    for run, ids in seen.items():
        assert {path_of[name] for name in ids} <= set(paths[:4]), run
        assert len(ids) == (9 if "clips=9" in run else 12)
    for one in (0, 1):
        assert seen[f"sdc_video_clips=9-{one}"] < seen[f"sdc_video_clips=12-{one}"]
    taught = json.loads((made[0] / "runs" / "supervised-0.json").read_text())
    assert taught["clips"] == sum(path in paths[:4] for path in path_of.values())


def test_the_random_row_is_what_the_first_recipe_began_from(made: tuple[Path, Any]) -> None:
    table = pq.read_table(made[0] / "runs" / "random-1.parquet")
    begun = made[0] / "runs" / "sdc_video_clips=9-1" / "checkpoints" / "initial.safetensors"
    assert set(table["checkpoint"].to_pylist()) == {checkpoint.load(begun)[1]["weights"]}


def test_the_same_command_trains_nothing_again(
    made: tuple[Path, Any], labelled: Labelled, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    for name in ("pretrain", "train_supervised", "embed"):
        monkeypatch.setattr(runs, name, lambda *_, **__: 1 / 0)
    before = (made[0] / "table.json").read_bytes()
    more = {"axis": ["clips=9,12"], "seeds": 2, "evaluate": ["knn"]}
    compare(labelled, made[0], supervised="parity", against="sdc video", **more)
    assert (made[0] / "table.json").read_bytes() == before
    said = capsys.readouterr().err
    assert "compare: run 10 of 10: supervised, seed 1: reused" in said
    assert said.count("are of the test part and train nothing") == 1


def test_a_further_probe_leaves_the_evaluations_that_are_there(
    made: tuple[Path, Any], labelled: Labelled
) -> None:
    before = read_results(made[0] / "results.json")
    more = {"axis": ["clips=9,12"], "seeds": 2, "evaluate": ["clusters"]}
    compare(labelled, made[0], supervised="parity", **more)
    after = read_results(made[0] / "results.json")
    assert before.items() < after.items()
    assert all("/clusters/" in name for name in after.keys() - before.keys())


def test_a_changed_recipe_of_the_same_name_is_refused_before_anything_runs(
    made: tuple[Path, Any], labelled: Labelled
) -> None:
    words = [word.replace("epochs=2", "epochs=3") for word in WORDS]
    with pytest.raises(UserError, match=r"holds another run of this name .*epochs 2 became 3"):
        compare(labelled, made[0], words, axis=["clips=9,12"])
    with alone(made[0]), pytest.raises(UserError, match="another process is at work here"):
        compare(labelled, made[0])


def go(labelled: Labelled, out: Path, place: str, count: int) -> None:
    """A comparison whose process dies at the ``count``-th training or step."""
    module, name = (runs, "pretrain") if place == "run" else (loop, "train_step")
    real: Callable[..., Any] = getattr(module, name)
    calls = 0

    def counted(*given: Any, **more: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == count:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*given, **more)

    setattr(module, name, counted)
    compare(labelled, out, seeds=1, evaluate=["knn"])


def test_a_killed_comparison_goes_on_and_ends_in_the_same_table(
    labelled: Labelled, tmp_path: Path
) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    kept: dict[Path, int] = {}
    # In the middle of the first run, and between the first and the second.
    for place, count in (("step", 3), ("run", 2), ("none", 10**9)):
        process = SPAWN.Process(target=go, args=(labelled, broken, place, count))
        process.start()
        process.join()
        assert process.exitcode == (0 if place == "none" else -signal.SIGKILL)
        for file, written in kept.items():
            assert file.stat().st_mtime_ns == written, f"{file} was made again"
        done = [f for f in broken.glob("runs/*.json") if "weights" in json.loads(f.read_text())]
        kept = {
            file: file.stat().st_mtime_ns
            for record in done
            for file in record.with_suffix("").glob("checkpoints/*")
        }
        assert len(done) == {"step": 0, "run": 1, "none": 2}[place]
    compare(labelled, whole, seeds=1, evaluate=["knn"])
    tables = [json.loads((out / "table.json").read_text())["table"] for out in (whole, broken)]
    untimed = [
        [
            {key: row[key] for key in row if key not in ("training_seconds", "clips_per_second")}
            for row in table
        ]
        for table in tables
    ]
    assert untimed[0] == untimed[1]
    for name in ("sdc_video-0", "xdc_video+text-0"):
        one, other = (
            checkpoint.load(out / "runs" / name / "checkpoints" / "last.safetensors")[0]
            for out in (whole, broken)
        )
        assert all(torch.equal(one[key], other[key]) for key in one)


def test_a_run_that_fails_costs_its_own_row_only(
    labelled: Labelled, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(scores.EVALUATORS, "clusters", FeatureClusters(draws=20))
    monkeypatch.setattr(face, "Agreement", functools.partial(Agreement, draws=20))
    words = ["sdc:modalities=video;optimisation.rate=1e30", "sdc:modalities=video", *FIELDS]
    found = compare(labelled, tmp_path, words, seeds=1, evaluate=["knn", "clusters"])
    rows = {(row["row"], row["probe"]): row for row in found["table"]}
    broken = rows["sdc video rate=1e+30", "knn"]
    assert broken["value"] is None
    assert broken["failed"].startswith("seed 0: ")
    assert rows["sdc video rate=1e+30", "clusters (AMI)"]["failed"] == broken["failed"]
    assert found["failed"] == [f"sdc video rate=1e+30: {broken['failed']}"]
    assert rows["random", "knn"]["value"] is not None  # from before the first step
    assert 0 <= rows["sdc video", "clusters (NMI)"]["value"] <= 1
    assert json.loads((tmp_path / "table.json").read_text())["table"] == found["table"]


def test_collections_to_train_on_are_judged_on_the_same_clips(
    small: Small, labelled: Labelled, tmp_path: Path
) -> None:
    (tmp_path / "part").mkdir()
    other = tmp_path / "part" / "manifest.parquet"
    small.manifest.select(np.arange(len(small.manifest))[::-1][:-4]).write(other)
    words = ["sdc:modalities=video", *FIELDS]
    axis = [f"manifest={labelled[0]},{other}"]
    found = compare(labelled, tmp_path / "out", words, axis=axis, seeds=1, evaluate=["knn"])
    assert [row["row"] for row in found["table"]][2:] == ["sdc video manifest=part"]
    paths = sorted(set(small.manifest.column("path")))
    ids = pq.read_table(
        next((tmp_path / "out").glob("runs/*part-0/assignments/epoch_0000.parquet"))
    )["clip_id"].to_pylist()
    clips = Manifest.read(other).table.to_pylist()
    assert ids == [row["clip_id"] for row in clips if row["path"] in paths[:4]]
    assert len(list((tmp_path / "out" / "cache").iterdir())) == 2


@pytest.mark.parametrize(
    ("words", "more", "kind", "message"),
    [
        (["sdx"], {}, UsageError, "neither a method"),
        (["sdc:modalities=video"], {"evaluate": ["svm"]}, UsageError, "'svm': choose"),
        (["sdc:modalities=video"], {"axis": ["k=4"]}, UsageError, "did you mean clustering.k"),
        (["sdc:modalities=video"], {"axis": ["clips=99"]}, UserError, "are there to train on"),
        (["sdc:modalities=video", "clustering.k=40"], {}, UserError, "too few for clustering.k=40"),
        (["sdc:modalities=video"], {"target": ["colour"]}, UserError, "no column 'colour'"),
        (["sdc:modalities=video"], {"against": "xdc"}, UsageError, "no such row; rows are random,"),
        (["sdc:modalities=video"], {"against": ""}, UsageError, "no such row; rows are random,"),
        (["sdc:modalities=video"], {"supervised": ""}, UserError, "no column ''"),
        (["sdc:modalities=video;weights.video=x.pth"], {}, UserError, "x.pth: no such file"),
        (["sdc:modalities=video;weights.video=."], {}, UserError, "=.: a folder; name a file"),
        (["la:modalities=video;prior.file=x.parquet"], {}, UserError, "x.parquet: no such file"),
        (["ir:modalities=video;balance=own"], {}, UsageError, "method=ir has a memory bank"),
        (["sdc:modalities=video"], {"seeds": 0}, UsageError, "must be 1 or more"),
        (["sdc:modalities=video"], {"axis": ["manifest=x.parquet"]}, UserError, "no manifest here"),
    ],
)
def test_what_is_wrong_is_said_before_anything_runs(
    labelled: Labelled, tmp_path: Path, words: list[str], more: dict[str, Any],
    kind: type[UserError], message: str,
) -> None:  # fmt: skip
    fields = [
        field for field in FIELDS if not any("=" in w and field.split("=")[0] in w for w in words)
    ]
    with pytest.raises(kind, match=message) as error:
        compare(labelled, tmp_path / "out", [*words, *fields], **more)
    assert "\n" not in str(error.value)
    assert not list((tmp_path / "out").rglob("*.*"))


def test_an_untrained_row_of_published_weights_is_said_not_to_be_random(
    labelled: Labelled, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "w.safetensors"
    save_file(native("r2plus1d_small").state_dict(), path)
    words = ["sdc:modalities=video", *(field for field in FIELDS if "epochs" not in field)]
    axis = [f"weights.video=null,{path}"]
    more = {"axis": axis, "seeds": 1, "evaluate": ["knn"], "supervised": "parity"}
    found = compare(labelled, tmp_path / "out", [*words, "epochs=1"], **more)
    named = f"random weights.video={path}"
    assert (
        f"{named}: its video encoder is not random, but that of {path}" in capsys.readouterr().err
    )
    kept = json.loads((tmp_path / "out" / "table.json").read_text())
    assert kept["table"] == found["table"]
    assert {row["weights.video"] for row in found["table"] if row["row"][0] == "s"} == {
        None, str(path),
    }  # fmt: skip
    assert found["failed"] == []


def test_a_row_that_begins_from_another_is_said_to_begin_anew(
    labelled: Labelled,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Once what is refused has been refused, which is without a word before it."""
    axis = ["clustering.iterations=10,20"]
    with pytest.raises(UserError, match=r"too few for clustering\.k=6000"):
        compare(labelled, tmp_path / "out", ["la_kinetics"], axis=axis)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(face._Work, "run", lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        compare(labelled, tmp_path / "out", ["la_kinetics", "clustering.k=4"], axis=axis)
    said = "compare: la_kinetics is of a run that began where ir_start_kinetics ended"
    assert capsys.readouterr().err.count(said) == 1


def test_a_run_that_never_began_is_why_there_is_no_random_row(
    labelled: Labelled, tmp_path: Path
) -> None:
    broken = tmp_path / "w.pth"
    broken.write_bytes(b"<html>")
    words = [f"sdc:modalities=video;weights.video={broken}", *FIELDS]
    found = compare(labelled, tmp_path / "out", words, seeds=1, evaluate="knn")
    why = {row["row"]: row["failed"] for row in found["table"]}
    first = f"sdc video weights.video={broken}"
    assert "a web page" in why[first]
    assert why["random"] == (
        f"seed 0: {first}, whose first weights these are, failed before it had any"
    )


def test_figures_of_something_else_are_not_written_over(labelled: Labelled, tmp_path: Path) -> None:
    other = tmp_path / "results.json"
    other.write_text("{}")
    with pytest.raises(UserError, match=r"results\.json that is of no comparison"):
        compare(labelled, tmp_path)
    assert other.read_text() == "{}"


def test_labels_without_a_test_part_train_no_supervised_row(
    labelled: Labelled, tmp_path: Path
) -> None:
    rows = labelled[1].read_text().splitlines()
    plain = tmp_path / "labels.csv"
    plain.write_text("\n".join(row.rpartition(",")[0] for row in rows) + "\n")
    with pytest.raises(UsageError, match="they have no column split"):
        compare((labelled[0], plain), tmp_path / "out", supervised="parity")
    alike = tmp_path / "alike.csv"
    alike.write_text("\n".join([f"{rows[0]},same", *(f"{row},one" for row in rows[1:])]) + "\n")
    with pytest.raises(UserError, match=r"the training part has 1 different labels \(one\)"):
        compare((labelled[0], alike), tmp_path / "out", target=["parity"], supervised="same")


def test_a_chain_of_runs_and_descriptors_beside_it(labelled: Labelled, tmp_path: Path) -> None:
    whole = Manifest.read(labelled[0])
    paths = tuple(sorted(set(whole.column("path"))))
    parity = np.arange(len(paths)) % 2
    vectors = np.stack([parity, 1 - parity], axis=1).astype(np.float32)  # tell the label
    DescriptorTable(paths, vectors, None, {}).write(tmp_path / "told.parquet")
    words = ["ir:name=first", "la:name=then;from=first;epochs=1", "modalities=video", *FIELDS]
    out = tmp_path / "out"
    more = {"seeds": 2, "evaluate": ["1-shot"], "descriptor": [f"told={tmp_path}/told.parquet"]}
    found = compare(labelled, out, words, **more)
    assert found["failed"] == []
    by_name = {row["row"]: row for row in found["table"]}
    assert by_name["told"]["value"] == 1.0
    assert by_name["told"]["over_random"] == pytest.approx(1 - by_name["random"]["value"], abs=1e-4)
    for seed in (0, 1):  # each from the run of its own seed
        initial = out / "runs" / f"then-{seed}" / "checkpoints" / "initial.safetensors"
        begun = checkpoint.load(initial)[0]
        before = checkpoint.load(checkpoint.of_run(out / "runs" / f"first-{seed}"))[0]
        weights = [name for name in before if name.startswith(("encoders.", "memory."))]
        assert weights
        assert all(torch.equal(begun[name], before[name]) for name in weights)
    assert compare(labelled, out, words, **more)["table"] == found["table"]  # nothing is new
    about = json.loads((out / "runs" / "first-0.json").read_text())
    for seed in (0, 1):
        shutil.rmtree(out / "runs" / f"first-{seed}")
        (out / "runs" / f"first-{seed}.json").unlink()
    again = [*words[:2], *words[2:], "augmentation.brightness=0"]
    assert about["begins"] is None
    with pytest.raises(UserError, match="then-0: holds another run of this name"):
        compare(labelled, out, again, **more)
    changed = compare(labelled, out, ["ir:name=first;batch=4", *words[1:]], **more)
    (failed,) = changed["failed"]
    assert "the run first-0, from which it began, became another" in failed
    (tmp_path / "other.parquet").touch()
    more["descriptor"] = [f"told={tmp_path}/other.parquet"]
    with pytest.raises(UserError, match=r"other\.parquet: not a Parquet file"):
        compare(labelled, tmp_path / "new", words, **more)


def test_rows_on_stored_features_read_no_clip(
    small: Small, labelled: Labelled, tmp_path: Path
) -> None:
    store = store_of(small.manifest, tmp_path / "v.features", "video", 12, 1.0)
    moved = tmp_path / "manifest.parquet"
    replace(small.manifest, root=tmp_path / "gone").write(moved)
    words = ["sdc:modalities=video", f"features.video={store}", *FIELDS]
    found = compare((moved, labelled[1]), tmp_path / "out", words, seeds=1, evaluate=["knn"])
    assert [row["row"] for row in found["table"]] == ["random", "sdc video"]
    assert found["failed"] == []
    assert not (tmp_path / "out" / "cache").exists()
    # Values that nothing learns give both rows the same figure.
    assert found["table"][0]["value"] == found["table"][1]["value"]
    store_of(small.manifest, store, "video", 12, 1.0, seed=1)
    with pytest.raises(UserError, match="the stored features became others"):
        compare((moved, labelled[1]), tmp_path / "out", words, seeds=1, evaluate=["knn"])


def test_evaluations_across_modalities_stand_in_the_same_table(
    labelled: Labelled, tmp_path: Path
) -> None:
    small = Manifest.read(labelled[0])
    steps = small.root.parent / "steps.csv"
    scan(small.root, tmp_path / "line", window=1, hop=1, workers=1)
    line = tmp_path / "line" / "manifest.parquet"
    placed = f"localization:steps={steps};clips={line};words=action"
    words = ["sdc:modalities=video", "xcc:modalities=video,text", *FIELDS]
    more = {"seeds": 2, "evaluate": ["knn", "retrieval", "retrieval:query=video", placed]}
    found = compare(labelled, tmp_path / "out", words, against="xcc video+text", **more)
    assert found["failed"] == []
    by_row: dict[str, dict[str, Any]] = {}
    for row in found["table"]:
        by_row.setdefault(row["row"], {})[row["probe"]] = row
    mine = by_row["xcc video+text"]
    assert list(mine) == [
        "knn",
        *(f"retrieval {m}" for m in ("R@1", "R@5", "R@10", "median rank")),
        *(f"retrieval query=video {m}" for m in ("R@1", "R@5", "R@10", "median rank")),
        *(f"localization {m}" for m in ("recall", "IoD", "IoU", "frames")),
    ]
    for probe, row in mine.items():
        assert row["low"] <= row["value"] <= row["high"]
        assert row["value"] == pytest.approx(np.mean(row["of_each_seed"]), abs=1e-4)
        assert ("chance" in row) == (probe != "knn")
    # Neither random weights nor a method of video alone has a space to be asked in.
    for name in ("random", "sdc video"):
        assert list(by_row[name]) == ["knn", "retrieval", "retrieval query=video", "localization"]
        for probe in ("retrieval", "localization"):
            row = by_row[name][probe]
            assert row["value"] is None
            assert "share" in row["lacks"]
    assert "over_random" in mine["knn"]
    assert "over_random" not in mine["retrieval R@1"]
    results = read_results(tmp_path / "out" / "results.json")
    one = results["xcc video+text seed 1/localization/words to video/steps/clip"]["protocol"]
    assert one["seconds_of_a_row"] == 1.0
    assert one["n_files"] == len({row["path"] for row in csv.DictReader(steps.open())
                                  if row["split"] == "test"})  # fmt: skip
    before = (tmp_path / "out" / "table.json").read_bytes()
    compare(labelled, tmp_path / "out", words, against="xcc video+text", **more)
    assert (tmp_path / "out" / "table.json").read_bytes() == before
