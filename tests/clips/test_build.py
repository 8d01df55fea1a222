import os
import shutil
import signal
import subprocess
import sys
import time
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest

from triptych.clips import build as building
from triptych.clips.build import Failure, Work, build, store
from triptych.clips.cache import ClipCache
from triptych.clips.sample import ClipSpec
from triptych.errors import UserError
from triptych.manifest.schema import Manifest

SPEC = ClipSpec(size=32)


def store_or_crash(work: Work) -> list[Failure]:
    """A decoder that some file brings down."""
    if work.path.name == "silent.mp4":
        os.kill(os.getpid(), signal.SIGSEGV)
    return store(work)


def store_or_hang(work: Work) -> list[Failure]:
    if work.path.name == "silent.mp4":
        time.sleep(60)
    return store(work)


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_what_fails_is_told_once_per_file_and_masked(collection: Manifest, tmp_path: Path) -> None:
    problems = build(collection, SPEC, tmp_path / "cache", workers=2)
    assert [(p.path, p.kind) for p in problems] == [("broken.mp4", "unreadable")] * 2
    assert "audio of 1 clips" in problems[0].reason
    assert "video of 1 clips" in problems[1].reason
    cache = ClipCache.open(tmp_path / "cache", collection, SPEC)
    assert cache.index["has_video"].tolist() == [True] * 6 + [False]


@pytest.mark.parametrize(
    ("function", "kind", "seconds"),
    [(store_or_crash, "crashed", 60.0), (store_or_hang, "timeout", 1.0)],
)
def test_a_file_that_brings_its_process_down_costs_that_file(
    collection: Manifest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    function: object,
    kind: str,
    seconds: float,
) -> None:
    monkeypatch.setattr(building, "store", function)
    monkeypatch.setattr(Work, "seconds", seconds)
    problems = build(collection, SPEC, tmp_path / "cache", workers=2)
    assert {(p.path, p.kind) for p in problems} == {
        ("broken.mp4", "unreadable"),
        ("silent.mp4", kind),
    }
    index = ClipCache.open(tmp_path / "cache", collection).index
    assert index["has_video"].tolist() == [True] * 4 + [False] * 3
    assert index["has_audio"].tolist() == [True] * 4 + [False] * 3


def test_workers_change_no_byte(collection: Manifest, tmp_path: Path) -> None:
    build(collection, SPEC, tmp_path / "one", workers=0)
    build(collection, SPEC, tmp_path / "two", workers=2)
    assert content(tmp_path / "one") == content(tmp_path / "two")
    assert {p.name for p in tmp_path.iterdir()} == {"one", "two"}


def test_overlapping_clips_of_a_file_are_decoded_in_one_pass(
    collection: Manifest, tmp_path: Path
) -> None:
    """Each clip stored together with others equals the clip stored by itself."""
    build(collection, SPEC, tmp_path / "all", workers=0)
    together = ClipCache.open(tmp_path / "all", collection)
    for row in range(6):
        build(collection.select([row]), SPEC, tmp_path / "alone", workers=0)
        alone = ClipCache.open(tmp_path / "alone", collection.select([row]))
        first, count = together.index["frame"][row], together.index["frames"][row]
        np.testing.assert_array_equal(together.frames[first : first + count], alone.frames)
        first, count = together.index["sample"][row], together.index["samples"][row]
        np.testing.assert_array_equal(together.samples[first : first + count], alone.samples)


def test_a_damaged_file_costs_the_clips_that_do_not_decode(data: Path, tmp_path: Path) -> None:
    """Half of a file is missing: the clips of the first half are as they were."""
    from tests.clips.making import manifest_of

    (tmp_path / "in").mkdir()
    whole = (data / "containers/video/demo.mkv").read_bytes()
    (tmp_path / "in" / "cut.mkv").write_bytes(whole[: len(whole) // 2] + bytes(len(whole) // 2))
    spans = [(5.0 * i, 5.0 * i + 5) for i in range(12)]
    clips = [{"path": "cut.mkv", "start": a, "end": b} for a, b in spans]
    manifest = manifest_of(tmp_path / "in", clips)
    problems = build(manifest, SPEC, tmp_path / "cache", workers=0)
    has = ClipCache.open(tmp_path / "cache", manifest).index["has_video"]
    assert has[:3].all()
    assert not has[-3:].any()
    assert [p.path for p in problems] == ["cut.mkv"]
    assert f"video of {(~has).sum()} clips" in problems[0].reason


def test_a_long_clip_is_written_in_pieces_that_change_no_byte(
    collection: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    write = building._write

    def watched(file: int, array: np.ndarray, offset: int) -> None:
        sizes.append(len(array))
        write(file, array, offset)

    build(collection, SPEC, tmp_path / "whole", workers=0)
    monkeypatch.setattr(building, "_write", watched)
    monkeypatch.setattr(building, "PIECE_FRAMES", 5)
    monkeypatch.setattr(building, "PIECE_SECONDS", 1)
    build(collection, SPEC, tmp_path / "pieces", workers=0)
    assert max(size for size in sizes if size < 1000) == 5
    assert max(sizes) == 16_000
    assert content(tmp_path / "whole") == content(tmp_path / "pieces")


def test_a_full_disk_is_refused_before_anything_is_written(
    collection: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(2**30, 2**30, 1000))
    with pytest.raises(UserError, match=r"needs 0\.00 GiB, the disk has 0\.00 GiB free"):
        build(collection, SPEC, tmp_path / "cache", workers=0)
    assert list(tmp_path.iterdir()) == []


SCRIPT = """
import sys, time
from pathlib import Path
from triptych.clips import build as building
from triptych.clips.sample import ClipSpec
from triptych.manifest.schema import Manifest

def slow(work, store=building.store):
    print(work.path.name, flush=True)
    time.sleep(float(sys.argv[3]) if work.path.name == "silent.mp4" else 0)
    return store(work)

building.store = slow
building.SYNC_SECONDS = 0
building.CHUNK = 2
building.build(Manifest.read(Path(sys.argv[1])), ClipSpec(size=32), Path(sys.argv[2]), workers=0)
"""


def run_build(manifest: Path, folder: Path, delay: float) -> subprocess.Popen[str]:
    arguments = [sys.executable, "-c", SCRIPT, str(manifest), str(folder), str(delay)]
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_a_killed_build_leaves_nothing_that_opens_and_is_taken_up(
    collection: Manifest, tmp_path: Path
) -> None:
    listed = tmp_path / "manifest.parquet"
    collection.write(listed)
    folder = tmp_path / "cache"
    process = run_build(listed, folder, 60)
    assert process.stdout is not None
    seen = []
    while not seen or seen[-1] != "silent.mp4":
        seen.append(process.stdout.readline().strip())
        assert process.poll() is None
    refused = run_build(listed, folder, 0)
    assert "another process is making this cache" in refused.communicate()[1]
    process.kill()
    process.communicate()
    for path in (folder, tmp_path / ".cache.part"):
        with pytest.raises(UserError, match="no clip cache here"):
            ClipCache.open(path, collection)
    again = run_build(listed, folder, 0)
    out, errors = again.communicate()
    assert again.returncode == 0, errors
    assert out.split() == ["silent.mp4", "broken.mp4"], "finished files are not decoded again"
    build(collection, SPEC, tmp_path / "unbroken", workers=0)
    assert content(folder) == content(tmp_path / "unbroken")


def test_what_another_manifest_left_half_done_is_not_taken_up(
    collection: Manifest, tmp_path: Path
) -> None:
    part = tmp_path / ".cache.part"
    part.mkdir()
    (part / "plan.json").write_text('{"manifest": "another"}')
    (part / "journal").write_text("[0, []]\n[4, []]\n")
    (part / "frames.bin").write_bytes(b"old" * 1000)
    build(collection, SPEC, tmp_path / "cache", workers=0)
    build(collection, SPEC, tmp_path / "unbroken", workers=0)
    assert content(tmp_path / "cache") == content(tmp_path / "unbroken")
