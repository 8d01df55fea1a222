"""A miniature with the official keys and types; everything in it is invented."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from triptych.errors import UsageError, UserError
from triptych.evaluate.layouts import coin
from triptych.evaluate.layouts.sets import Segment

TAXONOMY = """Target Id,Target Label,Action Id,Action Label
13,PeelAnOrange,260,cut the skin
13,PeelAnOrange,259,eat it
0,TieAKnot,7,pull it
0,TieAKnot,8,eat it
"""


def entry(**changed: Any) -> dict[str, Any]:
    return {
        "duration": 10.4,
        "class": "PeelAnOrange",
        "video_url": "https://www.youtube.com/embed/aaaaaaaaaaa",
        "start": 1.5,
        "end": 9.0,
        "subset": "testing",
        "recipe_type": 13,
        "annotation": [
            {"id": "259", "segment": [5.0, 7.0], "label": "eat it"},
            {"id": 260, "segment": [2.2, 4], "label": "cut the skin"},
        ],
        **changed,
    }


def saved(folder: Path, **videos: dict[str, Any]) -> Path:
    (folder / "taxonomy.csv").write_text(TAXONOMY)
    (folder / "COIN.json").write_text(json.dumps({"database": videos}))
    return folder


def test_steps_are_those_of_the_task_in_the_order_of_the_taxonomy(tmp_path: Path) -> None:
    found = coin.read(saved(tmp_path, a=entry(), b=entry(subset="training")))
    [one] = found.timelines
    assert one.steps == ("cut the skin", "eat it")
    assert one.classes == (0, 1)
    assert one.segments == (Segment(1, 5, 7), Segment(0, 2.2, 4))
    assert (one.rows, one.rate, one.task) == (11, 1.0, "PeelAnOrange")
    np.testing.assert_array_equal(np.flatnonzero(one.truth()[:, 0]), [2, 3])
    assert found.labels == ("cut the skin", "eat it", "pull it", "eat it")
    np.testing.assert_array_equal(found.alike(), [0, 1, 2, 1])
    assert found.protocol["steps_that_differ_in_words"] == 3
    assert "1 of 4 steps have the words of another one" in found.remarks[-1]
    assert "a subset, 1 of 2797" in found.remarks[0]


@pytest.mark.parametrize("name", ["testing", "validation"])
def test_the_test_subset_goes_by_two_names(tmp_path: Path, name: str) -> None:
    saved(tmp_path, a=entry(subset=name), b=entry(subset="training"))
    assert [one.video for one in coin.read(tmp_path).timelines] == ["a"]
    assert coin.read(tmp_path).protocol["subset"] == [name]
    assert [one.video for one in coin.read(tmp_path, "training").timelines] == ["b"]


def test_without_a_taxonomy_the_annotations_name_the_steps(tmp_path: Path) -> None:
    other = [{"id": "8", "segment": [0, 1], "label": "eat it"}]
    saved(tmp_path, a=entry(), b=entry(subset="training", annotation=other))
    (tmp_path / "taxonomy.csv").unlink()
    found = coin.read(tmp_path)
    assert found.labels == ("eat it", "eat it", "cut the skin")
    assert found.protocol["steps_from"] == "COIN.json"
    assert any("no taxonomy.xlsx" in line for line in found.remarks)


def test_oddities_are_counted(tmp_path: Path) -> None:
    late = [{"id": "7", "segment": [9, 14], "label": "pull it"}]
    found = coin.read(saved(tmp_path, a=entry(), b=entry(annotation=late), c=entry(annotation=[])))
    assert found.protocol["segments"] == 3
    assert found.protocol["segments_beyond_the_end"] == 1
    assert found.protocol["segments_outside_the_region_of_interest"] == 1
    assert found.protocol["videos_without_segments"] == 1
    other = found.timelines[1]
    assert other.steps == ("cut the skin", "eat it", "pull it")
    assert other.segments == (Segment(2, 9, 14),)
    np.testing.assert_array_equal(np.flatnonzero(other.truth()[:, 2]), [9, 10])


def test_features_are_brought_to_seconds_and_a_subset_works(tmp_path: Path) -> None:
    saved(tmp_path, a=entry(), b=entry())
    assert "only steps and times" in coin.read(tmp_path).remarks[1]
    (tmp_path / "features").mkdir()
    np.save(tmp_path / "features" / "a.npy", np.random.default_rng(0).normal(size=(21, 5)))
    found = coin.read(tmp_path)
    assert [one.video for one in found.timelines] == ["a"]
    assert found.streams == (("features", 5),)
    assert found.timelines[0].features().shape == (11, 5)
    assert found.protocol["videos_without_features"] == 1
    (tmp_path / "features" / "a.npy").rename(tmp_path / "features" / "a_2d.npy")
    assert coin.read(tmp_path).streams == (("2d", 5),)


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"annotation": [{"id": "x", "segment": [0, 1]}]}, "a: an annotation has the id 'x'"),
        ({"annotation": [{"id": 999, "segment": [0, 1]}]}, "a: the steps 999 are in no taxonomy"),
        ({"annotation": [{"id": 7, "segment": [3]}]}, r"has the segment \[3\]"),
        ({"annotation": [{"id": 7, "segment": [3, 1]}]}, "ends at 1 s, before 3 s"),
        ({"annotation": [{"id": 7, "segment": ["x", 1]}]}, "'x' is no time"),
        ({"annotation": {}}, "a list annotation"),
        ({"duration": None}, "None is no time"),
        ({"subset": "other"}, "no video of the subset testing; there are other"),
    ],
)
def test_entries_that_are_wrong_are_said_with_their_video(
    tmp_path: Path, changed: dict[str, Any], says: str
) -> None:
    with pytest.raises(UserError, match=says):
        coin.read(saved(tmp_path, a=entry(**changed)))


def test_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"COIN\.json or coin\.json \(videos"):
        coin.read(tmp_path)
    (tmp_path / "COIN.json").write_text("{}")
    with pytest.raises(UserError, match="no 'database'"):
        coin.read(tmp_path)
    with pytest.raises(UserError, match="a: it lacks duration"):
        coin.read(saved(tmp_path, a={"subset": "testing"}))
    with pytest.raises(UsageError):
        coin.read(tmp_path, "test")
