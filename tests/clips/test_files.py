import pickle

import numpy as np
import pytest

from tests.clips.conftest import loudness
from triptych.clips.decode import DecodeError
from triptych.clips.files import FileClip, FileClips, ReadClip
from triptych.clips.sample import ClipSpec, Placement, centre
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
    np.testing.assert_array_equal(video(Placement((0.5,), 1, 0, True)), whole[:, 4:, :32][:, :, ::-1])
    assert (video(Placement((0.0,))) != video(Placement((1.0,)))).any()
