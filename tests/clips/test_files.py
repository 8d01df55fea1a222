import pickle
from collections.abc import Iterator

import numpy as np
import pytest

from tests.clips.conftest import UNEVEN, loudness
from tests.clips.making import clock_of
from triptych.clips.decode import DecodeError, Media, VideoReader
from triptych.clips.files import FileClip, FileClips, ReadClip, read_video
from triptych.clips.sample import ClipSpec, Placement, centre, starts
from triptych.manifest.schema import Manifest

SPEC = ClipSpec(frames=4, frame_rate=4.0, size=32, sample_rate=16_000)


def test_frames_and_sound_of_a_window(collection: Manifest) -> None:
    clips = FileClips(collection)
    assert clips.span(1) == (3.0, 7.5)
    assert clips.has("audio").tolist() == [True] * 4 + [False] * 2 + [True]
    frames = clips.video(1, [4.0], SPEC)[0]
    assert frames.shape == (4, 36, 36, 3)
    want = 40 + 180 * loudness(4.0 + np.arange(4) / 4)
    np.testing.assert_allclose(frames.mean(axis=(1, 2, 3)), want, atol=2)
    sound = clips.audio(1, [4.0], 1.0, 16_000)[0].reshape(10, -1)
    want = 0.9 * loudness(4.05 + np.arange(10) / 10) / np.sqrt(2)
    np.testing.assert_allclose(np.sqrt((sound**2).mean(axis=1)), want, atol=0.01)


def test_past_the_end_of_the_clip_the_last_frame_repeats_and_sound_is_silent(
    collection: Manifest,
) -> None:
    clips = FileClips(collection)
    frames = clips.video(3, [5.0], SPEC)[0]  # the clip ends at 5.4, the file goes on
    assert (frames[1:] == frames[1]).all()
    sound = clips.audio(3, [5.0], 1.0, 16_000)[0]
    assert len(sound) == 16_000
    assert np.abs(sound[:6400]).max() > 0.3
    assert not sound[6400:].any()


def test_one_modality_that_fails_leaves_the_other(collection: Manifest) -> None:
    read = ReadClip(SPEC, 1.0, 1.0)
    path = collection.root / "silent.mp4"
    got = read(FileClip(path, 0.0, 4.0, ("video", "audio"), centre()))
    assert got.audio is None
    assert list(got.failed) == ["audio"]
    assert "has no sound" in got.failed["audio"]
    assert got.video is not None
    assert got.video.shape == (4, 32, 32, 3)
    broken = read(FileClip(collection.root / "broken.mp4", 0.0, 4.0, ("video", "audio"), centre()))
    assert set(broken.failed) == {"video", "audio"}
    with pytest.raises(DecodeError, match="cannot be opened"):
        FileClips(collection).video(6, [0.0], SPEC)


def test_the_placement_moves_and_mirrors_the_crop(collection: Manifest) -> None:
    read = pickle.loads(pickle.dumps(ReadClip(SPEC, 1.0, 0.0)))
    path = collection.root / "silent.mp4"

    def video(placement: Placement) -> np.ndarray:
        return np.asarray(read(FileClip(path, 0.0, 4.0, ("video",), placement)).video)

    whole = FileClips(collection).video(4, [1.5], SPEC)[0]  # the middle of three seconds of freedom
    np.testing.assert_array_equal(video(centre()), whole[:, 2:34, 2:34])
    np.testing.assert_array_equal(video(Placement((0.5,), 0, 1)), whole[:, :32, 4:])
    np.testing.assert_array_equal(
        video(Placement((0.5,), 1, 0, True)), whole[:, 4:, :32][:, :, ::-1]
    )
    assert (video(Placement((0.0,))) != video(Placement((1.0,)))).any()


def test_the_frames_of_segments_by_hand(films: Manifest) -> None:
    """300 s in six parts of 50, in the middle of each 8 frames 0.2 s apart, of 0.1 s each."""
    spec = ClipSpec(frames=8, frame_rate=5.0, size=64, segments=6)
    begins = starts(0.0, 300.0, spec.seconds, centre(6).positions)
    assert begins == pytest.approx([24.2, 74.2, 124.2, 174.2, 224.2, 274.2])
    runs = FileClips(films).video(0, begins, spec)
    got = [[clock_of(frame) for frame in run] for run in runs]
    assert got == [[242 + 500 * part + 2 * step for step in range(8)] for part in range(6)]


def test_what_lies_between_segments_is_not_decoded(films: Manifest) -> None:
    read = []

    class Counted(Media):
        def packets(self, stream: object) -> Iterator[object]:
            for packet in super().packets(stream):
                read.append(packet)
                yield packet

    spec = ClipSpec(frames=8, frame_rate=5.0, size=64, segments=6)
    begins = starts(0.0, 300.0, spec.seconds, centre(6).positions)
    with VideoReader(Counted(films.root / "long.mp4")) as video:
        read_video(video, begins, 300.0, spec)
    # From the keyframe before a run, at most 50 frames back, to its end and what is looked ahead.
    assert len(read) < 6 * (50 + 16 + 25) < 600


def test_a_file_of_two_seconds_has_segments_that_overlap(films: Manifest) -> None:
    """Six runs of 1.6 s have 0.4 s to begin in: the middles of thirds of a second, held inside."""
    spec = ClipSpec(frames=8, frame_rate=5.0, size=64, segments=6)
    begins = starts(0.0, 2.0, spec.seconds, centre(6).positions)
    assert begins == pytest.approx([0, 0, 1 / 30, 11 / 30, 0.4, 0.4])
    got = [[clock_of(frame) for frame in run] for run in FileClips(films).video(1, begins, spec)]
    even, odd = [*range(0, 15, 2)], [*range(3, 18, 2)]
    assert got == [even, even, even, odd, [*range(4, 19, 2)], [*range(4, 19, 2)]]


def test_a_clip_shorter_than_a_run_shows_the_same_in_every_segment(films: Manifest) -> None:
    spec = ClipSpec(frames=8, frame_rate=2.0, size=64, segments=3)
    begins = starts(0.0, 2.0, spec.seconds, centre(3).positions)
    got = [[clock_of(frame) for frame in run] for run in FileClips(films).video(1, begins, spec)]
    assert got == [[0, 5, 10, 15, 15, 15, 15, 15]] * 3


def test_segments_go_by_time_where_frames_are_uneven(films: Manifest) -> None:
    spec = ClipSpec(frames=5, frame_rate=4.0, size=64, segments=3)
    begins = [0.31, 4.4, 8.05]
    got = [[clock_of(frame) for frame in run] for run in FileClips(films).video(2, begins, spec)]
    shown = np.array(UNEVEN) / 1000
    times = np.add.outer(begins, np.arange(5) / 4)
    assert got == [[max(np.flatnonzero(shown <= time)) for time in run] for run in times]


def test_frames_are_squashed_to_the_height_and_width_asked_for(films: Manifest) -> None:
    spec = ClipSpec(frames=2, size=32, resize=(64, 88))
    (run,) = FileClips(films).video(1, [0.5], spec)
    assert run.shape == (2, 64, 88, 3)
    assert clock_of(run[0]) == 5
