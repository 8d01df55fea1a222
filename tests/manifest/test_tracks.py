from pathlib import Path

import av
import numpy as np
import pytest

from tests.manifest.media import RATE, make, tone
from triptych.manifest import tracks
from triptych.manifest.tracks import Clock, SoundTrack, VideoTrack


def read(path: Path, everything: bool) -> VideoTrack:
    with av.open(str(path)) as container:
        track = VideoTrack(container.streams.video[0], Clock(), everything)
        for packet in container.demux(container.streams.video[0]):
            if packet.size:
                track.take(packet)
        track.finish()
        track.facts()
        return track


def test_a_long_video_is_looked_at_in_three_places(tmp_path: Path) -> None:
    path = make(tmp_path / "a.mp4", seconds=40)
    track = read(path, everything=False)
    shown = np.sort(np.array(track.shown))
    assert not track.unseen
    assert track.good == len(shown) <= 3 * tracks.SPOT_PACKETS
    starts = shown[np.flatnonzero(np.diff(shown, prepend=-10) > 1)]
    assert starts == pytest.approx([0, 18, 34], abs=0.5)
    assert read(path, everything=True).good == 1000


def test_a_short_video_is_decoded_whole_and_one_keyframe_hides_the_rest(tmp_path: Path) -> None:
    assert read(make(tmp_path / "a.mp4", seconds=4), everything=False).good == 100
    assert read(make(tmp_path / "b.mp4", seconds=40, gop=9999), everything=False).unseen


@pytest.mark.parametrize("codec", ["pcm_u8", "pcm_s16le", "pcm_s32le", "pcm_f32le", "pcm_f64le"])
def test_the_peak_of_every_sample_format_is_a_share_of_full_scale(
    tmp_path: Path, codec: str
) -> None:
    path = tmp_path / "a.wav"
    with av.open(str(path), "w") as output:
        stream = output.add_stream(codec, rate=RATE, layout="mono")
        samples = np.concatenate([0 * tone(1), -0.5 * np.ones(RATE), tone(1, 0.25)])
        frame = av.AudioFrame.from_ndarray(samples[None].astype(np.float32), "flt", "mono")
        frame.sample_rate = RATE
        resampled = av.AudioResampler(stream.format, "mono", RATE).resample(frame)
        for one in [*resampled, None]:
            output.mux(stream.encode(one))
    with av.open(str(path)) as container:
        track = SoundTrack(container.streams.audio[0], Clock())
        for packet in container.demux():
            track.take(packet)
        found = track.facts()
    assert found.end == pytest.approx(3.0)
    assert found.peak == pytest.approx(0.5, abs=0.01)
    assert [found.heard(*span) for span in [(0, 0.8), (0.8, 1.5), (2.5, 3)]] == [False, True, True]
    late = found.peaks[found.starts > 2.1]
    assert late.max() == pytest.approx(0.25, abs=0.01)


def test_a_clock_takes_steps_and_pauses_but_no_leaps() -> None:
    clock = Clock()
    steps = [0, 0.04, 0.02, 300, 299, -0.02, 5000, 301, -5000, 1e9]
    expected = [True, True, True, True, True, True, False, True, False, False]
    assert [clock.accepts(step) for step in steps] == expected
    assert clock.latest == 301


@pytest.mark.parametrize("layout", ["stereo", "hexadecagonal"])
@pytest.mark.parametrize(("kind", "planar"), [("f4", "fltp"), ("i2", "s16p"), ("u1", "u8p")])
def test_planes_are_read_however_many(layout: str, kind: str, planar: str) -> None:
    frame = av.AudioFrame(planar, layout, 100)
    for index, plane in enumerate(frame.planes[: frame.layout.nb_channels]):
        samples = np.frombuffer(plane, kind).copy()
        samples[:] = 128 if kind == "u1" else 0
        samples[:100] += np.array(index + 1, kind)
        plane.update(samples.tobytes())
    full = {"f4": 1, "i2": 2**15, "u1": 128}[kind]
    assert tracks._peak(frame) == pytest.approx(frame.layout.nb_channels / full)
