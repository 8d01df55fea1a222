from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from tests.small import RECIPE, Small
from triptych import config
from triptych.clips.cache import CachedClips
from triptych.errors import UserError
from triptych.manifest.schema import SCHEMA, Manifest
from triptych.recipes.comparison.clips import (
    Collection,
    HeldOut,
    cache_name,
    held_out,
    part_of,
)
from triptych.recipes.comparison.plan import Row, plan
from triptych.training.recipe import Clip
from triptych.training.source import spec_of


def collection(clips: list[tuple[str, str, str | None]], audio: int = 99) -> Manifest:
    """Clips of (clip_id, path, fingerprint), of which the first ``audio`` have sound."""
    count = len(clips)
    ids, paths, prints = zip(*clips, strict=True)
    columns = {
        "clip_id": list(ids),
        "path": list(paths),
        "start": np.arange(count, dtype=float),
        "end": np.arange(count) + 1.0,
        "text": [""] * count,
        "has_video": [True] * count,
        "has_audio": [row < audio for row in range(count)],
        "has_text": [False] * count,
        "width": np.full(count, 64),
        "height": np.full(count, 64),
        "fps": np.full(count, 25.0),
        "fingerprint": list(prints),
    }
    return Manifest(Path(), pa.table(columns).cast(SCHEMA))


CLIPS = [
    ("a1", "a.mp4", "A"),  # train
    ("a2", "a.mp4", "A"),
    ("b1", "b.mp4", "B"),  # test
    ("b2", "b.mp4", "B"),  # of a file of the test part, without a label
    ("c1", "c.mp4", "C"),  # train, and c2 test
    ("c2", "c.mp4", "C"),
    ("d1", "copy of b.mp4", "B"),  # the same bytes under another name
    ("e1", "e.mp4", None),  # test, of unknown bytes
    ("e2", "e.mp4", None),
]


@pytest.fixture
def held(tmp_path: Path) -> HeldOut:
    labels = tmp_path / "labels.csv"
    rows = ["a1,x,train", "b1,x,Test", "c1,,train", "c2,y,test", "e1,,test"]
    labels.write_text("clip_id,label,split\n" + "\n".join(rows) + "\n")
    return held_out(collection(CLIPS), labels)


def test_files_of_the_test_part_are_held_out_whole(held: HeldOut) -> None:
    manifest = collection(CLIPS)
    kept = manifest.select(np.flatnonzero(~held.of(manifest)))
    assert kept.column("clip_id").tolist() == ["a1", "a2", "c1"]


def test_another_collection_is_known_by_the_bytes_of_its_files(held: HeldOut) -> None:
    other = collection(
        [
            ("b1", "b.mp4", "X"),  # the same name and span, other bytes
            ("z1", "z.mp4", "B"),
            ("c1", "c.mp4", "C"),
            ("c2", "c.mp4", "C"),
        ]
    )
    assert held.of(other).tolist() == [False, True, False, True]


def row(words: list[str], axes: list[str]) -> Row:
    return plan(words, axes, vector="vector_video")[-1]


def test_fewer_clips_are_among_more_of_the_same_seed_and_never_held_out() -> None:
    manifest = collection([(f"{i:03}", f"{i}.mp4", str(i)) for i in range(200)])
    may = np.flatnonzero(np.arange(200) % 2 == 0)
    pool = Collection(manifest, may, Path("cache"))
    few, more = (pool.rows(row(["sdc"], [f"clips={count}"]), 3) for count in (20, 50))
    assert (len(few), len(more)) == (20, 50)
    assert set(few) < set(more) < set(may)
    assert (np.diff(more) > 0).all()
    another = pool.rows(row(["sdc"], ["clips=20"]), 4)
    assert set(another) != set(few)
    assert pool.rows(row(["sdc"], []), 3) is may


@pytest.mark.parametrize(
    ("words", "axes", "message"),
    [
        (["sdc"], ["clips=21"], "sdc clips=21: only 20 clips are there to train on"),
        (["sdc:modalities=video,text"], [], "none of its 20 clips has text"),
        (["sdc", "clustering.k=8"], [], "7 of its 20 clips have audio, too few for clustering.k=8"),
        (["cdc", "clustering.k=8"], [], r"7 of its 20 clips have video\+audio, too few"),
        (["sdc:modalities=video"], ["clips=4"], "4 of its 4 clips have video, too few for"),
    ],
)
def test_what_training_would_refuse_is_known_before(
    words: list[str], axes: list[str], message: str
) -> None:
    manifest = collection([(str(i), f"{i}.mp4", str(i)) for i in range(20)], audio=7)
    pool = Collection(manifest, np.arange(20), Path("cache"))
    pool.check(row(["sdc", "clustering.k=7"], []), 0)
    with pytest.raises(UserError, match=message):
        pool.check(row(words, axes), 0)


def test_one_cache_serves_what_needs_the_same_frames_of_a_file(small: Small) -> None:
    names = [
        cache_name(small.manifest, Clip(**change))
        for change in (
            {}, {"frames": 16}, {"background": "subtract"}, {"audio_seconds": 3.0},
            {"size": 32}, {"frame_rate": 4.0}, {"sample_rate": 8000},
        )
    ]  # fmt: skip
    assert names[0] == names[1] == names[2] == names[3]
    assert len(set(names)) == 4
    assert cache_name(small.manifest.select([0, 1]), Clip()) != names[0]


def test_a_part_of_a_cache_holds_its_clips(small: Small, tmp_path: Path) -> None:
    rows = np.array([5, 2, 9])
    pool = Collection(small.manifest, rows, tmp_path / "cache", workers=1)
    manifest, part = pool.part(rows, RECIPE)
    assert manifest.column("clip_id").tolist() == small.manifest.column("clip_id")[rows].tolist()
    spec = spec_of(RECIPE.clip)
    for new, old in enumerate(rows):
        start = part.span(new)[0]
        assert part.span(new) == small.source.span(old)
        frames, wanted = part.video(new, [start], spec), small.source.video(old, [start], spec)
        assert (frames[0] == wanted[0]).all()
        one, other = (
            source.audio(place, [start], 0.5, spec.sample_rate)[0]
            for source, place in ((part, new), (small.source, old))
        )
        assert (one == other).all()
    moved = Collection(Manifest(Path("gone"), small.manifest.table), rows, tmp_path / "cache")
    moved.reach(RECIPE)  # its cache is there
    with pytest.raises(UserError, match=r"gone: no such folder, .* with --root"):
        moved.reach(config.override(RECIPE, ["clip.size=48"]))
    again = pool.part(rows, config.override(RECIPE, ["clip.frames=2"]))[1]
    assert again.cache.folder == part.cache.folder
    assert isinstance(small.source, CachedClips)
    assert part_of(small.source, rows[:1]).has("video").shape == (1,)
