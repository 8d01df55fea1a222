"""Small media files whose every frame says its own number, made for a test."""

import os
import signal
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pyarrow as pa

from triptych.clips.files import FileClip, Read, ReadClip
from triptych.manifest.schema import SCHEMA, Manifest, clip_id, fingerprint

BITS = 8
SIDE = 64


class FragileReader(ReadClip):
    """A decoder that one file brings down."""

    def __call__(self, clip: FileClip) -> Read:
        if clip.path.name == "silent.mp4":
            os.kill(os.getpid(), signal.SIGSEGV)
        return super().__call__(clip)


def numbered(number: int, height: int = SIDE, width: int = SIDE) -> np.ndarray:
    """A grey picture of eight bars, each bright or dark: the number in binary."""
    bits = number >> np.arange(BITS) & 1
    columns = np.arange(width) * BITS // width
    return np.broadcast_to((16 + 200 * bits[columns])[None, :, None], (height, width, 3)).astype(
        np.uint8
    )


def number_of(frame: np.ndarray) -> int:
    """What `numbered` wrote, read from a decoded frame of any size that eight divides."""
    bars = frame.reshape(frame.shape[0], BITS, -1).mean(axis=(0, 2))
    return int(((bars > 116) << np.arange(BITS)).sum())


def clock(number: int) -> np.ndarray:
    """Two rows of eight bars: a number up to 65,535, for long videos."""
    halves = [numbered(part, SIDE // 2) for part in (number & 255, number >> 8)]
    return np.concatenate(halves)


def clock_of(frame: np.ndarray) -> int:
    """What `clock` wrote, read from a decoded frame."""
    low, high = np.split(frame[: len(frame) // 2 * 2], 2)
    return number_of(low) + 256 * number_of(high)


def write_video(
    path: Path,
    times: Sequence[int],
    *,
    codec: str = "libx264",
    base: Fraction = Fraction(1, 1000),
    options: dict[str, str] | None = None,
    picture: Callable[[int], np.ndarray] = numbered,
    pix_fmt: str = "yuv420p",
    rotation: int = 0,
    muxer: dict[str, str] | None = None,
    sound: np.ndarray | None = None,
    sound_codec: str = "aac",
    rate: int = 44_100,
    sound_start: int = 0,
) -> Path:
    """A video with a frame at each of ``times`` (in units of ``base``), and mono sound with it."""
    with av.open(str(path), "w", options=muxer or {}) as out:
        first = picture(0)
        stream = out.add_stream(codec, rate=25, options=options or {"crf": "8", "preset": "fast"})
        stream.height, stream.width = first.shape[:2]
        stream.pix_fmt = pix_fmt
        stream.time_base = base
        stream.codec_context.time_base = base
        if rotation:
            stream.set_display_rotation(rotation)
        voice = out.add_stream(sound_codec, rate=rate, layout="mono") if sound is not None else None
        for number, pts in enumerate(times):
            frame = av.VideoFrame.from_ndarray(picture(number), format="rgb24")
            frame = frame.reformat(format=pix_fmt)
            frame.pts, frame.time_base = pts, base
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
        if voice is not None and sound is not None:
            write_sound(out, voice, sound, rate, sound_start)
    return path


def write_sound(
    out: av.container.OutputContainer, stream: av.AudioStream, sound: np.ndarray, rate: int, at: int
) -> None:
    stream.codec_context.time_base = Fraction(1, rate)
    size = stream.codec_context.frame_size or 1024
    for first in range(0, len(sound), size):
        piece = sound[None, first : first + size].astype(np.float32)
        frame = av.AudioFrame.from_ndarray(piece, "fltp", "mono")
        frame.sample_rate, frame.time_base = rate, Fraction(1, rate)
        frame.pts = at + first
        out.mux(stream.encode(frame))
    out.mux(stream.encode(None))


def manifest_of(root: Path, clips: Sequence[dict[str, object]]) -> Manifest:
    """A manifest of clips that name path, start, end and what else differs from the defaults."""
    rows = [
        {
            "clip_id": clip_id(str(clip["path"]), float(clip["start"]), float(clip["end"])),
            "text": "",
            "has_video": True,
            "has_audio": False,
            "has_text": bool(clip.get("text")),
            "width": SIDE,
            "height": SIDE,
            "fps": 25.0,
            "fingerprint": fingerprint(root / str(clip["path"])),
            **clip,
        }
        for clip in clips
    ]
    return Manifest(root, pa.Table.from_pylist(rows, SCHEMA))
