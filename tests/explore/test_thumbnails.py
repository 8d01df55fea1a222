import base64
import io
import shutil
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from triptych.explore.thumbnails import Wish, centred, picture, scaled, waveform


def opened(uri: str) -> np.ndarray:
    kind, _, code = uri.partition(",")
    assert kind == "data:image/jpeg;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(code))).convert("RGB")).astype(float)


def bars(svg: str) -> list[float]:
    """Half heights of a waveform's bars."""
    drawing = base64.b64decode(svg.partition(",")[2]).decode()
    return [
        float(part.split("v")[1]) / 2 for part in drawing.split('d="M')[1].split('"')[0].split("M")
    ]


@pytest.fixture
def film(tmp_path: Path) -> Path:
    """Three seconds, 96x64: red, green, blue."""
    file = tmp_path / "film.mp4"
    with av.open(str(file), "w") as out:
        stream = out.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for number in range(30):
            pixels = np.zeros((64, 96, 3), np.uint8)
            pixels[..., number // 10] = 220
            for packet in stream.encode(av.VideoFrame.from_ndarray(pixels, "rgb24")):
                out.mux(packet)
        for packet in stream.encode():
            out.mux(packet)
    return file


def test_a_thumbnail_is_of_the_middle_of_its_clip_and_a_strip_of_its_thirds(film: Path) -> None:
    wishes = [Wish("one", 1.0, 2.0, True), Wish("strip", 0.0, 3.0, True, frames=3, height=60)]
    pictures, reasons = picture({film: wishes}, workers=0)
    assert not reasons
    assert opened(pictures["one"]).mean(axis=(0, 1)).argmax() == 1
    strip = opened(pictures["strip"])
    assert strip.shape == (60, 270, 3)
    shown = [strip[:, 90 * i + 10 : 90 * i + 80].mean(axis=(0, 1)).argmax() for i in range(3)]
    assert shown == [0, 1, 2]


def test_files_that_give_no_picture_give_a_reason_and_cost_no_other(
    film: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"not a video")
    wishes = {broken: [Wish("bad", 0, 1, True)], film: [Wish("good", 0, 1, True)]}
    pictures, reasons = picture(wishes, workers=1)
    assert list(pictures) == ["good"]
    assert "cannot be opened" in reasons["bad"]


def test_a_sound_is_drawn_as_its_loudness(data: Path, tmp_path: Path) -> None:
    sound = sorted((data / "esc10" / "audio").glob("*.ogg"))[0]
    shutil.copy(sound, tmp_path / "a.ogg")
    pictures, _ = picture({tmp_path / "a.ogg": [Wish("a", 0, 5, False)]}, workers=0)
    assert len(bars(pictures["a"])) == 48


def test_bars_follow_the_peaks() -> None:
    rising = np.linspace(0.01, 0.25, 4800, dtype=np.float32) * np.tile([1, -1], 2400)
    heights = bars(waveform(rising.astype(np.float32)))
    assert heights == sorted(heights)
    assert heights[-1] == pytest.approx(40)
    assert heights[23] / heights[-1] == pytest.approx(np.sqrt(0.5), abs=0.02)
    assert set(bars(waveform(np.zeros(100, np.float32)))) == {0.6}


@pytest.mark.parametrize(
    ("shape", "size"),
    [
        (16 / 9, (72, 128)),
        (4 / 3, (81, 108)),
        (1.0, (72, 72)),
        (9 / 16, (72, 40)),
        (4.0, (27, 108)),
    ],
)
def test_frames_fill_the_picture_unless_too_much_would_be_cut(
    shape: float, size: tuple[int, int]
) -> None:
    assert scaled(shape, 72, 108) == size
    frame = np.full((*size, 3), 9, np.uint8)
    frame[:, size[1] // 2] = 77
    out = centred(frame, 72, 108)
    assert out.shape == (72, 108, 3)
    assert out[36, 54, 0] == 77
    framed = size[0] < 72 or size[1] < 108
    assert bool((out == 0).any()) == framed
