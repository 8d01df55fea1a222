"""A video as a file: H.264 and AAC in MP4."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.video.stream import VideoStream

from triptych.demo.kitchen import Plan
from triptych.demo.knobs import Knobs
from triptych.demo.render import frames
from triptych.demo.sound import soundtrack

# One thread: the number of threads changes x264's bytes, and videos are made side by side.
VIDEO_OPTIONS = {"preset": "ultrafast", "crf": "20", "threads": "1"}
SOUND_BITS_PER_SECOND = 64_000
BLOCK_SECONDS = 0.5  # of sound written after each such stretch of pictures


def write_video(path: Path, plan: Plan, knobs: Knobs) -> None:
    """Film ``plan`` into ``path``."""
    rate = Fraction(knobs.frame_rate).limit_denominator(1001)
    sound = soundtrack(plan, knobs)
    block = round(BLOCK_SECONDS * knobs.sample_rate)
    with av.open(str(path), "w", format="mp4") as container:
        video = container.add_stream("libx264", rate=rate, options=VIDEO_OPTIONS)
        video.width, video.height, video.pix_fmt = knobs.width, knobs.height, "yuv420p"
        audio = container.add_stream("aac", rate=knobs.sample_rate, layout="mono")
        audio.bit_rate = SOUND_BITS_PER_SECOND
        heard = 0
        for number, pixels in enumerate(frames(plan, knobs)):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = number, 1 / rate
            container.mux(video.encode(frame))
            if (number + 1) / rate * knobs.sample_rate >= heard + block:
                _put_sound(container, audio, sound, heard, heard + block)
                heard += block
        _put_sound(container, audio, sound, heard, len(sound))
        for stream in (video, audio):
            container.mux(_flushed(stream))


def _put_sound(
    container: OutputContainer, stream: AudioStream, sound: np.ndarray, start: int, end: int
) -> None:
    if start >= min(end, len(sound)):
        return
    frame = av.AudioFrame.from_ndarray(sound[None, start:end], format="fltp", layout="mono")
    frame.sample_rate, frame.pts = stream.rate, start
    frame.time_base = Fraction(1, stream.rate)
    container.mux(stream.encode(frame))


def _flushed(stream: VideoStream | AudioStream) -> list[av.Packet]:
    return list(stream.encode(None))
