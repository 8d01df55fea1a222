from collections.abc import Callable
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.clips.conftest import loudness
from tests.clips.making import FragileReader, clock_of
from triptych.clips import dataset
from triptych.clips.cache import CachedClips, ClipCache
from triptych.clips.dataset import ClipBatch, ClipLoader, ClipSource, FileClips, View
from triptych.clips.feature_store import Described, Spec, write_store
from triptych.clips.sample import ClipSpec, crop_into, starts
from triptych.clips.stored import open_stored
from triptych.encoders.encoder import AudioInput, Input, Segments, VideoInput
from triptych.encoders.text import WordInput
from triptych.errors import UsageError, UserError
from triptych.manifest.schema import Manifest

INPUTS: dict[str, Input] = {
    "video": VideoInput(frames=4, frame_rate=8.0, size=32),
    "audio": AudioInput(sample_rate=16_000, seconds=0.5),
    "text": WordInput(("flash", "pot", "watch")),
}
Reads = Callable[[dict[str, Input], View], ClipBatch]
ROWS = [[0, 1, 2], [3, 4, 5], [1, 6], [0]]


@pytest.fixture(scope="module")
def cached(collection: Manifest, tmp_path_factory: pytest.TempPathFactory) -> CachedClips:
    folder = tmp_path_factory.mktemp("work") / "cache"
    ClipCache.build(collection, ClipSpec(size=32), folder, workers=0)
    return CachedClips(ClipCache.open(folder, collection))


@pytest.fixture(params=["cache", "files"])
def source(request: pytest.FixtureRequest, collection: Manifest, cached: CachedClips) -> ClipSource:
    return cached if request.param == "cache" else FileClips(collection)


def read(
    manifest: Manifest, source: ClipSource, view: View, rows: object = ROWS, **options: object
) -> list[ClipBatch]:
    return list(ClipLoader(manifest, source, INPUTS, **options).batches(rows, view))  # type: ignore[arg-type]


def same(one: list[ClipBatch], two: list[ClipBatch]) -> bool:
    return all(
        torch.equal(a.rows, b.rows)
        and all(torch.equal(a.inputs[name], b.inputs[name]) for name in a.inputs)
        and all(torch.equal(a.present[name], b.present[name]) for name in a.present)
        for a, b in zip(one, two, strict=True)
    )


def test_shapes_types_and_order(collection: Manifest, source: ClipSource) -> None:
    batches = read(collection, source, View(random=False))
    assert [batch.rows.tolist() for batch in batches] == ROWS
    first = batches[0]
    assert first.inputs["video"].dtype == torch.uint8
    assert first.inputs["video"].shape == (3, 4, 32, 32, 3)
    assert first.inputs["audio"].dtype == torch.float32
    assert first.inputs["audio"].shape == (3, 8000)
    assert first.inputs["text"].tolist() == [[1, 0, 1]] * 3


def test_what_the_loader_says_that_clips_have_is_what_it_gives(
    collection: Manifest, cached: CachedClips
) -> None:
    for words in (("flash",), ("pot",)):
        inputs = {**INPUTS, "text": WordInput(words)}
        loader = ClipLoader(collection, cached, inputs)
        (batch,) = loader.batches([range(len(collection))], View(random=False))
        for name in inputs:
            assert loader.has(name).tolist() == batch.present[name].tolist()
    assert not loader.has("text").any()
    assert collection.has("text").any()


def test_what_a_clip_lacks_is_absent_and_zero(
    collection: Manifest, source: ClipSource, capsys: pytest.CaptureFixture[str]
) -> None:
    loader = ClipLoader(collection, source, INPUTS)
    for _ in range(2):
        batches = list(loader.batches(ROWS, View(random=False)))
    present = {name: torch.cat([b.present[name] for b in batches]).tolist() for name in INPUTS}
    rows = list(chain(*ROWS))
    assert present["video"] == [row != 6 for row in rows]
    assert present["audio"] == [row < 4 for row in rows]
    assert present["text"] == [row not in (4, 5) for row in rows]
    for name in INPUTS:
        for batch in batches:
            assert not batch.inputs[name][~batch.present[name]].any()
            assert batch.inputs[name][batch.present[name]].flatten(1).any(dim=1).all()
    said = capsys.readouterr().err
    if isinstance(source, FileClips):
        assert said.count("broken.mp4: cannot be opened") == 2, "each modality once, not each epoch"
        assert set(loader.failed) == {(6, "video"), (6, "audio")}


def test_random_views_vary_in_space_and_time_and_repeat_for_a_seed(
    collection: Manifest, source: ClipSource
) -> None:
    rows = [[0] * 12, [5] * 12]
    one = read(collection, source, View(random=True, seed=1), rows)
    assert same(one, read(collection, source, View(random=True, seed=1), rows))
    other = read(collection, source, View(random=True, seed=2), rows)
    assert not torch.equal(one[0].inputs["audio"], other[0].inputs["audio"])
    levels = one[0].inputs["video"][:, 0].float().mean(dim=(1, 2, 3))
    assert len(set(levels.round().tolist())) > 6, "windows begin at different times"
    assert len({clip.numpy().tobytes() for clip in one[0].inputs["audio"]}) > 9
    # The pictures of row 5 are bars: a crop or a mirror image moves their edges.
    edges = {
        tuple((clip[0, 5, :, 0].int().diff().abs() > 50).nonzero().flatten().tolist())
        for clip in one[1].inputs["video"]
    }
    assert len(edges) > 6, "crops are of different places"


def test_a_mirror_image_half_the_time(collection: Manifest, cached: CachedClips) -> None:
    flips = [View(random=True, seed=s).placement(d, 5).flip for s in range(20) for d in range(20)]
    assert 150 < sum(flips) < 250
    view = View(random=True, seed=3)
    batch = read(collection, cached, view, [[5] * 8])[0]
    for draw in range(8):
        place = view.placement(draw, 5)
        start = cached.span(5)[0] + place.positions[0] * (4 - 0.5)
        (whole,) = cached.video(5, [start], ClipSpec(4, 8.0, 32, 16_000))
        top, left = round(place.top * 4), round(place.left * 4)
        cut = whole[:, top : top + 32, left : left + 32]
        np.testing.assert_array_equal(
            batch.inputs["video"][draw], cut[:, :, ::-1] if place.flip else cut
        )


def test_sound_and_pictures_come_from_the_same_moment(
    collection: Manifest, source: ClipSource
) -> None:
    """Brightness and loudness of the file both tell the time; so they must agree in each clip."""
    batch = read(collection, source, View(random=True, seed=4), [[0, 1, 2] * 8])[0]
    seen = (batch.inputs["video"].float().mean(dim=(2, 3, 4)) - 40) / 180 * 8
    rms = batch.inputs["audio"].reshape(24, 4, -1).square().mean(dim=2).sqrt()
    heard = rms * 2**0.5 / 0.9 * 8
    middle = torch.tensor([1 / 16] * 4)  # a frame begins its eighth of a second, the sound fills it
    assert (seen + middle - heard).abs().max() < 0.12
    assert seen.std() > 1, "the clips lie at different times"


def test_a_deterministic_view_is_the_middle_of_the_clip(
    collection: Manifest, source: ClipSource
) -> None:
    one = read(collection, source, View(random=False, seed=1))
    assert same(one, read(collection, source, View(random=False, seed=2)))
    start = 3.0 + (4.5 - 0.5) / 2  # row 1 is 3.0 to 7.5 s
    level = one[0].inputs["video"][1].float().mean(dim=(1, 2, 3))
    want = 40 + 180 * loudness(start + np.arange(4) / 8)
    np.testing.assert_allclose(level, want, atol=2)


def test_workers_change_nothing(collection: Manifest) -> None:
    view = View(random=True, seed=5)
    rows = [*ROWS, [6, 6], [2, 4]]
    alone = read(collection, FileClips(collection), view, rows)
    for workers in (1, 2):
        assert same(alone, read(collection, FileClips(collection), view, rows, workers=workers))


def test_scaled_crops_vary_in_size_and_are_the_same_from_processes(collection: Manifest) -> None:
    inputs: dict[str, Input] = {"video": VideoInput(2, 8.0, 16, resize=(24, 32), crop="scaled")}
    view = View(random=True, seed=5, shares=(1.0, 0.5))
    assert {view.placement(draw, 1, scaled=True).share for draw in range(20)} == {1.0, 0.5}
    assert {View(random=False).placement(draw, 1, scaled=True).share for draw in range(9)} == {1.0}
    rows = [[1] * 6]
    alone, other = (
        list(ClipLoader(collection, FileClips(collection), inputs, workers).batches(rows, view))
        for workers in (0, 1)
    )
    assert same(alone, other)
    placed = [view.placement(draw, 1, scaled=True) for draw in range(6)]
    loader = ClipLoader(collection, FileClips(collection), inputs)
    for place, clip in zip(placed, alone[0].inputs["video"].numpy(), strict=True):
        begins = starts(*loader.source.span(1), 0.25, place.positions)
        want = np.empty_like(clip)
        crop_into(want, FileClips(collection).video(1, begins, loader.spec), place)
        assert (clip == want).all()


def test_a_pass_is_taken_up_in_its_middle(collection: Manifest, cached: CachedClips) -> None:
    view = View(random=True, seed=6)
    whole = read(collection, cached, view)
    loader = ClipLoader(collection, cached, INPUTS)
    assert same(whole[2:], list(loader.batches(ROWS[2:], view, first=6)))


def test_rows_are_drawn_lazily_and_a_pass_may_be_left(
    collection: Manifest, cached: CachedClips
) -> None:
    drawn = []

    def rows() -> object:
        while True:
            drawn.append(len(drawn))
            yield [0, 1]

    loader = ClipLoader(collection, cached, INPUTS)
    batches = loader.batches(rows(), View(random=True))  # type: ignore[arg-type]
    for _ in range(3):
        next(batches)
    batches.close()  # type: ignore[attr-defined]
    assert len(drawn) <= 3 + dataset.DEPTH + 2
    assert 0 <= loader.waited <= loader.total


def test_a_clip_that_brings_its_process_down_is_masked_and_left_alone_afterwards(
    collection: Manifest, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(dataset, "ReadClip", FragileReader)
    loader = ClipLoader(collection, FileClips(collection), INPUTS, workers=1)
    for _ in range(2):
        batches = list(loader.batches([[0, 4], [1, 2]], View(random=False)))
        assert batches[0].present["video"].tolist() == [True, False]
        assert batches[1].present["video"].tolist() == [True, True]
        assert not batches[0].inputs["video"][1].any()
    said = capsys.readouterr().err
    assert said.count("silent.mp4: the decoder crashed") == 1


def spread(segments: int, segments_as: Segments = "joined") -> dict[str, Input]:
    return {
        "video": VideoInput(4, 8.0, 32, segments=segments, segments_as=segments_as),
        "audio": AudioInput(16_000, 0.5, segments),
        "text": WordInput(("flash", "pot", "watch")),
    }


@pytest.fixture(scope="module")
def kept(collection: Manifest, tmp_path_factory: pytest.TempPathFactory) -> CachedClips:
    """All of every clip, as segments need it."""
    folder = tmp_path_factory.mktemp("work") / "cache"
    ClipCache.build(collection, ClipSpec(size=32, segments=3), folder, workers=0)
    return CachedClips(ClipCache.open(folder, collection))


@pytest.fixture(params=["cache", "files", "processes"])
def reads(request: pytest.FixtureRequest, collection: Manifest, kept: CachedClips) -> Reads:
    """A loader's first batch of rows 0 to 3 and 6, from each place that clips come from."""
    workers = 2 if request.param == "processes" else 0
    source = kept if request.param == "cache" else FileClips(collection)

    def read(inputs: dict[str, Input], view: View) -> ClipBatch:
        return next(
            ClipLoader(collection, source, inputs, workers).batches([[0, 1, 2, 3, 6]], view)
        )

    return read


@pytest.mark.parametrize("view", [View(random=False), View(random=True, seed=8)])
def test_joined_and_pooled_segments_are_the_same_frames_in_two_shapes(
    reads: Reads, view: View
) -> None:
    joined, pooled = reads(spread(3), view), reads(spread(3, "pooled"), view)
    assert joined.inputs["video"].shape == (5, 12, 32, 32, 3)
    assert pooled.inputs["video"].shape == (5, 3, 4, 32, 32, 3)
    assert torch.equal(joined.inputs["video"], pooled.inputs["video"].flatten(1, 2))
    for batch in (joined, pooled):
        assert batch.inputs["audio"].shape == (5, 3, 8000)
        assert torch.equal(batch.inputs["audio"], joined.inputs["audio"])
        assert batch.inputs["text"].shape == (5, 3)
        assert batch.present["video"].tolist() == [True] * 4 + [False]
        assert not batch.inputs["video"][4].any()


def test_segments_are_in_the_middles_of_equal_parts(reads: Reads) -> None:
    """Row 0 is 0 to 4 s: windows of 0.5 s in the middle of thirds begin 5/12 s into each."""
    frames = reads(spread(3), View(random=False)).inputs["video"][0]
    times = np.add.outer(4 / 3 * np.arange(3) + 5 / 12, np.arange(4) / 8).reshape(-1)
    level = frames.float().mean(dim=(1, 2, 3)).numpy()
    # A stored moment is up to 1/16 s away, in which brightness changes by 1.4.
    np.testing.assert_allclose(level, 40 + 180 * loudness(times), atol=2.5)


def test_sound_and_pictures_of_every_segment_come_from_the_same_moment(reads: Reads) -> None:
    batch = reads(spread(3, "pooled"), View(random=True, seed=4))
    seen = (batch.inputs["video"][:3].float().mean(dim=(3, 4, 5)) - 40) / 180 * 8
    rms = batch.inputs["audio"][:3].reshape(3, 3, 4, -1).square().mean(dim=3).sqrt()
    heard = rms * 2**0.5 / 0.9 * 8
    assert (seen + 1 / 16 - heard).abs().max() < 0.12
    begins = seen[:2, :, 0]
    assert (begins.diff(dim=1) > 0.4).all(), "one segment after the other"


def test_segments_from_processes_are_those_read_in_place(collection: Manifest) -> None:
    for view in (View(random=False), View(random=True, seed=9)):
        one, two = (
            list(ClipLoader(collection, FileClips(collection), spread(2), n).batches(ROWS, view))
            for n in (0, 2)
        )
        assert same(one, two)


def test_a_clip_of_five_minutes_is_seen_from_end_to_end(films: Manifest) -> None:
    inputs: dict[str, Input] = {"video": VideoInput(8, 5.0, 64, segments=6, resize=(64, 64))}
    (batch,) = ClipLoader(films, FileClips(films), inputs).batches([[0]], View(random=False))
    got = [clock_of(frame) for frame in batch.inputs["video"][0].numpy()]
    assert got == [242 + 500 * part + 2 * step for part in range(6) for step in range(8)]


def test_as_many_segments_of_sound_as_of_pictures(collection: Manifest) -> None:
    inputs = spread(3) | {"audio": AudioInput(16_000, 0.5, 2)}
    with pytest.raises(UsageError, match="video wants 3 segments and audio 2"):
        ClipLoader(collection, FileClips(collection), inputs)


def test_inputs_that_the_source_cannot_serve_are_refused(
    collection: Manifest, cached: CachedClips, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match="make the cache again"):
        ClipLoader(collection, cached, {"video": VideoInput(size=64)})
    with pytest.raises(UsageError, match="video: wants a VideoInput"):
        ClipLoader(collection, cached, {"video": AudioInput()})
    sound = tmp_path / "sound"
    ClipCache.build(collection, ClipSpec(size=32), sound, workers=0, modalities=("audio",))
    only = CachedClips(ClipCache.open(sound, collection))
    with pytest.raises(UserError, match="holds no video"):
        ClipLoader(collection, only, {"video": VideoInput(size=32)})
    loader = ClipLoader(collection, only, {"audio": AudioInput()})
    assert next(loader.batches([[0]], View(random=False))).inputs["audio"].any()


@pytest.mark.parametrize("workers", [0, 2])
def test_stored_features_stand_beside_what_is_read(
    collection: Manifest, tmp_path: Path, workers: int
) -> None:
    """Sound from the files, in processes or not; pictures from a store, whatever the view."""
    spec = Spec("net", "video", 1.0, 3, {})
    rows = {
        path: np.full((8, 3), place + 1.0) for place, path in enumerate(("flash.mp4", "silent.mp4"))
    }
    write_store(
        tmp_path / "n.features", spec, [Described(path, "", some) for path, some in rows.items()]
    )
    stored = open_stored(collection, {"video": [tmp_path / "n.features"]})
    inputs = {**INPUTS, "video": stored["video"].input}
    loader = ClipLoader(collection, FileClips(collection), inputs, workers, stored)
    for view in (View(random=False), View(random=True, seed=3)):
        batches = list(loader.batches([[0, 4], [6, 1]], view))
        assert [batch.present["video"].tolist() for batch in batches] == [
            [True, True],
            [False, True],
        ]
        wanted = [[1, 1], [0, 1]]
        for batch, lengths in zip(batches, wanted, strict=True):
            found = batch.inputs["video"].norm(dim=1)
            assert batch.inputs["video"].dtype == torch.float32
            assert found.tolist() == pytest.approx(lengths)
        assert batches[0].present["audio"].tolist() == [True, False]
    assert loader.has("video").tolist() == [True] * 6 + [False]
    with pytest.raises(UsageError, match=r"name their stores as features\.video"):
        ClipLoader(collection, FileClips(collection), inputs)
