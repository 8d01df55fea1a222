"""Make a clip cache: files decoded in worker processes that write to their places on the disk.

Everything lies in a hidden folder beside the target until it is whole. A build that was killed is
taken up where it stopped, by a journal of finished work which is written after the data is on disk.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from triptych.atomic import write_json, write_table
from triptych.clips.audio import AudioReader
from triptych.clips.cache import INDEX, Layout, description, layout
from triptych.clips.decode import DecodeError, Media, VideoReader
from triptych.clips.sample import ClipSpec
from triptych.errors import UserError
from triptych.manifest.problems import Problem
from triptych.manifest.schema import Manifest
from triptych.progress import say, track
from triptych.workers import Crashed, Done, Result, TimedOut, run_isolated

CHUNK = 64  # clips of one file that one piece of work decodes
# Of a long clip, what is held in memory before it is written.
PIECE_FRAMES = 256
PIECE_SECONDS = 60
SYNC_SECONDS = 5.0


@dataclass(frozen=True)
class Slot:
    """A clip and its place in the two files, in frames and in samples."""

    row: int
    start: float
    end: float
    frame: int
    frames: int
    sample: int
    samples: int


@dataclass(frozen=True)
class Work:
    """Clips of one file, in the order of time, and where to write them."""

    path: Path
    slots: tuple[Slot, ...]
    folder: Path
    spec: ClipSpec

    @property
    def seconds(self) -> float:
        """A time after which it hangs rather than is slow: decoding may start at the beginning."""
        span = self.slots[-1].end - self.slots[0].start
        return 120 + 20 * span + self.slots[-1].end


Failure = tuple[int, str, str]  # row, modality, reason


def build(
    manifest: Manifest,
    spec: ClipSpec,
    folder: Path,
    *,
    workers: int,
    max_seconds: float | None = None,
    modalities: tuple[str, ...] = ("video", "audio"),
) -> list[Problem]:
    """Make the cache of ``manifest`` in ``folder``; open it with `ClipCache.open`.

    Of a clip longer than ``max_seconds`` the centre is kept, None: as ``spec`` asks. Raises
    UserError where the disk has no room. A clip that does not decode is marked absent in that
    modality; a row per file says so, with the reason.
    """
    plan = layout(manifest, spec, max_seconds, modalities)
    about = description(manifest, spec, max_seconds, modalities)
    part = folder.with_name(f".{folder.name}.part")
    with _claim(part, about) as journal:
        _reserve(part, plan, folder)
        finished, failures = _read_journal(part)
        todo = [w for w in _split(manifest, plan, part, spec) if w.slots[0].row not in finished]
        say(f"clip cache: {len(manifest)} clips, {_gigabytes(plan)}, in {folder}")
        failures += _run(todo, part, journal, workers)
        _finish(part, folder, manifest, plan, about, failures)
    return _problems(manifest, failures)


def store(work: Work) -> list[Failure]:
    """Decode one piece of work and write it; in a worker process. Returns what failed."""
    failures: list[Failure] = []
    with ExitStack() as stack:
        try:
            media = Media(work.path)
        except DecodeError as error:
            return _all_failed(work, str(error))
        stack.callback(media.close)
        for modality, put in (("video", _put_video), ("audio", _put_audio)):
            try:
                failures += put(work, media)
            except DecodeError as error:
                failures += _all_failed(work, str(error), (modality,))
    return failures


def _put_video(work: Work, media: Media) -> list[Failure]:
    left = [slot for slot in work.slots if slot.frames]
    failures: list[Failure] = []
    if not left:
        return failures
    video = VideoReader(media)
    with (work.folder / "frames.bin").open("r+b", buffering=0) as file:
        while left:
            done: set[int] = set()
            try:
                for slot, lost in _pass(work, left, video, file.fileno(), done):
                    if 2 * lost > slot.frames:
                        why = (
                            f"{lost} of {slot.frames} frames do not decode "
                            "or come after the last one"
                        )
                        failures.append((slot.row, "video", why))
                left = []
            except DecodeError as error:  # of the clip at hand; those after it may be sound
                left = [slot for slot in left if slot.row not in done]
                failures.append((left.pop(0).row, "video", str(error)))
    return failures


def _pass(
    work: Work, slots: list[Slot], video: VideoReader, file: int, done: set[int]
) -> Iterator[tuple[Slot, int]]:
    """Decode clips, which may overlap, in one pass; yield each with its number of lost frames."""
    (height, width), rate = work.spec.stored, work.spec.frame_rate
    times = np.concatenate([slot.start + np.arange(slot.frames) / rate for slot in slots])
    owner = np.repeat(np.arange(len(slots)), [slot.frames for slot in slots])
    order = np.argsort(times, kind="stable")
    held: dict[int, list[Any]] = defaultdict(list)
    lost: dict[int, int] = defaultdict(int)
    written: dict[int, int] = defaultdict(int)
    for which, (frame, stale) in zip(
        owner[order].tolist(), video.stream(times[order], height, width), strict=True
    ):
        slot = slots[which]
        held[which].append(frame)
        lost[which] += stale
        whole = written[which] + len(held[which]) == slot.frames
        if whole or len(held[which]) == PIECE_FRAMES:
            piece = np.stack(held.pop(which))
            _write(file, piece, (slot.frame + written[which]) * height * width * 3)
            written[which] += len(piece)
        if whole:
            done.add(slot.row)
            yield slot, lost[which]


def _put_audio(work: Work, media: Media) -> list[Failure]:
    slots = [slot for slot in work.slots if slot.samples]
    failures: list[Failure] = []
    if not slots:
        return failures
    sound = AudioReader(media)
    with (work.folder / "audio.bin").open("r+b", buffering=0) as file:
        for slot in slots:
            try:
                _put_sound(slot, sound, work.spec.sample_rate, file.fileno())
            except DecodeError as error:
                failures.append((slot.row, "audio", str(error)))
    return failures


def _put_sound(slot: Slot, sound: AudioReader, rate: int, file: int) -> None:
    """Decode and write the sound of a clip, in pieces where it is long."""
    at = round(slot.start * rate)
    for first in range(0, slot.samples, PIECE_SECONDS * rate):
        last = min(first + PIECE_SECONDS * rate, slot.samples)
        samples = sound.samples((at + first) / rate, (at + last) / rate, rate)
        piece = np.round(samples * 32767).astype(np.int16)
        _write(file, piece, (slot.sample + first) * 2)


def _write(file: int, array: npt.NDArray[Any], offset: int) -> None:
    raw: Any = array.reshape(-1).view(np.uint8)
    view = memoryview(raw)
    while view:
        written = os.pwrite(file, view, offset)
        view, offset = view[written:], offset + written


def _all_failed(
    work: Work, why: str, modalities: tuple[str, ...] = ("video", "audio")
) -> list[Failure]:
    return [
        (slot.row, modality, why)
        for slot in work.slots
        for modality in modalities
        if (slot.frames if modality == "video" else slot.samples)
    ]


def _split(manifest: Manifest, plan: Layout, part: Path, spec: ClipSpec) -> list[Work]:
    columns = (plan.start, plan.end, plan.frame, plan.frames, plan.sample, plan.samples)
    rows: dict[str, list[Slot]] = defaultdict(list)
    for row, (path, *place) in enumerate(
        zip(manifest.column("path"), *(column.tolist() for column in columns), strict=True)
    ):
        if place[3] or place[5]:
            rows[str(path)].append(Slot(row, *place))
    pieces = []
    for path, slots in rows.items():
        slots.sort(key=lambda slot: slot.start)
        for first in range(0, len(slots), CHUNK):
            chosen = tuple(slots[first : first + CHUNK])
            pieces.append(Work(manifest.root / path, chosen, part, spec))
    return pieces


def _seconds(work: Work) -> float:
    return work.seconds


def _run(todo: list[Work], part: Path, journal: TextIO, workers: int) -> list[Failure]:
    failures: list[Failure] = []
    waiting: list[str] = []
    synced = time.monotonic()
    results = run_isolated(store, todo, workers=workers, seconds=_seconds)
    for index, result in track(results, len(todo), "making the clip cache"):
        work = todo[index]
        failed = _failures(work, result)
        failures += failed
        waiting.append(json.dumps([work.slots[0].row, failed]))
        if time.monotonic() - synced > SYNC_SECONDS:
            _sync(part, journal, waiting)
            synced = time.monotonic()
    _sync(part, journal, waiting)
    return failures


def _failures(work: Work, result: Result[list[Failure]]) -> list[Failure]:
    if isinstance(result, Done):
        return result.value
    if isinstance(result, Crashed):
        return _all_failed(work, f"crashed: {result.reason}")
    if isinstance(result, TimedOut):
        return _all_failed(work, f"timeout: not decoded within {result.seconds:.0f} s")
    return _all_failed(work, result.error)


def _sync(part: Path, journal: TextIO, waiting: list[str]) -> None:
    """The data first, then the lines that say it is there."""
    for name in ("frames.bin", "audio.bin"):
        handle = os.open(part / name, os.O_RDWR)
        os.fsync(handle)
        os.close(handle)
    journal.writelines(f"{line}\n" for line in waiting)
    journal.flush()
    os.fsync(journal.fileno())
    waiting.clear()


@contextmanager
def _claim(part: Path, about: dict[str, Any]) -> Iterator[TextIO]:
    """The journal of the build, locked; what a build of something else left is removed."""
    part.mkdir(parents=True, exist_ok=True)
    with (part / "journal").open("a+", encoding="utf-8") as journal:
        try:
            fcntl.flock(journal, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise UserError(f"{part}: another process is making this cache; wait for it") from None
        plan = part / "plan.json"
        try:
            same = json.loads(plan.read_text(encoding="utf-8")) == about
        except (OSError, ValueError):
            same = False
        if not same:
            for name in ("plan.json", "frames.bin", "audio.bin"):
                (part / name).unlink(missing_ok=True)
            journal.truncate(0)
            write_json(plan, about)
        yield journal


def _read_journal(part: Path) -> tuple[set[int], list[Failure]]:
    finished: set[int] = set()
    failures: list[Failure] = []
    for line in (part / "journal").read_text(encoding="utf-8").splitlines():
        try:
            row, failed = json.loads(line)
        except ValueError:  # the last line of a machine that lost its power
            break
        finished.add(row)
        failures += [(int(r), str(m), str(why)) for r, m, why in failed]
    return finished, failures


def _reserve(part: Path, plan: Layout, folder: Path) -> None:
    """Take the room on the disk now, so that no write fails later."""
    sizes = {"frames.bin": plan.frame_bytes, "audio.bin": plan.sample_bytes}
    held = sum((part / name).stat().st_blocks * 512 for name in sizes if (part / name).exists())
    free = shutil.disk_usage(part).free
    if sum(sizes.values()) - held > free:
        shutil.rmtree(part)
        raise UserError(
            f"{folder}: the clip cache needs {_gigabytes(plan)}, the disk has "
            f"{free / 2**30:.2f} GiB free; make room, name a folder on another disk, "
            "or train from the files"
        )
    for name, size in sizes.items():
        handle = os.open(part / name, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            if size and hasattr(os, "posix_fallocate"):
                os.posix_fallocate(handle, 0, size)
            os.ftruncate(handle, size)
        finally:
            os.close(handle)


def _finish(
    part: Path,
    folder: Path,
    manifest: Manifest,
    plan: Layout,
    about: dict[str, Any],
    failures: list[Failure],
) -> None:
    has = {"video": plan.frames > 0, "audio": plan.samples > 0}
    for row, modality, _ in failures:
        has[modality][row] = False
    columns = {name: getattr(plan, name) for name in INDEX.names[1:-2]}
    columns |= {f"has_{name}": value for name, value in has.items()}
    table = pa.table({"clip_id": manifest.table["clip_id"], **columns}).cast(INDEX)
    write_table(part / "index.parquet", table)
    write_json(part / "spec.json", about)
    (part / "plan.json").unlink()
    (part / "journal").unlink()
    old = folder.with_name(f".{folder.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        os.replace(folder, old)
    os.replace(part, folder)
    shutil.rmtree(old, ignore_errors=True)


def _problems(manifest: Manifest, failures: list[Failure]) -> list[Problem]:
    """One row for each file and modality, with the first reason."""
    grouped: dict[tuple[str, str], list[str]] = defaultdict(list)
    for row, modality, why in sorted(failures):
        grouped[str(manifest.table["path"][row].as_py()), modality].append(why)
    return [
        Problem(
            path=path,
            kind=_kind(reasons[0]),
            reason=f"{modality} of {len(reasons)} clips: {reasons[0]}",
            action=f"these clips take no part in {modality}",
        )
        for (path, modality), reasons in grouped.items()
    ]


def _kind(why: str) -> str:
    for kind in ("crashed", "timeout"):
        if why.startswith(kind):
            return kind
    return "unreadable" if "cannot be opened" in why else "damaged"


def _gigabytes(plan: Layout) -> str:
    return f"{(plan.frame_bytes + plan.sample_bytes) / 2**30:.2f} GiB"
