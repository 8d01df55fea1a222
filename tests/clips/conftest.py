"""One small collection for the tests of the cache, the files and the loader."""

import numpy as np
import pytest

from tests.clips.making import clock, manifest_of, numbered, write_video
from triptych.manifest.schema import Manifest

RATE = 44_100


def flash(number: int) -> np.ndarray:
    """A grey picture as bright as the sound of that moment is loud, at 25 frames per second."""
    return np.full((48, 64, 3), round(40 + 180 * loudness(number / 25)), np.uint8)


def loudness(time: float | np.ndarray) -> np.ndarray:
    """Rises from 0 to 1 over 8 seconds: brightness and amplitude both tell the time."""
    return np.clip(np.asarray(time) / 8, 0, 1)


def beep() -> np.ndarray:
    times = np.arange(8 * RATE) / RATE
    return 0.9 * loudness(times) * np.sin(2 * np.pi * 1000 * times)


@pytest.fixture(scope="session")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """Clips that overlap, that are shorter than a window, without sound, and a file that is none.

    Rows: 0 to 3 of flash.mp4 (3 lasts 0.4 s), 4 and 5 of silent.mp4 (no sound), 6 of broken.mp4.
    """
    root = tmp_path_factory.mktemp("collection")
    moments = [40 * i for i in range(200)]
    write_video(root / "flash.mp4", moments, picture=flash, sound=beep())
    write_video(root / "silent.mp4", moments, picture=numbered)
    (root / "broken.mp4").write_bytes(b"\x00\x00\x00\x18ftypmp42" + b"no film" * 99)
    words = {"has_audio": True, "text": "watch the flash"}
    spans = [(0.0, 4.0), (3.0, 7.5), (2.5, 4.5), (5.0, 5.4)]
    clips = [{"path": "flash.mp4", "start": a, "end": b} | words for a, b in spans]
    clips += [{"path": "silent.mp4", "start": a, "end": a + 4} for a in (0.0, 4.0)]
    clips += [{"path": "broken.mp4", "start": 0.0, "end": 4.0} | words]
    return manifest_of(root, clips)


UNEVEN = np.cumsum([0, *[20, 140, 60, 180, 30] * 24]).tolist()  # milliseconds, 121 frames


@pytest.fixture(scope="session")
def films(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """Whole files whose frames say their number: 5 minutes and 2 seconds at 10 frames per second
    with a keyframe every 5 seconds, and 10 seconds of ``UNEVEN`` frames."""
    root = tmp_path_factory.mktemp("films")
    fast = {"crf": "10", "preset": "ultrafast", "g": "50"}
    write_video(root / "long.mp4", range(0, 300_000, 100), picture=clock, options=fast)
    write_video(root / "short.mp4", range(0, 2_000, 100), picture=clock)
    write_video(root / "uneven.mkv", UNEVEN, picture=clock)
    lengths = {"long.mp4": 300.0, "short.mp4": 2.0, "uneven.mkv": 10.0}
    return manifest_of(
        root, [{"path": path, "start": 0.0, "end": end} for path, end in lengths.items()]
    )
