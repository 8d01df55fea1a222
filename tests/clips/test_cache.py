import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.clips.making import SIDE, clock_of, number_of
from triptych.clips.audio import decode_audio
from triptych.clips.cache import CachedClips, ClipCache
from triptych.clips.decode import DecodeError, VideoReader
from triptych.clips.files import FileClips
from triptych.clips.sample import ClipSpec, centre, random_placement, starts
from triptych.errors import UserError
from triptych.manifest.schema import Manifest

SPEC = ClipSpec(frames=8, frame_rate=8.0, size=56, sample_rate=16_000)  # stored at 63 pixels


@pytest.fixture(scope="module")
def folder(collection: Manifest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("work") / "cache"
    ClipCache.build(collection, SPEC, folder, workers=0)
    return folder


@pytest.fixture(scope="module")
def cache(folder: Path, collection: Manifest) -> ClipCache:
    return ClipCache.open(folder, collection, SPEC)


def test_the_size_is_known_before(collection: Manifest, folder: Path) -> None:
    flat = sum((folder / name).stat().st_size for name in ("frames.bin", "audio.bin"))
    assert ClipCache.size_of(collection, SPEC) == flat
    by_hand = (32 + 36 + 16 + 4 + 32 + 32 + 32) * 63 * 63 * 3
    by_hand += round((4.0 + 4.5 + 2.0 + 0.4 + 4.0) * 16_000) * 2
    assert flat == by_hand


def test_what_is_stored_is_what_the_file_shows(collection: Manifest, cache: ClipCache) -> None:
    clips = CachedClips(cache)
    for row in (0, 1, 2, 4, 5):
        start = clips.span(row)[0] + 0.5
        with VideoReader(collection.file(row)) as video:
            want = video.frames(start + np.arange(8) / 8, 63, 63)
        np.testing.assert_array_equal(clips.video(row, [start], SPEC)[0], want)
        if clips.has("audio")[row]:
            sound = decode_audio(collection.file(row), start, start + 1, 16_000)
            np.testing.assert_allclose(clips.audio(row, [start], 1.0, 16_000)[0], sound, atol=2e-4)


def test_a_clip_shorter_than_the_window_repeats_its_last_frame_and_falls_silent(
    cache: ClipCache,
) -> None:
    clips = CachedClips(cache)
    frames = clips.video(3, [5.0], SPEC)[0]  # 0.4 s: four frames at 8 per second
    assert frames.shape == (8, 63, 63, 3)
    assert (frames[3:] == frames[3]).all()
    assert (frames[0] != frames[3]).any()
    sound = clips.audio(3, [5.0], 1.0, 16_000)[0]
    assert sound[:6400].any()
    assert not sound[6400:].any()


def test_a_clip_that_lacks_something_raises(cache: ClipCache) -> None:
    clips = CachedClips(cache)
    assert clips.has("audio").tolist() == [True] * 4 + [False] * 3
    assert clips.has("video").tolist() == [True] * 6 + [False]
    with pytest.raises(DecodeError, match="no sound"):
        clips.audio(4, [0.0], 1.0, 16_000)[0]
    with pytest.raises(DecodeError, match="no video"):
        clips.video(6, [0.0], SPEC)[0]


def test_of_a_long_clip_the_centre_is_kept(collection: Manifest, tmp_path: Path) -> None:
    part = collection.select([5])  # 4.0 s to 8.0 s of numbered frames at 25 per second
    spec = ClipSpec(frames=4, frame_rate=5.0, size=SIDE, sample_rate=16_000)
    ClipCache.build(part, spec, tmp_path / "cache", workers=0, max_seconds=2.0)
    clips = CachedClips(ClipCache.open(tmp_path / "cache", part, spec))
    assert clips.span(0) == (5.0, 7.0)
    got = [number_of(frame) for frame in clips.cache.frames]
    assert got == [125 + 5 * i for i in range(10)]


def test_a_slower_rate_that_divides_is_served_and_other_wishes_are_refused(
    cache: ClipCache,
) -> None:
    clips = CachedClips(cache)
    slow = ClipSpec(frames=4, frame_rate=4.0, size=32, sample_rate=16_000)
    clips.check(slow, ("video", "audio"))
    np.testing.assert_array_equal(
        clips.video(4, [1.0], slow)[0], clips.video(4, [1.0], SPEC)[0][::2]
    )
    for spec in (ClipSpec(frame_rate=3.0, size=32), ClipSpec(size=112)):
        with pytest.raises(UserError, match="make the cache again"):
            clips.check(spec, ("video",))
    with pytest.raises(UserError, match="16000 Hz"):
        clips.check(ClipSpec(size=32, sample_rate=8000), ("audio",))


def test_a_cache_for_something_else_is_refused_in_one_line(
    collection: Manifest, folder: Path, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match="another manifest") as caught:
        ClipCache.open(folder, collection.select([0, 1]))
    assert "\n" not in str(caught.value)
    with pytest.raises(UserError, match=r"size=56, not 64"):
        ClipCache.open(folder, collection, ClipSpec())
    with pytest.raises(UserError, match=r"height=63, not 70"):
        ClipCache.open(folder, collection, ClipSpec(size=56, resize=(70, 63)))
    with pytest.raises(UserError, match="no clip cache here"):
        ClipCache.open(tmp_path, collection)
    (tmp_path / "spec.json").write_text("{")
    with pytest.raises(UserError, match="not a clip cache"):
        ClipCache.open(tmp_path, collection)


LONG = ClipSpec(frames=8, frame_rate=5.0, size=32, segments=6, resize=(32, 40))


@pytest.fixture(scope="module")
def whole(films: Manifest, tmp_path_factory: pytest.TempPathFactory) -> CachedClips:
    folder = tmp_path_factory.mktemp("work") / "cache"
    ClipCache.build(films, LONG, folder, workers=0)
    return CachedClips(ClipCache.open(folder, films, LONG))


def test_for_segments_a_long_clip_is_kept_whole_and_its_size_is_known(
    films: Manifest, whole: CachedClips
) -> None:
    assert [whole.span(row) for row in range(3)] == [(0, 300), (0, 2), (0, 10)]
    by_hand = 5 * (300 + 2 + 10) * 32 * 40 * 3
    assert ClipCache.size_of(films, LONG) == by_hand == whole.cache.frames.nbytes
    assert ClipCache.size_of(films, ClipSpec(8, 5.0, 32)) == 5 * (10 + 2 + 10) * 36 * 36 * 3


def test_segments_of_the_cache_are_those_of_the_files(films: Manifest, whole: CachedClips) -> None:
    files = FileClips(films)
    for row in range(3):
        begins = starts(*files.span(row), LONG.seconds, centre(6).positions)
        stored = [round(begin * 5) / 5 for begin in begins]  # at its own moments, they are equal
        got = whole.video(row, stored, LONG)
        assert [run.shape for run in got] == [(8, 32, 40, 3)] * 6
        np.testing.assert_array_equal(got, files.video(row, stored, LONG))
        if row == 0:
            np.testing.assert_array_equal(whole.video(row, begins, LONG), got)


def test_random_segments_begin_in_their_parts_in_cache_and_files(
    films: Manifest, whole: CachedClips
) -> None:
    files = FileClips(films)
    seen = set()
    for draw in range(6):
        positions = random_placement(7, draw, 0, 6).positions
        begins = starts(0.0, 300.0, LONG.seconds, positions)
        stored, read = (
            np.array([[clock_of(frame) for frame in run] for run in source.video(0, begins, LONG)])
            for source in (whole, files)
        )
        assert (stored // 500 == np.arange(6)[:, None]).all(), "each within its 50 seconds"
        assert (read // 500 == np.arange(6)[:, None]).all()
        assert abs(stored - read).max() <= 1, "the nearest stored moment, 0.2 s apart"
        seen |= set(stored[:, 0].tolist())
    assert len(seen) > 30


def test_a_cache_of_the_centres_does_not_serve_segments(collection: Manifest, folder: Path) -> None:
    clips = CachedClips(ClipCache.open(folder, collection))
    with pytest.raises(UserError, match=r"the middle 10 s of long clips.* 3 segments") as caught:
        clips.check(ClipSpec(size=56, segments=3), ("video",))
    assert "\n" not in str(caught.value)


def test_a_cache_of_other_pixels_does_not_serve_a_frame_size(whole: CachedClips) -> None:
    whole.check(LONG, ("video",))
    whole.check(ClipSpec(8, 5.0, 32, segments=6), ("video",))
    with pytest.raises(UserError, match=r"holds 32x40 pixels .* wants 32 of 36x48"):
        whole.check(ClipSpec(8, 5.0, 32, segments=6, resize=(36, 48)), ("video",))


def test_it_pickles_as_its_folder(cache: ClipCache) -> None:
    wire = pickle.dumps(cache)
    assert len(wire) < 10_000
    np.testing.assert_array_equal(pickle.loads(wire).frames, cache.frames)
    assert not cache.frames.flags.writeable


def test_a_collection_of_sound_alone(data: Path, tmp_path: Path) -> None:
    from tests.clips.making import manifest_of

    root = data / "esc10" / "audio"
    names = sorted(path.name for path in root.glob("*.ogg"))[:3]
    manifest = manifest_of(
        root,
        [
            {"path": name, "start": 0.0, "end": 5.0, "has_video": False, "has_audio": True}
            for name in names
        ],
    )
    assert ClipCache.build(manifest, SPEC, tmp_path / "cache", workers=0) == []
    clips = CachedClips(ClipCache.open(tmp_path / "cache", manifest))
    want = decode_audio(root / names[1], 1.0, 3.0, 16_000)
    np.testing.assert_allclose(clips.audio(1, [1.0], 2.0, 16_000)[0], want, atol=1e-4)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("frames.bin", b"", "frames.bin: 0 bytes, not"),
        ("frames.bin", b"abc", "frames.bin: 3 bytes, not"),
        ("audio.bin", b"abc", "audio.bin: 3 bytes, not"),
        ("index.parquet", b"abc", "index.parquet: not the index of a cache"),
        ("index.parquet", None, "index.parquet: not the index of a cache"),
        ("frames.bin", None, "frames.bin: missing, not"),
        ("spec.json", b"[]", "another version"),
        ("spec.json", b'{"format": 1, "store_size": 63}', "another version; remove it and make"),
        ("spec.json", b'{"format": 2, "clips": 3}', "lacks manifest, frame_rate"),
    ],
)
def test_a_damaged_cache_is_refused_in_one_line(
    collection: Manifest, folder: Path, tmp_path: Path, name: str, content: bytes | None, said: str
) -> None:
    copy = tmp_path / "cache"
    shutil.copytree(folder, copy)
    (copy / name).unlink()
    if content is not None:
        (copy / name).write_bytes(content)
    with pytest.raises(UserError, match=said) as caught:
        ClipCache.open(copy, collection)
    assert "\n" not in str(caught.value)
