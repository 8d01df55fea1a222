import csv
import hashlib
import json
from pathlib import Path

import pytest

from triptych.demo.collection import (
    CLIP_COLUMNS,
    STEP_COLUMNS,
    Collection,
    clip_labels,
    make_collection,
    open_collection,
    write_clip_labels,
)
from triptych.demo.knobs import Knobs
from triptych.errors import UserError

KNOBS = Knobs(videos=4, steps=3, step_seconds=1.5, width=64, height=48)


def digests(folder: Path) -> dict[str, str]:
    return {
        str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Collection:
    return make_collection(tmp_path_factory.mktemp("demo") / "a", KNOBS, workers=0)


def test_any_number_of_workers_makes_the_same_files(made: Collection, tmp_path: Path) -> None:
    again = make_collection(tmp_path / "b", KNOBS, workers=2)
    assert digests(again.folder) == digests(made.folder)
    assert len(digests(made.folder)) == 2 * KNOBS.videos + 3
    videos = [digest for name, digest in digests(made.folder).items() if name.endswith("mp4")]
    assert len(set(videos)) == KNOBS.videos


def test_the_truth_can_be_read_back(made: Collection) -> None:
    found = open_collection(made.folder)
    assert found == made
    assert len(found.labels) == KNOBS.videos
    assert len(found.steps) == KNOBS.videos * KNOBS.steps
    assert {row["path"] for row in found.labels} == {
        file.name for file in found.videos.glob("*.mp4")
    }
    assert {action for _, action in found.queries()} == {row["action"] for row in found.steps}
    with (made.folder / "steps.csv").open(encoding="utf-8") as file:
        assert tuple(next(csv.reader(file))) == STEP_COLUMNS


def test_a_collection_that_is_there_is_kept(made: Collection) -> None:
    before = {file: file.stat().st_mtime_ns for file in made.folder.rglob("*")}
    assert make_collection(made.folder, KNOBS) == made
    assert {file: file.stat().st_mtime_ns for file in made.folder.rglob("*")} == before


def test_one_made_with_other_knobs_is_not_overwritten(made: Collection) -> None:
    with pytest.raises(UserError, match="other knobs"):
        make_collection(made.folder, Knobs(videos=2, steps=1, seed=9))


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "holiday.mp4").write_bytes(b"precious")
    with pytest.raises(UserError, match="not a demo collection"):
        make_collection(tmp_path, KNOBS)
    assert (tmp_path / "holiday.mp4").read_bytes() == b"precious"
    assert [file.name for file in tmp_path.iterdir()] == ["holiday.mp4"]


@pytest.mark.parametrize(
    "text", ["", "[]", '{"format": 1, "knobs": {"colour": 3}}', '{"format": 1}']
)
def test_a_spoilt_truth_is_refused_in_one_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "truth.json").write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match="not a demo collection"):
        open_collection(tmp_path)


def test_another_format_is_refused(made: Collection, tmp_path: Path) -> None:
    truth = json.loads((made.folder / "truth.json").read_text(encoding="utf-8"))
    (tmp_path / "truth.json").write_text(json.dumps(truth | {"format": 99}), encoding="utf-8")
    with pytest.raises(UserError, match="format 99"):
        open_collection(tmp_path)


def test_a_clip_gets_the_step_that_it_overlaps_longest(made: Collection) -> None:
    first, second = made.steps[0], made.steps[1]
    path = first["path"]
    assert second["path"] == path
    boundary = float(first["end"])
    found = clip_labels(
        made,
        [path] * 3,
        [boundary - 1.0, boundary - 0.1, 0.0],
        [boundary + 0.5, float(second["end"]), 0.2],
    )
    assert [row["step"] for row in found] == ["0", "1", ""]
    assert found[2]["action"] == ""
    assert found[2]["task"] == first["task"]
    with pytest.raises(UserError, match=r"nowhere\.mp4"):
        clip_labels(made, ["nowhere.mp4"], [0.0], [1.0])


def test_clip_labels_are_written_for_evaluate(made: Collection, tmp_path: Path) -> None:
    step = made.steps[4]
    spans = [(float(step["start"]), float(step["end"])), (0.0, 0.1)]
    starts, ends = zip(*spans, strict=True)
    target = tmp_path / "labels.csv"
    assert write_clip_labels(made, target, ["a", "b"], [step["path"]] * 2, starts, ends) == 1
    with target.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == CLIP_COLUMNS
    assert rows[0]["clip_id"] == "a"
    assert rows[0]["group"] == step["path"]
    assert rows[0]["action"] == step["action"]
