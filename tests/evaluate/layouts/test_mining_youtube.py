"""A miniature with the official names, lines and encodings; everything in it is invented."""

import json
from pathlib import Path

import numpy as np
import pytest

from triptych.errors import UsageError, UserError
from triptych.evaluate.layouts import mining_youtube

LABELS = ["chop_it", "crack_egg", "whisk_egg", "background"]
FRAMES = {
    "aaaaaaaaaaa": ["background"] * 40 + ["crack_egg"] * 30 + ["whisk_egg"] * 20,
    "-1bbbbbbbbb": ["chop_it"] * 35 + ["background"] * 35 + ["chop_it"] * 30,
}


def dictionaries(folder: Path) -> None:
    numbered = [f"{i} {label}" for i, label in enumerate(LABELS)]
    (folder / "mapping_without_meta.txt").write_text("\n".join(numbered) + "\n")
    other = [*reversed(LABELS[:-1]), LABELS[-1]]
    (folder / "weakYouTube_dict.txt").write_text("\n".join(other) + "\n")


def archive(folder: Path, rows_per_frame: float = 1.0, width: int = 2048) -> Path:
    dictionaries(folder)
    for place in ("groundTruth", "transcripts", "features"):
        (folder / place).mkdir(exist_ok=True)
    for video, frames in FRAMES.items():
        (folder / "groundTruth" / f"{video}.txt").write_text("\n".join(frames) + "\n")
        order = [label for i, label in enumerate(frames) if i == 0 or frames[i - 1] != label]
        (folder / "transcripts" / f"{video}.txt").write_text(" ".join(order) + "\n")
        rows = int(len(frames) * rows_per_frame) - 2
        features = np.random.default_rng(0).normal(size=(rows, width)).astype(np.float32)
        np.save(folder / "features" / f"{video}.npy", features)
    (folder / "videos_test.txt").write_text("aaaaaaaaaaa\nnotheretall\n")
    (folder / "videos_val.txt").write_text("-1bbbbbbbbb\n")
    return folder


def test_every_occurrence_of_a_label_is_a_step_and_the_list_chooses(tmp_path: Path) -> None:
    found = mining_youtube.read(archive(tmp_path))
    [one] = found.timelines
    assert one.steps == ("crack egg", "whisk egg")
    assert one.classes == (1, 2)
    assert found.labels == ("chop it", "crack egg", "whisk egg", "background")
    assert one.rows == 88
    np.testing.assert_array_equal(np.flatnonzero(one.truth()[:, 0]), np.arange(40, 70))
    np.testing.assert_array_equal(np.flatnonzero(one.truth()[:, 1]), np.arange(70, 88))
    assert found.protocol["videos_listed"] == 2
    assert found.protocol["videos_without_annotation"] == 1
    assert found.protocol["annotated_videos_that_are_not_listed"] == 1
    assert found.protocol["transcripts_that_differ"] == 0
    assert any("-1bbbbbbbbb" in line and "left out" in line for line in found.remarks)
    [other] = mining_youtube.read(tmp_path, subset="val").timelines
    assert other.steps == ("chop it", "chop it")
    assert other.task == "-1bbbbbbbbb"
    assert len(mining_youtube.read(tmp_path, subset="all")) == 2


def test_flow_and_pictures_are_two_streams(tmp_path: Path) -> None:
    found = mining_youtube.read(archive(tmp_path))
    assert found.streams == (("flow", 1024), ("rgb", 1024))
    made = found.timelines[0].features()
    raw = np.load(tmp_path / "features" / "aaaaaaaaaaa.npy")
    for half in (slice(0, 1024), slice(1024, 2048)):
        part = raw[:, half]
        expected = part / np.linalg.norm(part, axis=1, keepdims=True)
        np.testing.assert_allclose(made[:, half], expected, atol=1e-6)


def test_rows_of_every_second_frame_are_known_by_their_number(tmp_path: Path) -> None:
    found = mining_youtube.read(archive(tmp_path, rows_per_frame=0.5))
    [one] = found.timelines
    assert one.rows == 43
    # The mean length of a step is of 150 frames, and a frame is counted by its own rate.
    assert {"mean_rows=75", "frame_rate=29.97"} <= set(found.usual)
    np.testing.assert_array_equal(np.flatnonzero(one.truth()[:, 0]), np.arange(20, 35))
    archive(tmp_path, rows_per_frame=4)
    with pytest.raises(UserError, match="358 rows of features for 90 frames"):
        mining_youtube.read(tmp_path)


def test_features_that_lie_the_other_way_are_refused(tmp_path: Path) -> None:
    archive(tmp_path, width=90)
    with pytest.raises(UserError, match="90 columns; 1024 are wanted"):
        mining_youtube.read(tmp_path)


def test_a_subset_of_the_features_and_none(tmp_path: Path) -> None:
    archive(tmp_path)
    (tmp_path / "features" / "aaaaaaaaaaa.npy").unlink()
    found = mining_youtube.read(tmp_path, subset="all")
    assert [one.video for one in found.timelines] == ["-1bbbbbbbbb"]
    assert found.protocol["videos_without_features"] == 1
    (tmp_path / "features" / "-1bbbbbbbbb.npy").unlink()
    plain = mining_youtube.read(tmp_path, subset="all")
    assert len(plain) == 2
    assert plain.timelines[0].rows == 100
    assert any("only steps and times" in line for line in plain.remarks)


def test_a_transcript_of_another_order_is_told(tmp_path: Path) -> None:
    archive(tmp_path)
    (tmp_path / "transcripts" / "aaaaaaaaaaa.txt").write_text("whisk_egg background crack_egg\n")
    found = mining_youtube.read(tmp_path)
    assert found.protocol["transcripts_that_differ"] == 1
    assert found.timelines[0].steps == ("crack egg", "whisk egg")


SRT = """1
00:00:01,000 --> 00:00:02,000
crack eggs

2
00:00:01,900 --> 00:00:04,000
whisk egg

3
00:00:04,000 --> 00:00:05,500
chop finely it
"""


def subtitles(folder: Path) -> Path:
    dictionaries(folder)
    (folder / "annotations").mkdir()
    path = folder / "annotations" / "aaaaaaaaaaa.srt"
    path.write_bytes(SRT.replace("\n", "\r\n").encode("utf-8-sig"))
    return folder


def test_labels_outside_the_dictionary_keep_their_words_and_are_told(tmp_path: Path) -> None:
    found = mining_youtube.read(subtitles(tmp_path))
    [one] = found.timelines
    assert one.steps == ("crack eggs", "whisk egg", "chop finely it")
    assert one.classes == (-1, 2, -1)
    assert found.protocol["steps_outside_the_dictionary"] == 2
    assert found.protocol["steps_in_all"] == 3
    assert found.protocol["overlapping_segments"] == 1
    assert any("2 of 3 labels are not in mapping_without_meta.txt" in x for x in found.remarks)
    assert any("no videos_test.txt" in line for line in found.remarks)
    frames = np.flatnonzero(one.truth(200)[:, 0])
    assert (frames[0], frames[-1]) == (29, 59)


def test_features_of_seconds_beside_subtitles(tmp_path: Path) -> None:
    subtitles(tmp_path)
    (tmp_path / "features").mkdir()
    for stream, rows in (("2d", 7), ("3d", 10)):
        path = tmp_path / "features" / f"aaaaaaaaaaa_{stream}.npz"
        np.savez(path, features=np.random.default_rng(1).normal(size=(rows, 6)))
    (tmp_path / "audio_feature").mkdir()
    np.savez(tmp_path / "audio_feature" / "aaaaaaaaaaa.npz", arr_0=np.zeros((40, 690)))
    [one] = mining_youtube.read(tmp_path).timelines
    assert (one.rows, one.rate) == (7, 1.0)
    assert one.features().shape == (7, 12)
    assert not any("mean_rows" in pair for pair in mining_youtube.read(tmp_path).usual)
    assert one.spectrograms() is not None
    np.testing.assert_array_equal(np.flatnonzero(one.truth()[:, 1]), [1, 2, 3])


def test_dictionaries_of_different_labels_and_none(tmp_path: Path) -> None:
    subtitles(tmp_path)
    (tmp_path / "weakYouTube_dict.txt").write_text("chop_it\nbackground\n")
    with pytest.raises(UserError, match="hold different labels"):
        mining_youtube.read(tmp_path)
    for name in ("weakYouTube_dict.txt", "mapping_without_meta.txt"):
        (tmp_path / name).unlink()
    found = mining_youtube.read(tmp_path)
    assert found.labels == ("chop finely it", "crack eggs", "whisk egg", "background")
    assert found.protocol["dictionary"] == "none"
    assert -1 not in found.timelines[0].classes


def test_the_arrays_that_mcn_evaluates_by(tmp_path: Path) -> None:
    (tmp_path / "mining.csv").write_text("video_id\naaaaaaaaaaa\n-1bbbbbbbbb\n")
    steps = {"aaaaaaaaaaa": ["crack egg", "chop it"], "-1bbbbbbbbb": ["whisk egg"]}
    (tmp_path / "step.json").write_text(json.dumps(steps))
    for place in ("anno", "test_new_f", "test_new_a_f"):
        (tmp_path / place).mkdir()
    np.save(tmp_path / "anno" / "aaaaaaaaaaa.npy", np.eye(9, 2))
    np.save(tmp_path / "test_new_f" / "aaaaaaaaaaa_2d.npy", np.ones((9, 4)))
    np.savez(tmp_path / "test_new_f" / "aaaaaaaaaaa.npz", features=np.ones((13, 4)))
    np.savez(tmp_path / "test_new_a_f" / "aaaaaaaaaaa.npz", arr_0=np.zeros((40, 890)))
    found = mining_youtube.read(tmp_path)
    [one] = found.timelines
    assert one.features().shape == (9, 8)
    assert one.task == one.video
    assert found.labels[one.classes[0]] == "crack egg"
    assert found.protocol["videos_without_annotation"] == 1
    (tmp_path / "step.json").write_text(json.dumps({"aaaaaaaaaaa": ["a", "b"]}))
    with pytest.raises(UserError, match=r"lacks 1 videos of mining\.csv: -1bbbbbbbbb"):
        mining_youtube.read(tmp_path)


def test_what_is_missing_and_choices_that_there_are_not(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"1 of 1 needed are missing: groundTruth .*archive"):
        mining_youtube.read(tmp_path)
    with pytest.raises(UserError, match=r"annotations or srt .*annotations\.tar\.gz"):
        mining_youtube.read(tmp_path, variant="srt")
    (tmp_path / "groundTruth").mkdir()
    with pytest.raises(UserError, match=r"VIDEO\.txt of none of 0 videos"):
        mining_youtube.read(tmp_path)
    for wrong in ({"variant": "x"}, {"subset": "x"}):
        with pytest.raises(UsageError):
            mining_youtube.read(tmp_path, **wrong)
