from pathlib import Path

import pyarrow.parquet as pq
import pytest

import triptych
from triptych.errors import UsageError, UserError
from triptych.evaluate.results import read_results

KNOBS = ["videos=12", "steps=6", "step_seconds=2.0", "width=64", "height=48", "frame_rate=8"]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict]:
    out = tmp_path_factory.mktemp("demo")
    return out, triptych.demo(out, minutes=0.02, overrides=KNOBS, workers=1)


def test_the_table_has_every_row_probe_and_target(made: tuple[Path, dict]) -> None:
    rows = {(row["row"], row["probe"], row["target"]) for row in made[1]["table"]}
    names = {"random", "sdc", "xdc", "supervised"}
    wanted = {
        (name, probe, target)
        for name in names
        for probe in ("knn", "linear")
        for target in ("action", "task", "motion")
    }
    assert rows == wanted | {(name, "clusters (NMI)", "action") for name in names}
    assert all(row["low"] <= row["value"] <= row["high"] for row in made[1]["table"])


def test_hits_are_checked_against_the_truth(made: tuple[Path, dict]) -> None:
    truth = {row["is"]: row["right"] for row in made[1]["hits"]}
    assert truth
    assert all(right == (action == "stir the pot") for action, right in truth.items())
    assert [row["search by words in"] for row in made[1]["search"]] == [
        "what is seen", "what is heard", "seen, heard and said",
    ]  # fmt: skip


def test_nothing_is_trained_on_a_test_video(made: tuple[Path, dict]) -> None:
    out = made[0]
    trained = set(pq.read_table(out / "fit" / "manifest.parquet")["path"].to_pylist())
    tested = set(pq.read_table(out / "test" / "manifest.parquet")["path"].to_pylist())
    assert trained
    assert tested
    assert not trained & tested
    labels = (out / "collection" / "labels.csv").read_text().splitlines()
    header = labels[0].split(",")
    split, path = header.index("split"), header.index("path")
    rows = [line.split(",") for line in labels[1:]]
    assert {row[path] for row in rows if row[split] == "test"} == tested


def test_results_carry_their_protocol(made: tuple[Path, dict]) -> None:
    results = read_results(made[0] / "results.json")
    rows = [row for row in made[1]["table"] if row["probe"] in ("knn", "linear")]
    assert len(results) == len(rows) == 24
    for row in rows:
        kept = results[f"{row['row']}/{row['probe']}/vector_video/{row['target']}/clip"]
        figure = next(found for found in kept["rows"] if found["metric"] == "accuracy")
        assert row["value"] == pytest.approx(figure["value"], abs=1e-4)
        assert kept["protocol"]["folds"] == "the labels' column split"
    page = Path(made[1]["report"]).read_text(encoding="utf-8")
    assert "what was read is not recorded" not in page


def test_a_wrong_knob_names_the_right_ones(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="knobs are videos, steps"):
        triptych.demo(tmp_path / "out", overrides=["video=3"])
    with pytest.raises(UserError, match="videos"):
        triptych.demo(tmp_path / "out", overrides=["videos=1"])


def test_a_second_demo_in_the_same_folder_is_refused(made: tuple[Path, dict]) -> None:
    with pytest.raises(UserError, match="holds a demo already"):
        triptych.demo(made[0], overrides=KNOBS)


@pytest.mark.parametrize("minutes", [0.0, -1.0, float("nan"), float("inf")])
def test_wrong_minutes_are_refused_before_anything_is_made(tmp_path: Path, minutes: float) -> None:
    with pytest.raises(UsageError, match="must be a number above 0"):
        triptych.demo(tmp_path / "demo", minutes=minutes, workers=1)
    assert not (tmp_path / "demo").exists()
