import socket
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from tests.clips.making import write_video
from tests.descriptors import films
from tests.descriptors.scenes import texture
from triptych.clips.media import DecodeError
from triptych.descriptors.frames import (
    colour_frames,
    expected_frames,
    frame_times,
    grey_frames,
)


def colours(number: int) -> np.ndarray:
    """A picture whose left is dark and whose top is bright, that changes with its number."""
    picture = np.zeros((48, 64, 3), np.uint8)
    picture[:, 32:] = 120
    picture[:12] = 200
    picture[24:, 40:, 0] = 10 * number
    return picture


def test_every_frame_once_as_opencv_has_its_grey(data: Path) -> None:
    path = data / "idt_reference" / "person01_boxing_d1_uncomp.avi"
    found = list(grey_frames(path))
    assert len(found) == 360
    with av.open(str(path)) as media:
        for grey, frame in zip(found, media.decode(video=0), strict=True):
            assert grey.shape == (120, 160)
            assert grey.dtype == np.uint8
            off = grey.astype(int) - frame.to_ndarray(format="gray")  # this film has no colours
            assert np.abs(off).max() <= 2


def test_a_turned_film_is_turned(tmp_path: Path) -> None:
    times = range(0, 400, 40)
    plain = list(grey_frames(write_video(tmp_path / "a.mp4", times, picture=colours)))
    turned = write_video(tmp_path / "b.mp4", times, picture=colours, rotation=90)
    found = list(grey_frames(turned))
    assert len(found) == len(plain) == 10
    assert found[0].shape == (64, 48)
    with av.open(str(turned)) as media:
        angle = next(media.decode(video=0)).rotation
    for one, other in zip(found, plain, strict=True):
        # Counter-clockwise by the angle, as a player does it.
        matrix = cv2.ROTATE_90_COUNTERCLOCKWISE if angle == 90 else cv2.ROTATE_90_CLOCKWISE
        np.testing.assert_array_equal(one, cv2.rotate(other, matrix))


def test_what_does_not_decode_is_left_out(data: Path) -> None:
    found = list(grey_frames(data / "containers" / "damaged" / "demo.ogv"))
    assert 300 < len(found) < 1441
    assert len({frame.shape for frame in found}) == 1


def test_what_is_no_film_is_refused(data: Path, tmp_path: Path) -> None:
    with pytest.raises(DecodeError, match="has no video"):
        list(grey_frames(next((data / "containers" / "audio").glob("*.ogg"))))
    (tmp_path / "a.mp4").write_bytes(b"no film" * 99)
    with pytest.raises(DecodeError, match=r"a\.mp4: cannot be opened"):
        list(grey_frames(tmp_path / "a.mp4"))
    with pytest.raises(DecodeError, match=r"gone\.mp4: cannot be opened"):
        list(grey_frames(tmp_path / "gone.mp4"))


def test_a_name_with_a_colon_is_no_protocol(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_video(tmp_path / "a.mp4", range(0, 400, 40), picture=colours).rename(tmp_path / "a:b.mp4")
    monkeypatch.chdir(tmp_path)
    assert len(list(grey_frames(Path("a:b.mp4")))) == 10


def test_a_playlist_reaches_no_network(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"http://127.0.0.1:{server.getsockname()[1]}/a.ts"
        path = tmp_path / "a.m3u8"
        path.write_text(
            f"#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\n{address}\n#EXT-X-ENDLIST\n"
        )
        with pytest.raises(DecodeError, match=r"a\.m3u8: "):
            list(grey_frames(path))
        server.settimeout(0)
        with pytest.raises(BlockingIOError):
            server.accept()


def test_frames_that_change_their_size_keep_the_first_one_s(tmp_path: Path) -> None:
    """Two streams one after the other in one file, as broadcasts and recorders leave them."""
    parts = []
    for name, size in (("a", (48, 64)), ("b", (96, 128))):
        picture = np.repeat(texture(*size)[..., None], 3, axis=2)
        times = range(0, 200, 40)
        path, times = tmp_path / f"{name}.ts", range(0, 200, 40)
        write_video(path, times, picture=lambda _, picture=picture: picture)  # type: ignore[misc]
        parts.append((tmp_path / f"{name}.ts").read_bytes())
    both = tmp_path / "both.ts"
    both.write_bytes(b"".join(parts))
    found = list(grey_frames(both))
    assert len(found) >= 8
    assert {frame.shape for frame in found} == {(48, 64)}


def test_how_many_frames_are_to_be_expected(data: Path, tmp_path: Path) -> None:
    for name in ("demo.mp4", "demo.mkv", "demo.webm"):
        assert expected_frames(data / "containers" / "video" / name) == pytest.approx(1441, abs=3)
    with pytest.raises(DecodeError, match="cannot be opened"):
        expected_frames(tmp_path / "gone.mp4")


@pytest.mark.parametrize("pix_fmt", ["gray", "gray10le", "yuv444p", "bgr0"])
def test_films_of_other_pixels_than_most(tmp_path: Path, pix_fmt: str) -> None:
    path = write_video(
        tmp_path / "a.mkv",
        range(0, 200, 40),
        codec="ffv1",
        options={"level": "3"},
        picture=colours,
        pix_fmt=pix_fmt,
    )
    found = list(grey_frames(path))
    assert len(found) == 5
    wanted = cv2.cvtColor(colours(0), cv2.COLOR_RGB2GRAY).astype(int)
    assert np.abs(found[0] - wanted).max() <= 3


def test_when_every_frame_is_shown(tmp_path: Path, data: Path) -> None:
    times = np.cumsum([0, 40, 40, 15, 80, 40, 200, 33, 40, 40])
    path = write_video(tmp_path / "a.mp4", times.tolist(), picture=colours)
    np.testing.assert_allclose(frame_times(path), times / 1000, atol=1e-4)
    late = write_video(tmp_path / "b.mkv", (times + 500).tolist(), picture=colours)
    np.testing.assert_allclose(frame_times(late), times / 1000, atol=2e-3)
    reference = data / "idt_reference" / "person01_boxing_d1_uncomp.avi"
    np.testing.assert_allclose(frame_times(reference), np.arange(360) / 25, atol=1e-4)


def test_in_a_damaged_film_every_frame_keeps_its_own_time(data: Path, tmp_path: Path) -> None:
    """Told by its picture: that of the whole film at that time."""
    whole = films.damaged(data, tmp_path / "a.mp4")
    times = frame_times(tmp_path / "a.mp4")
    shown: dict[bytes, set[float]] = {}
    for grey, at in zip(grey_frames(whole), frame_times(whole), strict=True):
        shown.setdefault(grey.tobytes(), set()).add(round(at, 4))
    pictures = [grey.tobytes() for grey in grey_frames(tmp_path / "a.mp4")]
    assert len(times) == len(pictures) == 210
    same = [(shown[one], at) for one, at in zip(pictures, times, strict=True) if one in shown]
    assert len(same) > 200
    assert all(round(at, 4) in right for right, at in same)
    assert (times[29], times[30]) == (pytest.approx(1.16), pytest.approx(2.8))


@pytest.mark.parametrize("rotation", [0, 90])
def test_colours_of_some_frames_are_those_of_their_greys(tmp_path: Path, rotation: int) -> None:
    path = write_video(tmp_path / "a.mp4", range(0, 400, 40), picture=colours, rotation=rotation)
    found = list(colour_frames(path, 4))
    assert [picture is not None for picture in found] == [n % 4 == 0 for n in range(10)]
    for grey, picture in zip(grey_frames(path), found, strict=True):
        if picture is not None:
            assert picture.dtype == np.uint8
            back = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
            np.testing.assert_array_equal(back, grey)
    last = found[8]
    assert last is not None
    bottom_right = np.rot90(last, -rotation // 90)[-1, -1].astype(int)
    assert bottom_right[1] - bottom_right[0] > 20  # red is 80 there, green and blue 120
    assert abs(bottom_right[1] - bottom_right[2]) < 20
