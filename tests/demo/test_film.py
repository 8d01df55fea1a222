from pathlib import Path

import av
import numpy as np
import pytest

from triptych.demo.film import write_video
from triptych.demo.kitchen import plan_collection
from triptych.demo.knobs import Knobs
from triptych.demo.render import frames
from triptych.demo.sound import soundtrack

KNOBS = Knobs(videos=2, steps=2, step_seconds=1.5)


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("film") / "one.mp4"
    write_video(path, plan_collection(KNOBS)[0], KNOBS)
    return path


def test_the_file_is_h264_and_aac_and_starts_at_zero(film: Path) -> None:
    with av.open(str(film)) as container:
        video, sound = container.streams.video[0], container.streams.audio[0]
        assert video.codec_context.name == "h264"
        assert video.codec_context.pix_fmt == "yuv420p"
        assert (video.width, video.height) == (128, 96)
        assert float(video.average_rate) == KNOBS.frame_rate
        assert sound.codec_context.name == "aac"
        assert (sound.rate, sound.channels) == (16_000, 1)
        assert video.start_time == 0


def test_the_pictures_in_the_file_are_those_that_were_drawn(film: Path) -> None:
    drawn = list(frames(plan_collection(KNOBS)[0], KNOBS))
    with av.open(str(film)) as container:
        shown = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert len(shown) == len(drawn)
    for number in (0, 15, len(drawn) - 1):
        assert np.abs(shown[number].astype(int) - drawn[number]).mean() < 10


def test_the_sound_in_the_file_keeps_time_with_what_was_made(film: Path) -> None:
    made = soundtrack(plan_collection(KNOBS)[0], KNOBS)
    with av.open(str(film)) as container:
        blocks = [(frame.pts, frame.to_ndarray()[0]) for frame in container.decode(audio=0)]
    heard = np.zeros(len(made) + 4096, np.float32)
    for start, block in blocks:
        begin = max(0, -start)
        heard[start + begin : start + len(block)] = block[begin:]
    shifts = range(-1024, 1025, 8)
    middle = slice(8000, len(made) - 8000)
    match = [
        np.corrcoef(made[middle], heard[middle.start + shift : middle.stop + shift])[0, 1]
        for shift in shifts
    ]
    assert max(match) > 0.9
    assert abs(shifts[int(np.argmax(match))]) <= 16  # a millisecond
