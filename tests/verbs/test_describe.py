import json
import sys
from pathlib import Path

import numpy as np
import pytest

import triptych
from tests.clips.making import write_video
from triptych.descriptors.needed import missing
from triptych.errors import UsageError, UserError

needs_opencv = pytest.mark.skipif(bool(missing()), reason=f"needs {missing()}")


def stripes(number: int) -> np.ndarray:
    """What moves in half of the picture."""
    y, x = np.mgrid[0:64, 0:96]
    grey = 128 + 60 * np.sin((x - np.where(x > 48, 3 * number, 0)) / 3) * np.sin(y / 4)
    return np.repeat(grey.astype(np.uint8)[..., None], 3, axis=2)


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_video(tmp_path_factory.mktemp("v") / "a.mp4", range(0, 880, 40), picture=stripes)


@needs_opencv
def test_one_video_to_either_format(video: Path, tmp_path: Path) -> None:
    from triptych.descriptors.rows import read_rows

    table = triptych.trajectories(str(video), str(tmp_path / "new" / "a.parquet"))
    text = triptych.trajectories(video, tmp_path / "a.gz", format="idt")
    assert json.loads(json.dumps(table)) == table
    assert table["frames"] == text["frames"] == 22
    assert table["trajectories"] == text["trajectories"] > 20
    one, other = (np.concatenate(list(read_rows(Path(row["rows"])))) for row in (table, text))
    np.testing.assert_allclose(one[:, :10], other[:, :10], atol=1e-6)
    np.testing.assert_allclose(one, other, atol=3e-4)


@needs_opencv
def test_boxes_and_keypoints_are_used(video: Path, tmp_path: Path) -> None:
    boxes = tmp_path / "a.csv"
    lines = [f"{frame},0,0,96,64" for frame in range(22)]
    boxes.write_text("\n".join(["frame,left,top,right,bottom", *lines]))
    out = tmp_path / "a.parquet"
    masked = triptych.trajectories(video, out, boxes=boxes, keypoints="none")
    assert masked["trajectories"] > 0
    boxes.write_text("frame,left,top,right,bottom\n22,0,0,9,9\n")
    before = out.read_bytes()
    with pytest.raises(UserError, match=r"a\.mp4: has 22 frames, .* frame 22"):
        triptych.trajectories(video, out, boxes=boxes)
    assert out.read_bytes() == before  # whole, or not at all


@needs_opencv
def test_people_are_found_by_a_network(video: Path, tmp_path: Path) -> None:
    from tests.descriptors.detectors.networks import save_yolos

    network = str(save_yolos(tmp_path / "yolos"))
    found = triptych.people(video, tmp_path / "a.csv", detector=network, every=7, confidence=0.0)
    assert json.loads(json.dumps(found)) == found
    assert (found["frames"], found["with_people"], found["detector"]) == (22, 22, "yolos")
    out = tmp_path / "a.parquet"
    looked = triptych.trajectories(
        video, out, people=network, every=7, confidence=0.0, keypoints="none"
    )
    read = triptych.trajectories(video, out, boxes=tmp_path / "a.csv", keypoints="none")
    assert looked["trajectories"] == read["trajectories"] > 0
    with pytest.raises(UsageError, match=r"--boxes .* --people .* leave one out"):
        triptych.trajectories(video, out, boxes=tmp_path / "a.csv", people=network)
    with pytest.raises(UsageError, match="people by 'person': must be hog, or the folder"):
        triptych.people(video, tmp_path / "b.csv", detector="person")


@needs_opencv
def test_a_device_makes_the_same_rows(
    video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from triptych.descriptors.rows import read_rows

    here, there = tmp_path / "a.parquet", tmp_path / "b.parquet"
    plain = triptych.trajectories(video, here, keypoints="none")
    batched = triptych.trajectories(video, there, keypoints="none", device="cpu", frames=8)
    assert batched["frames"] == plain["frames"]
    assert batched["trajectories"] == pytest.approx(plain["trajectories"], rel=0.05)
    one, other = (np.concatenate(list(read_rows(file))) for file in (here, there))
    np.testing.assert_allclose(one.mean(axis=0), other.mean(axis=0), atol=0.5)
    with pytest.raises(UsageError, match="device cpu: has no fast mode"):
        triptych.trajectories(video, there, device="cpu", fast=True)
    with pytest.raises(UsageError, match="give --device too"):
        triptych.trajectories(video, there, frames=8)
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    before = there.read_bytes()
    with pytest.raises(UserError, match="device cuda: torch sees no GPU here"):
        triptych.trajectories(video, there, device="cuda")
    assert there.read_bytes() == before


@needs_opencv
def test_a_video_too_short_says_so_and_gives_an_empty_file(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    from triptych.descriptors.rows import read_rows

    short = write_video(tmp_path / "b.mp4", [0, 40], picture=stripes)
    done = triptych.trajectories(short, tmp_path / "b.parquet")
    assert (done["trajectories"], done["frames"]) == (0, 2)
    assert "a trajectory spans 16 frames, and this has 2" in capsys.readouterr().err
    assert list(read_rows(tmp_path / "b.parquet")) == []


@needs_opencv
def test_what_is_read_is_not_written_over(video: Path) -> None:
    before = video.read_bytes()
    with pytest.raises(UsageError, match=r"a\.mp4: is read, and would be written over"):
        triptych.trajectories(video, video)
    assert video.read_bytes() == before


def test_wrong_words_and_missing_packages_are_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UsageError, match="format 'txt': must be one of parquet, idt"):
        triptych.trajectories(tmp_path / "a.mp4", tmp_path / "a", format="txt")
    monkeypatch.setitem(sys.modules, "numba", None)
    with pytest.raises(UserError, match=r"trajectories need .*numba.* pip install"):
        triptych.trajectories(tmp_path / "a.mp4", tmp_path / "a")


@needs_opencv
def test_a_collection_to_a_table(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    from tests.descriptors import films
    from triptych.verbs.render import render

    films.make(tmp_path / "films").write(tmp_path / "manifest.parquet")
    few = ["keypoints=none", "components=2", "sketch=16", "starts=1", "vector=fisher"]
    found = triptych.describe(
        "idt", str(tmp_path / "manifest.parquet"), few, out=tmp_path / "d", workers=0
    )
    assert json.loads(json.dumps(found)) == found
    assert (found["videos"], found["without_motion"], found["rows"]) == (6, 1, None)
    assert found["descriptors"] == str(tmp_path / "d" / "idt.parquet")
    assert [row["path"] for row in found["files"]] == ["broken.mp4", "small.mp4"]
    render("describe", found)
    assert "small.mp4" in capsys.readouterr().out
    few = [*few, "seed=1"]
    batched = triptych.describe(
        "idt", tmp_path / "manifest.parquet", few, out=tmp_path / "b", workers=0, device="cpu"
    )
    assert (batched["videos"], batched["without_motion"]) == (6, 1)
    assert [row["path"] for row in batched["files"]] == ["broken.mp4", "small.mp4"]
    assert batched["trajectories"] == pytest.approx(found["trajectories"], rel=0.05)
    with pytest.raises(UsageError, match=r"seed: .*idt\.safetensors decides that"):
        triptych.describe(
            "idt", tmp_path / "manifest.parquet", "seed=1", model=tmp_path / "idt.safetensors"
        )


def test_a_backbone_its_store_a_run_on_it_and_a_query_by_a_file(tmp_path: Path) -> None:
    """The whole chain by its verbs: nothing is decoded after the description."""
    (tmp_path / "films").mkdir()
    for place, name in enumerate("abc"):

        def bright(number: int, place: int = place) -> np.ndarray:
            return np.roll(stripes(number * (place + 1)) // (place + 1), number // 2, axis=0)

        write_video(tmp_path / "films" / f"{name}.mp4", range(0, 9_000, 100), picture=bright)
    triptych.scan(tmp_path / "films", out=tmp_path, workers=0)
    manifest = tmp_path / "manifest.parquet"
    words = ["streams=r2plus1d_small@1:random", "names=3d"]
    made = triptych.describe(
        "backbone", manifest, words, out=tmp_path / "f", workers=0, device="cpu"
    )
    assert json.loads(json.dumps(made)) == made
    (stream,) = made["streams"]
    assert (stream["files"], stream["rows"], stream["dim"]) == (3, 27, 128)
    settings = [f"features.video={stream['store']}", "modalities=video", "method=sdc"]
    settings += ["clustering.k=2", "epochs=1", "batch=4"]
    (tmp_path / "films").rename(tmp_path / "away")
    triptych.pretrain(manifest, settings, out=tmp_path / "run")
    table = triptych.embed(manifest, tmp_path / "run", out=tmp_path / "embeddings.parquet")
    assert table["vectors"]["vector_video"] == 128
    (tmp_path / "away").rename(tmp_path / "films")
    hits = triptych.search(tmp_path, f"{tmp_path}/films/b.mp4#4-9", clips=True)["hits"]
    assert (hits[0]["path"], hits[0]["start"]) == ("b.mp4", 4.0)
