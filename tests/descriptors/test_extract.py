from pathlib import Path

import numpy as np
import pytest

from tests.clips.making import write_video
from tests.descriptors.detectors.networks import save_yolos
from tests.descriptors.scenes import film, texture
from triptych.clips.media import DecodeError
from triptych.descriptors import extract as module
from triptych.descriptors.batched.device import Device
from triptych.descriptors.extract import extract, find_people, trajectories
from triptych.descriptors.finding import Finding, finding
from triptych.descriptors.frames import grey_frames
from triptych.descriptors.how import How
from triptych.descriptors.rows import read_facts, read_rows
from triptych.descriptors.trajectories import Trajectories
from triptych.errors import UsageError, UserError


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pictures = [np.repeat(picture[..., None], 3, axis=2) for picture in film(20)]
    path = tmp_path_factory.mktemp("clip") / "square.mp4"
    return write_video(path, range(0, 800, 40), picture=pictures.__getitem__)


def test_a_file_gives_what_its_frames_give(clip: Path) -> None:
    found = list(trajectories(clip, How()))
    tracker = Trajectories(112, 144)
    wanted = [tracker.take(grey) for grey in grey_frames(clip)]
    assert [len(block) for block in found] == [len(block) for block in wanted]
    np.testing.assert_array_equal(np.concatenate(found), np.concatenate(wanted))
    assert sum(map(len, found)) > 50


def test_boxes_go_to_their_frames(clip: Path) -> None:
    plain = np.concatenate(list(trajectories(clip, How("none"))))
    whole = {number: [(0.0, 0.0, 144.0, 112.0)] for number in range(20)}
    masked = np.concatenate(list(trajectories(clip, How("none"), people=whole)))
    assert len(masked) > 2 * len(plain)  # no camera is found, so the background counts as moving
    half = {number: boxes for number, boxes in whole.items() if number > 17}
    part = np.concatenate(list(trajectories(clip, How("none"), people=half)))
    assert len(plain) < len(part) < len(masked)


def test_people_found_are_the_boxes_written(clip: Path, tmp_path: Path) -> None:
    how = finding(str(save_yolos(tmp_path / "yolos")), every=3, confidence=0.0)
    assert find_people(clip, tmp_path / "a.csv", how) == (20, 20)
    outs = [tmp_path / name for name in ("plain", "read", "found")]
    extract(clip, outs[0], How("none"))
    extract(clip, outs[1], How("none"), boxes=tmp_path / "a.csv")
    extract(clip, outs[2], How("none", people=how))
    plain, read, looked = (np.concatenate(list(read_rows(out))) for out in outs)
    np.testing.assert_array_equal(read, looked)
    assert plain.shape != read.shape or not np.array_equal(plain, read)
    facts = [read_facts(out) or {} for out in outs]
    assert [fact["boxes"] for fact in facts] == [False, True, False]
    assert [fact.get("people") for fact in facts] == [None, None, how.facts]
    with pytest.raises(UsageError, match="is read, and would be written over"):
        find_people(clip, clip, how)


def test_boxes_of_another_video_are_refused(clip: Path) -> None:
    with pytest.raises(UserError, match=r"square\.mp4: has 20 frames, .* boxes for frame 20"):
        list(trajectories(clip, How("none"), people={20: [(0, 0, 1, 1)], 3: []}))


def test_frames_that_do_not_decode_are_counted(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    film = data / "containers" / "damaged" / "demo.ogv"
    few = [np.empty((0, 436), np.float32)] * 366
    monkeypatch.setattr(module, "trajectories", lambda *_, **__: iter(few))  # they take long
    assert extract(film, tmp_path / "a.parquet", How()) == (0, 366)
    assert "demo.ogv: 366 of about 144" in capsys.readouterr().err


def test_compiling_is_said_before_the_frames_are_counted(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(module, "ready", lambda: said.append("ready"))
    monkeypatch.setattr(module, "track", lambda items, *_: said.append("frames") or items)
    extract(clip, tmp_path / "a.parquet", How("none"))
    assert said == ["ready", "frames"]
    extract(clip, tmp_path / "a.parquet", How("none", device=Device("cpu")))
    assert said == ["ready", "frames", "frames"]  # torch has functions of its own


def test_a_file_that_cannot_be_written_is_refused_before_anything_is_looked_at(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "found", lambda *_: pytest.fail("people are looked for"))
    monkeypatch.setattr(module, "ready", lambda: pytest.fail("something is compiled"))
    with pytest.raises(UserError, match="a folder; give the name of the file"):
        extract(clip, tmp_path, How("none", people=Finding("hog", 5, 0.3, "")))


def test_one_frame_gives_no_trajectory(tmp_path: Path) -> None:
    one = np.repeat(texture(48, 64)[..., None], 3, axis=2)
    path = write_video(tmp_path / "one.mp4", [0], picture=lambda _: one)
    assert [block.shape for block in trajectories(path, How())] == [(0, 436)]


def test_small_pictures_and_no_pictures_are_refused_by_name(tmp_path: Path) -> None:
    small = np.zeros((30, 64, 3), np.uint8)
    path = write_video(tmp_path / "small.mp4", [0, 40], picture=lambda _: small)
    with pytest.raises(UserError, match=r"small\.mp4: pictures are 64x30"):
        list(trajectories(path, How()))
    with pytest.raises(DecodeError, match=r"gone\.mp4"):
        list(trajectories(tmp_path / "gone.mp4", How()))
