import bisect
import tracemalloc
from pathlib import Path

import av
import numpy as np
import pytest

from tests.clips.conftest import RATE, beep, flash
from tests.clips.making import clock_of, numbered, write_video
from triptych.clips import streams
from triptych.clips.audio import decode_audio
from triptych.clips.decode import VideoReader
from triptych.clips.media import Media, duration_of
from triptych.clips.streams import Asked, Ended, Lacking, ReadStreams, Windows
from triptych.clips.windows import Form, Pictures, Sound, begins, count_rows, frame_moments
from triptych.manifest.schema import Manifest

FRAME = Pictures(1.0, frames=1, frame_rate=25.0, size=32)
CLIP = Pictures(1.5, frames=8, frame_rate=8.0, size=64)
WIDE = Pictures(2.0, frames=1, frame_rate=25.0, size=16, keep=True)
SOUND = Sound(2.0, 16_000, 1.0)
OTHER = Sound(1.0, 8_000, 2.5)
FORMS = (FRAME, SOUND, CLIP, OTHER, WIDE)
Found = dict[int, np.ndarray]


def read(
    path: Path, forms: tuple[Form, ...] = FORMS, **asked: object
) -> tuple[Found, dict[int, Ended], dict[str, str]]:
    """Rows of each stream, as many as its end says, and the ends, and what is lacking."""
    pieces: dict[int, list[np.ndarray]] = {}
    ends, lacking = {}, {}
    for heard in ReadStreams(forms)(Asked(path, tuple(range(len(forms))), **asked)):  # type: ignore[arg-type]
        if isinstance(heard, Windows):
            held = pieces.setdefault(heard.stream, [])
            assert heard.first == sum(map(len, held)) + (
                asked["spans"][heard.stream][0] if "spans" in asked else 0
            )  # type: ignore[index]
            held.append(heard.values)
        elif isinstance(heard, Ended):
            ends[heard.stream] = heard
        else:
            assert isinstance(heard, Lacking)
            lacking[heard.modality] = heard.reason
    first = {s: asked["spans"][s][0] if "spans" in asked else 0 for s in pieces}  # type: ignore[index]
    rows = {
        s: np.concatenate(held)[: ends[s].rows - first[s]]
        for s, held in pieces.items()
        if s in ends
    }
    return rows, ends, lacking


def every_frame(path: Path) -> tuple[list[float], list[np.ndarray]]:
    """Times and pixels of all frames, decoded from the start to the end by PyAV alone."""
    times, frames = [], []
    with av.open(str(path)) as container:
        origin = (container.start_time or 0) / av.time_base
        for frame in container.decode(video=0):
            times.append(float(frame.pts * frame.time_base) - origin)
            frames.append(frame.to_ndarray(format="rgb24"))
    return times, frames


def lasts(path: Path) -> float:
    media = Media(path)
    found = duration_of(media)
    media.close()
    return found


def shown(times: list[float], moment: float) -> int:
    return max(0, bisect.bisect_right(times, moment + 1e-5) - 1)


@pytest.mark.parametrize("name", ["long.mp4", "uneven.mkv"])
def test_rows_are_of_the_frames_that_a_player_shows_then(films: Manifest, name: str) -> None:
    """Frames say their number; evenly spaced or not, decoded by hand from beginning to end."""
    path = films.root / name
    times, _ = every_frame(path)
    duration = lasts(path)
    forms = tuple(
        Pictures(rate, frames, 8.0, 64, scaled=True) for rate, frames in ((1.0, 1), (1.5, 8))
    )
    rows, ends, lacking = read(path, forms)
    assert not lacking
    for stream, form in enumerate(forms):
        count = count_rows(duration, form.rate)
        assert ends[stream] == Ended(stream, count, 0)
        assert rows[stream].shape == (count, *form.shape)
        moments = frame_moments(np.arange(count), form, duration)
        wanted = [[shown(times, moment) for moment in some] for some in moments]
        assert [[clock_of(frame) for frame in window] for window in rows[stream]] == wanted


def test_pixels_are_those_of_a_pass_by_itself(films: Manifest) -> None:
    """Two sizes and three rates in one pass give what each frame gives when asked for alone."""
    path = films.root / "uneven.mkv"
    rows, _, _ = read(path, (FRAME, CLIP, WIDE))
    with VideoReader(path) as video:
        for stream, form in enumerate((FRAME, CLIP, WIDE)):
            height, width = form.picture(video.height, video.width)
            moments = frame_moments(np.arange(len(rows[stream])), form, lasts(path))
            size = form.size
            top, left = round((height - size) / 2), round((width - size) / 2)
            for row, some in zip(rows[stream], moments, strict=True):
                alone = np.concatenate([video.frames([t], height, width) for t in some])
                np.testing.assert_array_equal(row, alone[:, top : top + size, left : left + size])


def test_sound_is_that_of_each_window_decoded_by_itself(
    collection: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "BLOCK", 1.7)
    path = collection.root / "flash.mp4"
    rows, ends, lacking = read(path)
    assert not lacking
    for stream in (1, 3):
        form = FORMS[stream]
        starts = begins(np.arange(ends[stream].rows), form, lasts(path))
        assert len(rows[stream]) == len(starts)
        for row, start in zip(rows[stream], starts.tolist(), strict=True):
            alone = decode_audio(path, start, start + form.seconds, form.sample_rate)
            np.testing.assert_allclose(row, alone[: len(row)], atol=2e-4)


def test_pieces_may_be_of_any_size(collection: Manifest, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = read(collection.root / "flash.mp4")
    monkeypatch.setattr(streams, "PIECE", 1)
    monkeypatch.setattr(streams, "BLOCK", 0.9)
    apart = read(collection.root / "flash.mp4")
    assert whole[1] == apart[1]
    for stream, rows in whole[0].items():
        np.testing.assert_allclose(rows, apart[0][stream], atol=2e-4)


def test_a_span_has_the_rows_of_the_whole(collection: Manifest) -> None:
    path = collection.root / "flash.mp4"
    whole, _, _ = read(path)
    spans = ((2, 4), (3, 7), (3, 5), (2, 4), (0, 1))
    some, _, lacking = read(path, end=4.0, spans=spans)
    assert not lacking
    for stream, (first, last) in enumerate(spans):
        np.testing.assert_allclose(some[stream], whole[stream][first:last], atol=2e-4)


def test_what_a_file_lacks_costs_that_only(collection: Manifest) -> None:
    rows, ends, lacking = read(collection.root / "silent.mp4")
    assert set(ends) == set(rows) == {0, 2, 4}
    assert lacking == {"audio": f"{collection.root / 'silent.mp4'}: has no sound"}
    rows, ends, lacking = read(collection.root / "broken.mp4")
    assert not rows
    assert set(lacking) == {"video", "audio"}
    assert "cannot be opened" in lacking["video"]


def test_a_very_short_file_has_a_row_of_each(tmp_path: Path) -> None:
    path = write_video(tmp_path / "short.mp4", [0], picture=numbered, sound=beep()[: RATE // 50])
    rows, ends, lacking = read(path)
    assert not lacking
    assert {stream: end.rows for stream, end in ends.items()} == dict.fromkeys(range(5), 1)
    assert (rows[2][0] == rows[2][0][0]).all()  # one frame, as often as the window has room


def test_a_film_that_is_cut_short_has_the_rows_that_are_there(tmp_path: Path) -> None:
    """Its header promises 8 seconds; a manifest knows of 2."""
    path = write_video(
        tmp_path / "a.mkv", [40 * i for i in range(200)], picture=flash, sound=beep(),
        options={"crf": "8", "preset": "fast", "g": "10"},
    )  # fmt: skip
    whole = read(path)[1]
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    times, _ = every_frame(path)
    rows, ends, _ = read(path, end=2.0)
    assert whole[0].rows in (8, 9)  # the sound is a hair longer than the pictures
    assert 2 < times[-1] < 7
    # Up to a second after the last frame that is still shown.
    assert int(times[-1]) + 1 <= ends[0].rows <= int(times[-1]) + 2
    assert ends[0].lost == 0
    assert len(rows[0]) == ends[0].rows
    assert ends[1].rows < whole[1].rows


def test_memory_does_not_grow_with_the_film(films: Manifest) -> None:
    def most(name: str) -> int:
        tracemalloc.start()
        for _ in ReadStreams((FRAME, CLIP))(Asked(films.root / name, (0, 1))):
            pass
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    short, long = most("uneven.mkv"), most("long.mp4")  # 10 and 300 seconds
    assert long < short + 2 * streams.PIECE + (4 << 20)


@pytest.mark.parametrize("name", ["mp4", "mkv", "mpg", "avi", "webm", "flv"])
def test_real_files_of_all_containers(data: Path, name: str) -> None:
    rows, ends, lacking = read(data / f"containers/video/demo.{name}")
    assert not lacking
    assert set(rows) == set(range(5))
    for stream, form in enumerate(FORMS):
        assert ends[stream].rows == pytest.approx(ends[0].rows * form.rate, abs=3)
        assert rows[stream].any()


def test_a_header_that_promises_hours_costs_no_hours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_video(
        tmp_path / "a.mp4", [40 * i for i in range(100)], picture=flash, sound=beep()[: 4 * RATE]
    )
    monkeypatch.setattr(streams, "duration_of", lambda _: 36_000.0)
    handed = 0
    ends = {}
    for heard in ReadStreams((FRAME, SOUND))(Asked(path, (0, 1), 4.0)):
        if isinstance(heard, Windows):
            handed += len(heard.values)
        elif isinstance(heard, Ended):
            ends[heard.stream] = heard.rows
    assert handed < 4 + streams.NOTHING + 8 + 2 * (streams.BLOCK + streams.NOTHING)
    assert ends[0] in (4, 5)  # a frame is shown for up to a second more
    assert ends[1] in (8, 9)
