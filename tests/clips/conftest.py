"""One small collection for the tests of the cache, the files and the loader."""

import numpy as np
import pytest

from tests.clips.making import manifest_of, numbered, write_video
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
