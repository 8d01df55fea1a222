import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.clips.making import SIDE, number_of
from triptych.clips.audio import decode_audio
from triptych.clips.cache import CachedClips, ClipCache
from triptych.clips.decode import DecodeError, VideoReader
from triptych.clips.sample import ClipSpec
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
    np.testing.assert_array_equal(clips.video(4, [1.0], slow)[0], clips.video(4, [1.0], SPEC)[0][::2])
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
    with pytest.raises(UserError, match="no clip cache here"):
        ClipCache.open(tmp_path, collection)
    (tmp_path / "spec.json").write_text("{")
    with pytest.raises(UserError, match="not a clip cache"):
        ClipCache.open(tmp_path, collection)


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
