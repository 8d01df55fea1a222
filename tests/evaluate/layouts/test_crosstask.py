"""A miniature with the official names, lines and columns; everything in it is invented."""

import json
from pathlib import Path

import numpy as np
import pytest

from triptych.errors import UsageError, UserError
from triptych.evaluate.layouts import crosstask
from triptych.evaluate.layouts.sets import Segment

# As in the release: a blank line behind every task but the last.
PRIMARY = """16815
Grill an Egg
https://www.wikihow.com/Grill-an-Egg
3
crack egg,add salt,flip egg

23521
Make Tea
https://www.wikihow.com/Make-Tea
2
boil water,pour water
"""
RELATED = """99
Fold a Hat
https://www.wikihow.com/Fold-a-Hat
1
fold paper

"""
VIDEOS = [
    ("16815", "aaaaaaaaaaa"),
    ("16815", "-bbbbbbbbb_"),
    ("16815", "ccccccccccc"),
    ("23521", "ddddddddddd"),
    ("23521", "eeeeeeeeeee"),
    ("99", "fffffffffff"),
]
SEGMENTS = {
    ("16815", "aaaaaaaaaaa"): "1,2.5,4.2\n3,6.0,8.0\n1,7.9,9.0\n",
    ("16815", "-bbbbbbbbb_"): "2,0.0,1.0\n",
    ("16815", "ccccccccccc"): "2,0.0,1.0\n",
    ("23521", "ddddddddddd"): "1,1,2\r\n2,30,40\r\n",
}


def release(folder: Path, features: tuple[str, ...] = tuple(video for _, video in VIDEOS)) -> Path:
    (folder / "tasks_primary.txt").write_text(PRIMARY)
    (folder / "tasks_related.txt").write_text(RELATED)
    rows = [f"{task},{video},https://www.youtube.com/watch?v={video}" for task, video in VIDEOS]
    (folder / "videos.csv").write_text("\n".join(rows) + "\n")
    (folder / "videos_val.csv").write_text(rows[2] + "\n")
    for place in ("annotations", "constraints", "features"):
        (folder / place).mkdir(exist_ok=True)
    for (task, video), text in SEGMENTS.items():
        (folder / "annotations" / f"{task}_{video}.csv").write_bytes(text.encode())
    (folder / "constraints" / "16815_aaaaaaaaaaa.csv").write_text("1,0,5\n")
    draw = np.random.default_rng(0)
    for video in features:
        np.save(folder / "features" / f"{video}.npy", draw.normal(size=(12, 3200)))
    return folder


def test_six_lines_a_task_and_the_last_blank_line_may_be_missing(tmp_path: Path) -> None:
    path = tmp_path / "tasks_primary.txt"
    expected = {
        "16815": ("Grill an Egg", ("crack egg", "add salt", "flip egg")),
        "23521": ("Make Tea", ("boil water", "pour water")),
    }
    for text in (PRIMARY, PRIMARY + "\n", PRIMARY.rstrip("\n"), "\ufeff" + PRIMARY):
        for ending in ("\n", "\r\n"):
            path.write_bytes(text.replace("\n", ending).encode())
            assert crosstask.tasks(path) == expected


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (PRIMARY.replace("add salt,", ""), "line 4: task 16815 should have 3 steps and has 2"),
        (PRIMARY.replace("Make Tea\n", ""), "line 7: the last task is cut short"),
        ("\n\n", "no task in it"),
    ],
)
def test_tasks_that_are_cut_are_said_with_their_line(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "tasks_primary.txt").write_text(text)
    with pytest.raises(UserError, match=says):
        crosstask.tasks(tmp_path / "tasks_primary.txt")


def test_the_release_gives_the_annotated_primary_videos_that_are_not_held_back(
    tmp_path: Path,
) -> None:
    found = crosstask.read(release(tmp_path))
    assert [one.video for one in found.timelines] == ["aaaaaaaaaaa", "-bbbbbbbbb_", "ddddddddddd"]
    assert found.protocol["videos_of_primary_tasks"] == 5
    assert found.protocol["videos_held_back"] == 1
    assert found.protocol["videos_without_annotation"] == 1
    assert found.protocol["videos_without_features"] == 0
    assert "2 of 18 primary tasks" in found.remarks[0]
    assert found.labels == ("crack egg", "add salt", "flip egg", "boil water", "pour water")
    first, _, tea = found.timelines
    assert first.segments == (Segment(0, 2.5, 4.2), Segment(2, 6, 8), Segment(0, 7.9, 9))
    assert tea.steps == ("boil water", "pour water")
    assert tea.classes == (3, 4)


def test_times_are_floored_and_ceiled_to_the_rows_of_the_features(tmp_path: Path) -> None:
    first, _, tea = crosstask.read(release(tmp_path)).timelines
    assert first.rows == 12
    assert np.flatnonzero(first.truth()[:, 0]).tolist() == [2, 3, 4, 7, 8]
    assert np.flatnonzero(first.truth()[:, 2]).tolist() == [6, 7]
    assert not tea.truth()[:, 1].any()
    assert crosstask.read(tmp_path).protocol["segments_beyond_the_features"] == 1
    assert np.flatnonzero(first.allowed()[:, 0]).tolist() == [0, 1, 2, 3, 4]
    assert not first.allowed()[:, 1].any()


def test_features_are_two_streams_of_the_3200_numbers(tmp_path: Path) -> None:
    found = crosstask.read(release(tmp_path))
    assert found.streams == (("i3d", 1024), ("resnet152", 2048))
    made = found.timelines[0].features()
    raw = np.load(tmp_path / "features" / "aaaaaaaaaaa.npy")
    for columns in (slice(0, 1024), slice(1024, 3072)):
        part = raw[:, columns]
        expected = part / np.linalg.norm(part, axis=1, keepdims=True)
        np.testing.assert_allclose(made[:, columns], expected, atol=1e-6)


def test_a_subset_of_features_and_none_at_all(tmp_path: Path) -> None:
    found = crosstask.read(release(tmp_path, features=("aaaaaaaaaaa",)))
    assert len(found) == 1
    assert found.protocol["videos_without_features"] == 2
    assert "2 of 3 videos have no features: -bbbbbbbbb_, ddddddddddd" in found.remarks[-1]
    (tmp_path / "features" / "aaaaaaaaaaa.npy").unlink()
    with pytest.raises(UserError, match="of none of 3 test videos"):
        crosstask.read(tmp_path)
    (tmp_path / "features").rmdir()
    plain = crosstask.read(tmp_path)
    assert len(plain) == 3
    assert plain.streams == ()
    assert plain.timelines[0].rows == 0
    assert plain.timelines[0].truth(9).shape == (9, 3)


def test_training_videos_are_drawn_by_a_seed_as_the_release_draws_without_one(
    tmp_path: Path,
) -> None:
    release(tmp_path)
    (tmp_path / "videos_val.csv").write_text("")
    drawn = [crosstask.read(tmp_path, leave_out=2, seed=seed) for seed in (0, 0, 1, 2, 3)]
    names = [tuple(one.video for one in found.timelines) for found in drawn]
    assert names[0] == names[1]
    assert len(set(names)) > 1
    assert {found.timelines[0].task for found in drawn} == {"16815"}
    assert all(len(found) == 1 for found in drawn)
    assert drawn[0].protocol["videos_left_out_as_training"] == 3
    with pytest.raises(UsageError, match="leaves no video"):
        crosstask.read(tmp_path, leave_out=9)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("4,1,2", "step '4' of a task of 3 steps"),
        ("0,1,2", "step '0'"),
        ("1,5,2", "ends at 2 s, before 5 s"),
        ("1,x,2", "'x' is no time"),
        ("1,2", "line 1 has 2 cells; 3 are expected"),
    ],
)
def test_annotations_that_are_wrong_are_said_with_their_line(
    tmp_path: Path, line: str, says: str
) -> None:
    release(tmp_path)
    (tmp_path / "annotations" / "16815_aaaaaaaaaaa.csv").write_text(line)
    with pytest.raises(UserError, match=says):
        crosstask.read(tmp_path)


def test_what_is_missing_of_the_release(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"3 of 3 needed are missing: tasks_primary\.txt \(steps"):
        crosstask.read(tmp_path)
    release(tmp_path)
    (tmp_path / "videos.csv").unlink()
    with pytest.raises(UserError, match=r"1 of 3 needed are missing: videos\.csv .*authors"):
        crosstask.read(tmp_path)
    release(tmp_path)
    (tmp_path / "videos_val.csv").unlink()
    assert any("no video is held back" in line for line in crosstask.read(tmp_path).remarks)
    with pytest.raises(UsageError):
        crosstask.read(tmp_path, variant="x")


def protocol(folder: Path) -> Path:
    (folder / "cvpr19_test.csv").write_text(
        "task,video_id\n16815,aaaaaaaaaaa\n23521,ddddddddddd\n23521,eeeeeeeeeee\n"
    )
    steps = {"16815": ["crack egg", "add salt", "flip egg"], "23521": ["boil water", "pour water"]}
    (folder / "step.json").write_text(json.dumps(steps))
    (folder / "cook.txt").write_text("16815\n")
    for place in ("anno", "vids_feature", "audio_feature"):
        (folder / place).mkdir()
    for name, shape in (("16815_aaaaaaaaaaa", (9, 3)), ("23521_ddddddddddd", (5, 2))):
        np.save(folder / "anno" / f"{name}.npy", np.eye(*shape, dtype=np.uint8))
        video = name.split("_")[1]
        for stream, rows in (("2d", shape[0]), ("3d", shape[0] * 3 // 2)):
            rows_of = np.random.default_rng(rows).normal(size=(rows, 8)).astype(np.float16)
            np.save(folder / "vids_feature" / f"{video}_{stream}.npy", rows_of)
    np.savez(folder / "audio_feature" / "aaaaaaaaaaa.npz", arr_0=np.zeros((40, 890), np.float16))
    return folder


def test_the_folder_that_mcn_evaluates_by(tmp_path: Path) -> None:
    found = crosstask.read(protocol(tmp_path))
    first, tea = found.timelines
    assert (first.rows, tea.rows) == (9, 5)
    np.testing.assert_array_equal(first.truth(), np.eye(9, 3))
    assert first.features().shape == (9, 16)
    sound = first.spectrograms()
    assert sound is not None
    assert sound.frames.max() <= 1024
    assert tea.spectrograms() is None
    assert tea.classes == (3, 4)
    assert found.parts == {"cooking": {"16815"}, "other": {"23521"}}
    assert found.protocol["layout"] == "howto100m"
    assert found.protocol["videos_without_annotation"] == 1
    assert found.protocol["videos_without_spectrogram"] == 1
    assert found.protocol["tasks"] == 2


def test_both_layouts_in_one_folder_and_tasks_without_steps(tmp_path: Path) -> None:
    release(protocol(tmp_path))
    assert crosstask.read(tmp_path).protocol["layout"] == "howto100m"
    assert crosstask.read(tmp_path, "release").protocol["layout"] == "release"
    usual = [crosstask.read(tmp_path, name).usual[-1] for name in ("release", "howto100m")]
    assert usual == ["scores=log_softmax", "scores=raw"]
    (tmp_path / "step.json").write_text(json.dumps({"16815": ["a", "b", "c"]}))
    with pytest.raises(UserError, match=r"lacks 1 tasks of cvpr19_test\.csv: 23521"):
        crosstask.read(tmp_path)
    (tmp_path / "step.json").unlink()
    assert crosstask.read(tmp_path).timelines[0].steps[0] == "crack egg"
