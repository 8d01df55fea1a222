import multiprocessing
import os
import shutil
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pyarrow as pa
import pytest
import torch

from tests.clips.making import manifest_of, numbered, write_video
from triptych.clips.feature_store import FeatureStore
from triptych.clips.streams import Asked, ReadStreams
from triptych.descriptors.backbone import collection, files
from triptych.descriptors.backbone.collection import Collection
from triptych.descriptors.backbone.files import Stream
from triptych.descriptors.backbone.network import Network
from triptych.errors import UserError
from triptych.manifest.problems import read_problems
from triptych.manifest.schema import Manifest
from triptych.state.backbone import Backbone, Word

CPU = torch.device("cpu")
SPAWN = multiprocessing.get_context("spawn")


def streams(*words: str) -> list[Stream]:
    parsed = [Word.parse(word) for word in words]
    return [Stream(f"s{n}", word.rate, Backbone.of(word)) for n, word in enumerate(parsed)]


WORDS = ("r2plus1d_small@1:random", "audio_resnet_small@2:random", "r2plus1d_small@1.5:random")


def describe(
    manifest: Manifest, out: Path, words: tuple[str, ...] = WORDS, **more: object
) -> dict[str, object]:
    options: dict[str, object] = {"workers": 0, "batch": 4, **more}
    return Collection(out, streams(*words), CPU, **options).describe(manifest)  # type: ignore[arg-type]


def values(out: Path, number: int) -> dict[str, np.ndarray]:
    store = FeatureStore.open(out / f"s{number}.features")
    return {path: np.array(store.rows(path)) for path in store.paths}


def bits(out: Path) -> list[bytes]:
    return [(out / f"s{n}.features" / "values.bin").read_bytes() for n in range(len(WORDS))]


@pytest.fixture(scope="module")
def plain(media: Manifest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("plain")
    describe(media, out)
    return out


def by_hand(path: Path, moments: list[float], backbone: Backbone) -> np.ndarray:
    """A window's row: frames decoded from the start by PyAV, scaled by it, cut by hand."""
    size, side = backbone.form.size, round(backbone.form.size * 1.125)  # type: ignore[union-attr]
    pictures = []
    with av.open(str(path)) as container:
        origin = (container.start_time or 0) / av.time_base
        frames = [(float(f.pts * f.time_base) - origin, f) for f in container.decode(video=0)]
    for moment in moments:
        frame = [f for t, f in frames if t <= moment + 1e-5][-1]
        scale = side / min(frame.height, frame.width)
        height, width = round(frame.height * scale), round(frame.width * scale)
        small = frame.reformat(width, height, "gbrp", interpolation="AREA").to_ndarray()
        top, left = round((height - size) / 2), round((width - size) / 2)
        pictures.append(small[top : top + size, left : left + size])
    with torch.no_grad():
        return backbone.encoder(torch.from_numpy(np.stack(pictures))[None])[0].numpy()  # type: ignore[no-any-return]


@pytest.mark.parametrize("name", ["flash.mp4", "uneven.mkv"])
def test_rows_are_the_network_s_on_the_frames_at_those_times(
    plain: Path, media: Manifest, name: str
) -> None:
    backbone = streams(WORDS[2])[0].backbone
    found = values(plain, 2)[name].astype(np.float32)
    for row in (2, 5, 8):
        begin = (row + 0.5) / 1.5 - 0.5  # eight frames, an eighth of a second each
        wanted = by_hand(media.root / name, [begin + step / 8 for step in range(8)], backbone)
        off = np.linalg.norm(found[row] - wanted) / np.linalg.norm(wanted)
        others = [
            np.linalg.norm(found[o] - wanted) / np.linalg.norm(wanted)
            for o in range(12)
            if o != row
        ]
        assert off < 0.02
        assert off < min(others) or name == "uneven.mkv"


def test_every_file_has_rows_or_a_reason(plain: Path, media: Manifest) -> None:
    found = {number: values(plain, number) for number in range(3)}
    good = ["flash.mp4", "short.mp4", "silent.mp4", "uneven.mkv"]
    assert sorted(found[0]) == sorted(found[2]) == good
    assert sorted(found[1]) == ["flash.mp4"]
    assert [len(found[0][name]) for name in good] == [8, 1, 4, 11]
    assert {rows.shape[1] for rows in found[1].values()} == {256}
    problems = {n: read_problems(plain / f"s{n}_problems.parquet") for n in range(3)}
    for number in range(3):
        (problem,) = problems[number]
        assert (problem.path, problem.kind) == ("broken.mp4", "unreadable")
        assert problem.reason.startswith("cannot be opened")
    assert not (plain / ".backbone.part").exists()
    spec = FeatureStore.open(plain / "s2.features").spec
    assert (spec.rate, spec.dim, spec.manifest) == (1.5, 128, media.digest)


@pytest.mark.parametrize("options", [{"workers": 2}, {"batch": 1}, {"batch": 7, "workers": 1}])
def test_workers_and_batches_change_nothing_that_matters(
    plain: Path, media: Manifest, tmp_path: Path, options: dict[str, int]
) -> None:
    describe(media, tmp_path, **options)
    if "batch" not in options:
        assert bits(tmp_path) == bits(plain)
    for number in range(3):
        one, other = values(plain, number), values(tmp_path, number)
        assert one.keys() == other.keys()
        for path, rows in one.items():
            np.testing.assert_allclose(
                rows.astype(np.float32), other[path].astype(np.float32), rtol=2e-3, atol=1e-4
            )


def kill_after(count: int, manifest: Path, out: Path) -> None:
    """Describe, and die when the ``count``-th part has been written half."""
    real = files.np.savez
    written = 0

    def counted(file: object, **arrays: object) -> None:
        nonlocal written
        written += 1
        if written == count:
            file.write(b"half a part")  # type: ignore[attr-defined]
            os.kill(os.getpid(), signal.SIGKILL)
        real(file, **arrays)

    files.np.savez = counted  # type: ignore[assignment]
    describe(Manifest.read(manifest), out)


def test_killed_and_resumed_leaves_the_same_stores(
    plain: Path, media: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    media.write(tmp_path / "manifest.parquet")
    out = tmp_path / "out"
    for count in (3, 2):
        process = SPAWN.Process(target=kill_after, args=(count, tmp_path / "manifest.parquet", out))
        process.start()
        process.join()
        assert process.exitcode == -signal.SIGKILL
        assert not list(out.glob("*.features"))
    read: list[Asked] = []
    call = ReadStreams.__call__

    def noted(self: ReadStreams, asked: Asked) -> Iterator[object]:
        read.append(asked)
        return call(self, asked)

    monkeypatch.setattr(ReadStreams, "__call__", noted)
    describe(media, out)
    assert bits(out) == bits(plain)
    # Three parts were whole.
    assert sum(len(asked.streams) for asked in read) == 3 + 2 + 2 + 2 + 3 - 3
    assert not (out / ".backbone.part").exists()


def test_a_second_run_reads_nothing_and_a_changed_or_new_file_is_read(
    plain: Path, media: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    shutil.copytree(plain, out)
    whole = replace(
        media,
        table=media.table.filter(pa.compute.not_equal(media.table["path"], "broken.mp4")),
    )
    monkeypatch.setattr(ReadStreams, "__call__", None)
    found = describe(whole, out)
    assert bits(out) == bits(plain)
    assert [stream["new"] for stream in found["streams"]] == [0, 0, 0]  # type: ignore[attr-defined]
    monkeypatch.undo()
    place = whole.table.column_names.index("fingerprint")
    changed = [
        "other" if path == "short.mp4" else old
        for path, old in zip(whole.column("path"), whole.column("fingerprint"), strict=True)
    ]
    again = replace(whole, table=whole.table.set_column(place, "fingerprint", pa.array(changed)))
    some = again.select(np.flatnonzero(again.column("path") == "short.mp4"))
    found = describe(some, out, WORDS[::2][:1])
    assert found["streams"][0]["new"] == 1  # type: ignore[index]
    store = FeatureStore.open(out / "s0.features")
    assert store.fingerprint("short.mp4") == "other"
    assert store.paths == ("flash.mp4", "short.mp4", "silent.mp4", "uneven.mkv")  # others stay
    np.testing.assert_array_equal(store.rows("flash.mp4"), values(plain, 0)["flash.mp4"])


def test_a_file_that_brings_its_process_down_costs_that_file(
    media: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collection, "ReadStreams", Fragile)
    found = describe(media, tmp_path, WORDS[:1], workers=2)
    kinds = {row["path"]: row["kind"] for row in found["files"]}  # type: ignore[attr-defined]
    assert kinds == {"silent.mp4": "crashed", "broken.mp4": "unreadable"}
    assert sorted(values(tmp_path, 0)) == ["flash.mp4", "short.mp4", "uneven.mkv"]
    monkeypatch.undo()
    assert describe(media, tmp_path, WORDS[:1])["streams"][0]["new"] == 1  # type: ignore[index]
    assert [problem.path for problem in read_problems(tmp_path / "s0_problems.parquet")] == [
        "broken.mp4"
    ]


class Fragile(ReadStreams):
    def __call__(self, asked: Asked) -> Iterator[object]:  # type: ignore[override]
        for heard in super().__call__(asked):
            yield heard
            if asked.path.name == "silent.mp4":
                os.kill(os.getpid(), signal.SIGSEGV)


def test_rows_that_are_not_finite_are_a_problem_of_that_file(
    media: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forward = Network._forward

    def broken(self: Network, windows: np.ndarray) -> np.ndarray:
        rows = forward(self, windows)
        bright = windows.reshape(len(windows), -1)
        rows[(bright.min(1) > 190) & (bright.max(1) < 230)] = np.nan  # towards the end of the flash
        return rows

    monkeypatch.setattr(Network, "_forward", broken)
    found = describe(media, tmp_path, WORDS[:1])
    said = [row for row in found["files"] if row["kind"] == "features"]  # type: ignore[attr-defined]
    assert [row["path"] for row in said] == ["flash.mp4"]
    assert said[0]["reason"].endswith("rows that s0 makes of it are not finite")


def test_frames_that_do_not_decode_are_said(tmp_path: Path) -> None:
    options = {"crf": "8", "preset": "fast", "g": "25"}
    path = write_video(
        tmp_path / "a.mkv", [40 * i for i in range(500)], picture=numbered, options=options
    )
    with av.open(str(path)) as container:
        packets = [(p.pos, p.pts) for p in container.demux(video=0) if p.size]
    damaged = bytearray(path.read_bytes())
    for pos, pts in packets:
        if 5000 <= pts < 8000:
            damaged[pos + 8 : pos + 16] = b"\x7f\xff\xff\xf0\0\0\0\0"  # lengths beyond the packet
    path.write_bytes(bytes(damaged))
    manifest = manifest_of(tmp_path, [{"path": "a.mkv", "start": 0.0, "end": 2.0}])
    describe(manifest, tmp_path / "out", WORDS[:1])
    (problem,) = read_problems(tmp_path / "out" / "s0_problems.parquet")
    assert (problem.kind, problem.action) == ("damaged", "these rows are of the frame before")
    assert problem.reason in [f"{lost} of 20 rows of s0 do not decode" for lost in (1, 2, 3)]
    assert len(values(tmp_path / "out", 0)["a.mkv"]) == 20


def test_a_stream_that_nothing_is_there_for_is_refused(media: Manifest, tmp_path: Path) -> None:
    silent = media.select(np.flatnonzero(media.column("path") == "silent.mp4"))
    with pytest.raises(
        UserError, match="no file of the manifest has audio, so there is nothing for s1"
    ):
        describe(silent, tmp_path)
    gone = replace(media, root=tmp_path / "gone")
    with pytest.raises(UserError, match=r"not one of 5 files can be described by s0; .* --root"):
        describe(gone, tmp_path, WORDS[:1])
