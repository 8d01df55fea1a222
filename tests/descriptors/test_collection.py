import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from threadpoolctl import threadpool_limits

from tests.descriptors import films
from tests.descriptors.detectors.networks import save_yolos
from triptych.descriptors import collection
from triptych.descriptors.collection import Collection
from triptych.descriptors.extract import trajectories
from triptych.descriptors.finding import finding
from triptych.descriptors.how import How
from triptych.descriptors.model import FisherModel, FisherSettings
from triptych.descriptors.rows import read_facts, read_rows
from triptych.descriptors.table import DescriptorTable
from triptych.descriptors.tracks import COLUMNS, PLACE
from triptych.descriptors.videos import Encode, Video
from triptych.errors import UserError
from triptych.manifest.problems import Problem, read_problems
from triptych.manifest.schema import Manifest

SETTINGS = FisherSettings(components=2, sketch=16, rows_per_video=40, starts=1, iterations=5)
OVERRIDES = ["components=2", "sketch=16", "rows_per_video=40", "starts=1", "iterations=5"]


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    return films.make(tmp_path_factory.mktemp("films") / "root")


@pytest.fixture(scope="module")
def plain(manifest: Manifest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where an unbroken run left everything."""
    out = tmp_path_factory.mktemp("plain")
    # The sums of fitting depend on the number of threads in bits, as any threaded sum does.
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with threadpool_limits(1):
        Collection(out, workers=0).describe(manifest, SETTINGS, How("none"))
    torch.set_num_threads(threads)
    return out


def test_every_video_has_a_row_or_a_reason(manifest: Manifest, plain: Path) -> None:
    table = DescriptorTable.read(plain / "idt.parquet")
    assert table.paths == (*films.GOOD, "still.mp4")
    assert table.vectors.shape == (6, 16)
    assert table.trajectories is not None
    assert (table.trajectories[:5] > 0).all()
    assert table.trajectories[5] == 0
    assert not table.vectors[5].any()
    assert table.info["source"] == {
        "descriptor": "idt",
        "keypoints": "none",
        "fast": False,
        "revision": 2,
    }
    problems = {problem.path: problem for problem in read_problems(plain / "idt_problems.parquet")}
    assert set(problems) == {"broken.mp4", "small.mp4"}
    assert problems["broken.mp4"].kind == "unreadable"
    assert problems["small.mp4"].kind == "size"
    assert problems["small.mp4"].reason.startswith("pictures are 64x30;")
    assert sorted(path.name for path in plain.iterdir()) == [
        "idt.parquet",
        "idt.safetensors",
        "idt_problems.parquet",
    ]
    assert len(manifest) == 14  # the sound and the second clips made no row


def test_a_vector_is_the_model_s_of_the_rows(manifest: Manifest, plain: Path) -> None:
    model = FisherModel.load(plain / "idt.safetensors")
    rows = list(trajectories(manifest.root / films.GOOD[2], How("none")))
    encoded = model.encode([np.concatenate(rows)[:, 10:].astype(np.float16)])
    table = DescriptorTable.read(plain / "idt.parquet")
    vectors, _ = table.of([films.GOOD[2]])
    np.testing.assert_array_equal(vectors[0], model.sketch(encoded.vector))


def test_a_fitted_model_describes_others_and_rows_may_be_kept(
    manifest: Manifest, plain: Path, tmp_path: Path
) -> None:
    """The same vectors, to the bit, whether rows were stored or not."""
    kept = Collection(tmp_path, workers=0, keep_rows=True)
    found = kept.describe(manifest, SETTINGS, How("sift"), model=plain / "idt.safetensors")
    one, other = (DescriptorTable.read(out / "idt.parquet") for out in (plain, tmp_path))
    np.testing.assert_array_equal(one.vectors, other.vectors)
    files = sorted((tmp_path / "idt_rows").iterdir())
    facts = [read_facts(file) for file in files]
    assert [fact and fact["video"] for fact in facts] == [*films.GOOD, "still.mp4"]
    assert {fact and fact["keypoints"] for fact in facts} == {"none"}  # as the model was fitted
    assert sum(len(block) for file in files for block in read_rows(file)) == found["trajectories"]
    whole = Collection(tmp_path, "fisher", workers=0, keep_rows=True)
    before = [file.stat().st_mtime_ns for file in files]
    long = whole.describe(manifest, SETTINGS, How("none"), model=plain / "idt.safetensors")
    assert [file.stat().st_mtime_ns for file in files] == before  # used again
    model = FisherModel.load(tmp_path / "idt.safetensors")
    vectors = DescriptorTable.read(tmp_path / "idt.parquet").vectors
    assert vectors.shape == (6, long["length"]) == (6, model.dim)
    np.testing.assert_array_equal(model.sketch(vectors), one.vectors)


def assert_same(out: Path, plain: Path) -> None:
    """The same table, whether the model was fitted or given.

    Sums of another process may differ in their last bits on some processors.
    """
    one, other = (DescriptorTable.read(folder / "idt.parquet") for folder in (out, plain))
    assert one.paths == other.paths
    assert {**one.info, "made_of": ""} == {**other.info, "made_of": ""}
    assert one.trajectories is not None
    assert other.trajectories is not None
    np.testing.assert_array_equal(one.trajectories, other.trajectories)
    np.testing.assert_allclose(one.vectors, other.vectors, rtol=0, atol=1e-6)


def test_killed_at_any_time_it_goes_on_where_it_was(
    manifest: Manifest, plain: Path, tmp_path: Path
) -> None:
    path, out = tmp_path / "manifest.parquet", tmp_path / "out"
    manifest.write(path)
    script = (
        "import sys, triptych; triptych.describe('idt', sys.argv[1], ['keypoints=none', "
        f"*{OVERRIDES}], out=sys.argv[2], workers=0)"
    )
    command = [sys.executable, "-c", script, str(path), str(out)]
    env = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    for made in ("samples/*.npy", "vectors/*/*.parquet"):
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL, env=env)
        while len(list((out / ".idt.part").glob(made))) < 2:
            assert process.poll() is None
            time.sleep(0.002)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        assert not (out / "idt.parquet").exists()
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=env)
    assert "of 8 videos were described before" in done.stderr
    assert "fitting" not in done.stderr  # the model was kept
    assert_same(out, plain)
    one, other = (FisherModel.load(folder / "idt.safetensors") for folder in (plain, out))
    assert (one.digest, one.facts) == (other.digest, other.facts)
    assert not (out / ".idt.part").exists()


def test_what_is_finished_is_not_made_again(
    manifest: Manifest, plain: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, model = tmp_path / "out", plain / "idt.safetensors"

    def made(at: Collection, **how: object) -> tuple[dict[str, object], bool]:
        """What the verb returns, and whether it did nothing for it."""
        file = out / "idt.parquet"
        before = file.stat().st_mtime_ns if file.exists() else 0
        capsys.readouterr()
        found = at.describe(manifest, SETTINGS, How("none"), **how)  # type: ignore[arg-type]
        idle = file.stat().st_mtime_ns == before
        assert ("described already" in capsys.readouterr().err) == idle
        assert not (out / ".idt.part").exists()
        return found, idle

    plainly = Collection(out, workers=0)
    first, idle = made(plainly, model=model)
    assert not idle
    again, idle = made(plainly, model=model)
    assert (again, idle) == (first, True)
    for other in (
        Collection(out, "fisher", workers=0),
        Collection(out, workers=0, level="clip"),
        Collection(out, workers=0, keep_rows=True),
    ):
        assert made(other, model=model)[1] is False, other
        assert made(other, model=model)[1] is True, other
    next((out / "idt_rows").iterdir()).unlink()
    kept = Collection(out, workers=0, keep_rows=True)
    assert made(kept, model=model)[1] is False  # rows were asked for too, and one is gone
    (out / "idt.safetensors").unlink()
    assert made(plainly, model=model)[1] is False
    (out / "idt_problems.parquet").write_bytes(b"PAR1")
    assert made(plainly, model=model)[1] is False
    moved = replace(manifest, root=tmp_path / "moved")
    (tmp_path / "moved").symlink_to(manifest.root)
    assert plainly.describe(moved, SETTINGS, How("sift"), model=model) == first
    fewer = manifest.select(range(len(manifest) - 3))
    assert plainly.describe(fewer, SETTINGS, How("none"), model=model) != first
    assert "described already" in capsys.readouterr().err  # of the moved ones, not of the fewer


def test_clips_have_the_trajectories_in_their_time(
    manifest: Manifest, plain: Path, tmp_path: Path
) -> None:
    model = FisherModel.load(plain / "idt.safetensors")
    cut = Collection(tmp_path, "fisher", workers=0, keep_rows=True, level="clip")
    found = cut.describe(manifest, SETTINGS, How("none"), model=plain / "idt.safetensors")
    assert (found["videos"], found["vectors"]) == (6, 11)
    table = DescriptorTable.read(tmp_path / "idt.parquet")
    files = {read_facts(file)["video"]: file for file in (tmp_path / "idt_rows").glob("*.parquet")}
    starts = {0.0: (0, 10), 0.4: (10, films.FRAMES)}  # frames, at 25 a second
    seen = 0
    for path, start, vector in zip(table.paths, table.starts or (), table.vectors, strict=True):
        rows = np.concatenate([np.empty((0, COLUMNS)), *read_rows(files[path])])
        first, last = starts[start or 0.0] if path in films.GOOD else (0, films.FRAMES)
        middle = rows[:, 0] - 7
        own = rows[(middle >= first) & (middle < last), PLACE:]
        np.testing.assert_allclose(vector, model.encode([own]).vector, atol=1e-6)
        seen += len(own)
    assert seen == found["trajectories"] > 0
    assert table.starts is not None
    assert table.info["level"] == "clip"


class Fragile(Encode):
    """A decoder that one file brings down."""

    def __call__(self, video: Video) -> Problem | None:
        if video.path == films.GOOD[1]:
            os.kill(os.getpid(), signal.SIGSEGV)
        return super().__call__(video)


def test_a_crash_costs_that_video_only_and_is_tried_again(
    manifest: Manifest, plain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = plain / "idt.safetensors"
    with monkeypatch.context() as patch:
        patch.setattr(collection, "Encode", Fragile)
        found = Collection(tmp_path, workers=1).describe(
            manifest, SETTINGS, How("none"), model=model
        )
    assert found["videos"] == 5
    assert {row["path"]: row["kind"] for row in found["files"]}[films.GOOD[1]] == "crashed"
    again = Collection(tmp_path, workers=0).describe(manifest, SETTINGS, How("none"), model=model)
    assert again["videos"] == 6
    assert_same(tmp_path, plain)


def test_boxes_lie_as_the_videos_do(manifest: Manifest, plain: Path, tmp_path: Path) -> None:
    (tmp_path / "boxes" / "moves").mkdir(parents=True)
    lines = "".join(f"{frame} 0 10 63 37 1\n" for frame in range(films.FRAMES))
    (tmp_path / "boxes" / "moves" / "1.bb").write_text(lines)
    (tmp_path / "boxes" / "moves" / "2.bb").write_text("0 1 2\n")
    found = Collection(tmp_path, workers=0).describe(
        manifest, SETTINGS, How("none"), model=plain / "idt.safetensors", boxes=tmp_path / "boxes"
    )
    problems = {row["path"]: row for row in found["files"]}
    assert problems[films.GOOD[2]]["kind"] == "boxes"
    assert "line 1 has 3 numbers" in problems[films.GOOD[2]]["reason"]
    assert DescriptorTable.read(tmp_path / "idt.parquet").info["with_boxes"] == 1


def test_people_are_found_once_and_left_for_another_run(
    manifest: Manifest, plain: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    how = finding(str(save_yolos(tmp_path / "yolos")), every=10, confidence=0.0)
    first = Collection(tmp_path / "found", workers=0)
    found = first.describe(manifest, SETTINGS, How("none", people=how))
    assert found["boxes"] == str(tmp_path / "found" / "idt_boxes")
    assert (tmp_path / "found" / "idt_boxes" / f"{films.GOOD[3]}.csv").is_file()
    one = DescriptorTable.read(tmp_path / "found" / "idt.parquet")
    assert one.info["people"] == one.info["source"]["people"] == how.facts
    assert one.info["with_boxes"] == 0
    model = tmp_path / "found" / "idt.safetensors"
    again = Collection(tmp_path / "read", workers=0, keep_rows=True)
    again.describe(manifest, SETTINGS, How("none"), model=model, boxes=Path(found["boxes"]))
    assert "people were found" not in capsys.readouterr().err
    other = DescriptorTable.read(tmp_path / "read" / "idt.parquet")
    np.testing.assert_array_equal(one.vectors, other.vectors)
    assert one.trajectories is not None
    assert one.trajectories.sum() != DescriptorTable.read(plain / "idt.parquet").trajectories.sum()  # type: ignore[union-attr]
    Collection(tmp_path / "none", workers=0).describe(manifest, SETTINGS, How("none"), model=model)
    assert "people were found {" in capsys.readouterr().err


def test_videos_without_boxes_are_told(
    manifest: Manifest, plain: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one, two = manifest.select([1]), manifest.select([1, 2])
    model, first = plain / "idt.safetensors", tmp_path / "boxes" / f"{films.GOOD[0]}.csv"
    first.parent.mkdir(parents=True)
    at = Collection(tmp_path / "out", workers=0)
    with pytest.raises(UserError, match=rf"boxes for none of 1 videos; .* in {first}"):
        at.describe(one, SETTINGS, How("none"), model=model, boxes=tmp_path / "boxes")
    first.write_text("frame,left,top,right,bottom\n")
    at.describe(two, SETTINGS, How("none"), model=model, boxes=tmp_path / "boxes")
    assert f"no boxes for 1 of 2 videos, as {films.GOOD[1]}" in capsys.readouterr().err


def test_where_nothing_can_be_described_one_line_says_why(
    manifest: Manifest, plain: Path, tmp_path: Path
) -> None:
    gone = Manifest(tmp_path / "gone", manifest.table)
    with pytest.raises(UserError, match="not one of 8 videos can be described; broken"):
        Collection(tmp_path, workers=0).describe(gone, SETTINGS, How("none"))
    sounds = manifest.select([len(manifest) - 1])
    with pytest.raises(UserError, match="no videos in the manifest"):
        Collection(tmp_path, workers=0).describe(sounds, SETTINGS, How("none"))
    other = tmp_path / "other.safetensors"
    model = FisherModel.load(plain / "idt.safetensors")
    right = model.facts["source"]
    for source, said in (
        ({**right, "revision": 0}, "not fitted to these trajectories"),
        ("of other rows", "not fitted to these trajectories"),
        ({**right, "keypoints": "surf"}, "keypoints 'surf': must be one of .* another model"),
    ):
        model.facts["source"] = source
        model.save(other)
        with pytest.raises(UserError, match=rf"other\.safetensors: {said}"):
            Collection(tmp_path, workers=0).describe(manifest, SETTINGS, How("none"), model=other)


def test_a_fast_model_has_fast_rows_made_for_it(manifest: Manifest, tmp_path: Path) -> None:
    one = manifest.select([0])
    Collection(tmp_path / "a", workers=0).describe(one, SETTINGS, How("none", fast=True))
    model = tmp_path / "a" / "idt.safetensors"
    assert FisherModel.load(model).facts["source"]["fast"] is True
    Collection(tmp_path / "b", workers=0, keep_rows=True).describe(
        one, SETTINGS, How("sift"), model=model
    )
    (rows,) = (tmp_path / "b" / "idt_rows").iterdir()
    facts = read_facts(rows)
    assert facts
    assert (facts["fast"], facts["keypoints"]) == (True, "none")
    vectors = [DescriptorTable.read(tmp_path / at / "idt.parquet").vectors for at in "ab"]
    np.testing.assert_array_equal(*vectors)


def test_two_runs_into_one_folder_do_not_meet(manifest: Manifest, tmp_path: Path) -> None:
    from triptych.atomic import alone

    with alone(tmp_path / ".idt.part"), pytest.raises(UserError, match="another process"):
        Collection(tmp_path, workers=0).describe(manifest, SETTINGS, How("none"))
