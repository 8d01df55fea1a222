"""Real media files, made on the spot, small and with just the trait that a test is about."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

RATE = 16000
ASS_HEADER = (
    b"[Script Info]\nScriptType: v4.00+\n\n[V4+ Styles]\nFormat: Name, Fontname, Fontsize\n"
    b"Style: Default,Arial,16\n\n[Events]\nFormat: Layer, Start, End, Style, Name, MarginL, "
    b"MarginR, MarginV, Effect, Text\n"
)


def make(
    path: Path,
    seconds: float = 3.0,
    fps: int = 25,
    *,
    codec: str | None = None,
    size: tuple[int, int] = (64, 48),
    times: Sequence[float] | None = None,
    sound: np.ndarray | None = None,
    pictures: bool = True,
    cues: Sequence[tuple[float, float, str]] = (),
    subtitles: str = "subrip",
    language: str = "",
    gop: int = 12,
    container: str | None = None,
) -> Path:
    """Write a clip of moving stripes; ``times`` instead of ``seconds`` for uneven frames."""
    tick = Fraction(1, fps if times is None else 1000)
    times = [i / fps for i in range(round(seconds * fps))] if times is None else times
    with av.open(str(path), "w", format=container) as output:
        video = voice = words = None
        if pictures:
            video = output.add_stream(codec or "mpeg4", rate=fps)
            video.width, video.height, video.pix_fmt = *size, "yuv420p"
            video.codec_context.time_base = tick
            video.codec_context.gop_size = gop
        if sound is not None:
            name = {".wav": "pcm_s16le", ".ogg": "libopus", ".mp3": "libmp3lame"}
            voice = output.add_stream(name.get(path.suffix, "aac"), rate=RATE, layout="mono")
        if cues:
            words = output.add_stream(subtitles)
            words.codec_context.subtitle_header = ASS_HEADER
            words.time_base = Fraction(1, 1000)
            if language:
                words.language = language
        output.start_encoding()
        if words is not None:
            _write_words(output, words, subtitles, cues)
        if voice is not None and sound is not None:
            _write_sound(output, voice, sound)
        if video is not None:
            _write_pictures(output, video, times, tick)
    return path


def tone(seconds: float, level: float = 0.3) -> np.ndarray:
    """A 440 Hz sine."""
    return (level * np.sin(2 * np.pi * 440 * np.arange(int(seconds * RATE)) / RATE)).astype("f4")


def _write_pictures(output, stream, times, tick) -> None:  # type: ignore[no-untyped-def]
    grid = np.add.outer(np.arange(stream.height), np.arange(stream.width))
    for index, time in enumerate(times):
        pixels = ((grid * 5 + index * 7) % 256).astype(np.uint8)
        frame = av.VideoFrame.from_ndarray(np.stack([pixels] * 3, -1), "rgb24")
        frame.pts, frame.time_base = round(time / tick), tick
        output.mux(stream.encode(frame))
    output.mux(stream.encode(None))


def _write_sound(output, stream, samples) -> None:  # type: ignore[no-untyped-def]
    as_integers = (samples * 32767).astype(np.int16)
    for start in range(0, len(as_integers), 1024):
        block = as_integers[None, start : start + 1024]
        frame = av.AudioFrame.from_ndarray(block, format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = RATE, start, Fraction(1, RATE)
        output.mux(stream.encode(frame))
    output.mux(stream.encode(None))


def _write_words(output, stream, codec, cues) -> None:  # type: ignore[no-untyped-def]
    for start, end, text in cues:
        raw = text.encode()
        if codec == "mov_text":
            raw = len(raw).to_bytes(2, "big") + raw
        if codec == "ass":
            raw = b"0,0,Default,,0,0,0,," + raw
        packet = av.Packet(raw)
        packet.stream, packet.time_base = stream, Fraction(1, 1000)
        packet.pts = packet.dts = round(start * 1000)
        packet.duration = round((end - start) * 1000)
        output.mux(packet)


def turn(path: Path) -> None:
    """Write a rotation by 90 degrees into the track header of an MP4."""
    raw = bytearray(path.read_bytes())
    at = raw.index(b"tkhd") + 44  # the matrix, in fixed point
    one = 1 << 16
    matrix = [0, one, 0, -one, 0, 0, 0, 0, 1 << 30]
    raw[at : at + 36] = b"".join(value.to_bytes(4, "big", signed=True) for value in matrix)
    path.write_bytes(raw)
