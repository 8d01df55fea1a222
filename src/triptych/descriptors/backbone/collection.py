"""Features of a collection: files are read in processes while networks run, and stores are left.

The rows of a file are kept as soon as they are whole: a run that was killed goes on from there. A
file that an earlier run has stored, and that has not changed, is not read again.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from triptych.atomic import alone
from triptych.clips.feature_store import SUFFIX, Described, FeatureStore, write_store
from triptych.clips.prefetch import Prefetch
from triptych.clips.streams import Asked, Ended, Heard, Lacking, ReadStreams, Windows
from triptych.clips.windows import count_rows
from triptych.descriptors.backbone.files import File, Halves, Parts, Stream, files_of, store_of
from triptych.descriptors.backbone.network import Network
from triptych.errors import UserError
from triptych.manifest.problems import Problem, read_problems, write_problems
from triptych.manifest.schema import Manifest
from triptych.progress import say, track
from triptych.workers import (
    Crashed,
    Done,
    Failed,
    Part,
    TimedOut,
    available_cores,
    stream_isolated,
)

SECONDS = 900.0  # a piece of a file that takes longer hangs
DEPTH = 8  # pieces that are read ahead, some megabytes each


@dataclass
class _Reading:
    """One stream of one file, until all of its rows are there."""

    handed: int = 0  # windows given to the network
    rows: list[Halves] = field(default_factory=list)
    ended: Ended | None = None

    @property
    def whole(self) -> bool:
        return self.ended is not None and sum(map(len, self.rows)) == self.handed


@dataclass
class Collection:
    """Where the stores of some streams go, and how they are made.

    ``workers`` read files, one a core if None, in this process if 0.
    """

    out: Path
    streams: Sequence[Stream]
    device: torch.device
    batch: int | None = None
    workers: int | None = None

    def describe(self, manifest: Manifest) -> dict[str, Any]:
        """Write a store for each stream; returns where they are and what is in them.

        Raises UserError where a stream has no file at all to describe.
        """
        files = files_of(manifest)
        for stream in self.streams:
            if not any(stream.modality in file.modalities for file in files):
                raise UserError(
                    f"{manifest.root}: no file of the manifest has {stream.modality}, so there is "
                    f"nothing for {stream.name}"
                )
        work = self.out / ".backbone.part"
        with alone(work):
            run = _Run(self, manifest, files, Parts(work, self.streams))
            run.read()
            found = [run.gather(number) for number in range(len(self.streams))]
            shutil.rmtree(work)
        problems = dict.fromkeys(problem for stream in run.problems for problem in stream)
        return {
            "files": [asdict(problem) for problem in problems],
            "streams": found,
        }


class _Run:
    """A pass over what is lacking, and the stores that it leaves."""

    def __init__(
        self, collection: Collection, manifest: Manifest, files: list[File], parts: Parts
    ) -> None:
        self.out, self.streams = collection.out, collection.streams
        self.device, self.batch = collection.device, collection.batch
        self.workers = collection.workers
        self.manifest, self.files, self.parts = manifest, files, parts
        self.before = [store_of(self.out, stream) for stream in self.streams]
        self.problems: list[list[Problem]] = [[] for _ in self.streams]
        self.reading: dict[tuple[int, int], _Reading] = {}  # by stream and file
        self.networks: list[Network] = []

    def read(self) -> None:
        """Read every file that a stream lacks, once for all of these, and keep the rows."""
        todo = [(file, self._lacking(file)) for file in self.files]
        todo = [(file, lacking) for file, lacking in todo if lacking]
        there = len(self.files) - len(todo)
        if there:
            say(f"{there} of {len(self.files)} files were described before, or have nothing to be")
        if not todo:
            return
        self.networks = [
            Network(stream.backbone, self.device, self.batch) for stream in self.streams
        ]
        rows = sum(
            count_rows(file.end, self.streams[stream].rate)
            for file, lacking in todo
            for stream in lacking
        )
        for _ in track(self._pass(todo), rows, "rows of features"):
            pass
        for stream, network in zip(self.streams, self.networks, strict=True):
            if network.cut:
                say(
                    f"{stream.name}: {network.cut} numbers were beyond half precision, and are its "
                    "largest now"
                )

    def _lacking(self, file: File) -> tuple[int, ...]:
        """The streams that have no rows of a file yet."""
        return tuple(
            number
            for number, stream in enumerate(self.streams)
            if stream.modality in file.modalities
            and not self._kept(number, file)
            and not self.parts.file(number, file).exists()
        )

    def _kept(self, stream: int, file: File) -> FeatureStore | None:
        """The store of an earlier run, where it has the file as it is now."""
        store = self.before[stream]
        if store and store.has(file.path) and store.fingerprint(file.path) == file.fingerprint:
            return store
        return None

    def _pass(self, todo: list[tuple[File, tuple[int, ...]]]) -> Iterator[None]:
        """One pass over the files; yields for each row that is made."""
        asked = [Asked(self.manifest.root / file.path, lacking, file.end) for file, lacking in todo]
        read = ReadStreams(tuple(stream.form for stream in self.streams))
        workers = self.workers
        if workers is None:
            workers = min(len(todo), available_cores())
        for number, (_, lacking) in enumerate(todo):
            self.reading |= {(stream, number): _Reading() for stream in lacking}
        results = stream_isolated(read, asked, workers=workers, seconds=SECONDS)
        for number, result in Prefetch(results, DEPTH):
            file = todo[number][0]
            if isinstance(result, Part):
                yield from self._take(number, file, result.value, todo)
            elif not isinstance(result, Done):
                self._drop(number, file, *_why(result))
        for stream, network in enumerate(self.networks):
            yield from self._put(stream, network.finish(), todo)

    def _take(
        self,
        number: int,
        file: File,
        heard: Heard,
        todo: list[tuple[File, tuple[int, ...]]],
    ) -> Iterator[None]:
        if isinstance(heard, Lacking):
            self._drop(number, file, _kind(heard.reason), heard.reason, heard.modality)
            return
        reading = self.reading[heard.stream, number]
        if isinstance(heard, Windows):
            reading.handed += len(heard.values)
            network = self.networks[heard.stream]
            yield from self._put(heard.stream, network.add(number, heard.values), todo)
        else:
            reading.ended = heard
            self._keep(heard.stream, number, file)

    def _put(
        self,
        stream: int,
        made: Iterator[tuple[int, Halves]],
        todo: list[tuple[File, tuple[int, ...]]],
    ) -> Iterator[None]:
        """Rows that a network has made, to the files that they are of."""
        for number, rows in made:
            if (stream, number) in self.reading:
                self.reading[stream, number].rows.append(rows)
                self._keep(stream, number, todo[number][0])
            for _ in rows:
                yield

    def _keep(self, stream: int, number: int, file: File) -> None:
        """Write the rows of a file if they are whole."""
        reading = self.reading[stream, number]
        if not reading.whole or reading.ended is None:
            return
        del self.reading[stream, number]
        dim = self.streams[stream].backbone.encoder.dim
        rows = np.concatenate([*reading.rows, np.empty((0, dim), np.float16)])[: reading.ended.rows]
        name = self.streams[stream].name
        if not np.isfinite(rows).all():
            broken = int((~np.isfinite(rows).all(axis=1)).sum())
            why = f"{broken} of {len(rows)} rows that {name} makes of it are not finite"
            self.problems[stream].append(Problem(file.path, "features", why, "not described"))
            return
        self.parts.write(stream, file, rows, reading.ended.lost)

    def _drop(
        self, number: int, file: File, kind: str, why: str, modality: str | None = None
    ) -> None:
        """Give up what is not whole of a file, or of one modality of it, and say why."""
        reason = why.removeprefix(f"{self.manifest.root / file.path}: ")
        action = "not described"
        if kind in ("crashed", "timeout"):
            action += "; the same command tries it again"
        for stream, some in enumerate(self.streams):
            reading = self.reading.get((stream, number))
            if reading and reading.ended is None and modality in (None, some.modality):
                del self.reading[stream, number]
                self.problems[stream].append(Problem(file.path, kind, reason, action))

    def gather(self, number: int) -> dict[str, Any]:
        """Write the store of a stream, and its problems; what is in it."""
        stream, before = self.streams[number], self.before[number]
        folder = self.out / f"{stream.name}{SUFFIX}"
        beside = self.out / f"{stream.name}_problems.parquet"
        earlier = read_problems(beside) if before and beside.exists() else []
        known = {file.path for file in self.files}
        kept = {file.path for file in self.files if self._kept(number, file)}
        new = [file for file in self.files if self.parts.file(number, file).exists()]
        if not kept and not new:
            raise self._nothing(number)
        stays = [path for path in before.paths if path not in known] if before else []
        problems = [item for item in earlier if item.path in kept or item.path in stays]
        problems += self.problems[number] + [
            problem for file in new if (problem := self._lost(number, file))
        ]
        if new or not before:
            rows = self._described(number, sorted({*kept, *stays, *(file.path for file in new)}))
            write_store(folder, stream.spec(self.manifest.digest), rows)
        write_problems(beside, sorted(problems, key=lambda problem: problem.path))
        self.problems[number] = problems
        store = FeatureStore.open(folder)
        return {
            "name": stream.name,
            "modality": stream.modality,
            "rate": stream.rate,
            "dim": store.dim,
            "files": len(store),
            "new": len(new),
            "rows": int(store.counts.sum()),
            "store": str(folder),
        }

    def _described(self, number: int, paths: Sequence[str]) -> Iterator[Described]:
        files = {file.path: file for file in self.files}
        for path in paths:
            file, before = files.get(path), self.before[number]
            if file and self.parts.file(number, file).exists():
                yield Described(path, file.fingerprint, self.parts.read(number, file)[0])
            elif before:
                yield Described(path, before.fingerprint(path), before.rows(path))

    def _lost(self, number: int, file: File) -> Problem | None:
        rows, lost = self.parts.read(number, file)
        if not lost:
            return None
        name = self.streams[number].name
        return Problem(
            file.path,
            "damaged",
            f"{lost} of {len(rows)} rows of {name} do not decode",
            "these rows are of the frame before",
        )

    def _nothing(self, number: int) -> UserError:
        problems = self.problems[number]
        first = min(problems, key=lambda problem: problem.path)
        return UserError(
            f"{self.manifest.root}: not one of {len(problems)} files can be described by "
            f"{self.streams[number].name}; {first.path}: {first.reason}; say where the files are "
            "with --root if they have moved"
        )


def _kind(reason: str) -> str:
    for kind, said in (
        ("unreadable", "cannot be opened"),
        ("no-video", "has no video"),
        ("no-audio", "has no sound"),
    ):
        if said in reason:
            return kind
    return "damaged"


def _why(result: Crashed | TimedOut | Failed) -> tuple[str, str]:
    """The kind of a problem, and the reason; what is wrong for all files is raised."""
    if isinstance(result, Crashed):
        return "crashed", f"it brings the decoder down: {result.reason}"
    if isinstance(result, TimedOut):
        return "timeout", f"not read within {result.seconds:.0f} s"
    raise UserError(result.error)
