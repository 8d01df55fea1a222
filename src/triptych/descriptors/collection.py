"""The trajectories of many videos as vectors: sample, fit, encode, each taken up where it stopped.

Worker processes take a video each and leave their results on disk; no video's rows are ever held
whole. Of what is fitted to, the projected rows of the sample are held.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from triptych.atomic import alone, whole_file
from triptych.descriptors.choices import Level, keypoints
from triptych.descriptors.finding import Finding
from triptych.descriptors.how import How
from triptych.descriptors.kernels import ready
from triptych.descriptors.model import FisherModel, FisherSettings
from triptych.descriptors.running import Task, one_by_one, side_by_side
from triptych.descriptors.sample import Block, chosen
from triptych.descriptors.table import DescriptorTable, read_info
from triptych.descriptors.videos import REVISION, WIDTH, Encode, Sample, Store, Video, videos_of
from triptych.errors import UsageError, UserError
from triptych.manifest.problems import Problem, read_problems, write_problems
from triptych.manifest.schema import Manifest
from triptych.progress import say, track

Problems = dict[str, Problem]

PASSING = {"crashed", "timeout"}  # may go well next time


@dataclass(frozen=True)
class Collection:
    """Where a collection's descriptors go, and how."""

    out: Path
    vector: Literal["sketch", "fisher"] = "sketch"
    workers: int | None = None  # processes; None: one a core; 0: in this one
    keep_rows: bool = False
    level: Level = "video"  # what gets a vector

    def describe(
        self,
        manifest: Manifest,
        settings: FisherSettings,
        how: How,
        *,
        model: Path | None = None,
        boxes: Path | None = None,
    ) -> dict[str, Any]:
        """Write the table, the model and the problems; returns where they are and what is in them.

        Rows are made as those were that ``model`` was fitted to, where there is one. What is there
        already, of the same videos in the same way, is not made again. Raises UserError where
        nothing can be described.
        """
        fitted = FisherModel.load(model) if model else None
        if fitted:
            how = _as_fitted(how, fitted, model)
        videos = videos_of(manifest, how, boxes, self.level)
        if not videos:
            raise UserError(f"{manifest.root}: no videos in the manifest, so nothing to describe")
        if boxes:
            _tell_boxes(videos, boxes)
        if fitted:
            _compare(fitted, how.people, boxes)
        work = self.out / ".idt.part"
        store = Store(work, self.out / "idt_rows" if self.keep_rows else work / "rows")
        of = self._made_of(videos, fitted.digest if fitted else settings.model_dump())
        if there := self._there(videos, store, of):
            return there
        with alone(work):
            _sweep(store)
            problems: Problems = {}
            if fitted is None:
                fitted = self._fit(videos, settings, how, store, problems)
            made = f"{self.vector}-{fitted.digest}"
            encode = Encode(store, fitted, self.vector == "sketch", made, self.keep_rows)
            left = [video for video in videos if not encode.done(video)]
            if len(left) < len(videos):
                say(f"{len(videos) - len(left)} of {len(videos)} videos were described before")
            self._run(encode, left, "videos described", problems)
            found = self._gather(videos, store, made, fitted, problems, of)
            if not PASSING & {problem.kind for problem in problems.values()}:
                shutil.rmtree(work)
        return found

    def _made_of(self, videos: Sequence[Video], model: str | dict[str, Any]) -> str:
        """16 hex digits that change with the videos, and with whatever decides their vectors."""
        each = [(video.key, video.clips) for video in videos]
        whole = json.dumps([self.vector, self.level, model, each])
        return hashlib.sha256(whole.encode()).hexdigest()[:16]

    def _there(self, videos: Sequence[Video], store: Store, of: str) -> dict[str, Any] | None:
        """What ``describe`` returns, if all of that lies there, finished; said in a line."""
        info = read_info(self._file(".parquet"))
        if info.get("made_of") != of:
            return None
        try:
            model = FisherModel.load(self._file(".safetensors"))
            listed = read_problems(self._file("_problems.parquet"))
            table = DescriptorTable.read(self._file(".parquet"))
        except (UserError, OSError, ValueError, TypeError):  # something of it is gone, or damaged
            return None
        if model.digest != info.get("model") or PASSING & {problem.kind for problem in listed}:
            return None
        described = [video for video in videos if video.path in table.paths]
        if self.keep_rows and not all(map(store.has_rows_of, described)):
            return None
        say(f"{self.out}: these videos are described already; remove idt.parquet to do it again")
        return self._told(table, listed, videos[0].how)

    def _file(self, ending: str) -> Path:
        return self.out / f"idt{ending}"

    @property
    def _boxes(self) -> Path:
        """Where boxes of people that were found are left, as ``--boxes`` reads them."""
        return self.out / "idt_boxes"

    def _fit(
        self,
        videos: Sequence[Video],
        settings: FisherSettings,
        how: How,
        store: Store,
        problems: Problems,
    ) -> FisherModel:
        paths = set(chosen([video.path for video in videos], settings.videos, settings.seed))
        drawn = [video for video in videos if video.path in paths]
        sample_one = Sample(store, settings)
        left = [video for video in drawn if not sample_one.done(video)]
        self._run(sample_one, left, "videos sampled", problems)
        files = {video.path: store.sample_of(video, settings) for video in drawn}
        sample = {path: file for path, file in files.items() if path not in problems}
        if not sample:
            raise _nothing(videos[0].root, problems)
        digest = hashlib.sha256(json.dumps(settings.model_dump()).encode())
        digest.update("\x1f".join(sorted(file.name for file in sample.values())).encode())
        kept = store.work / f"model-{digest.hexdigest()[:16]}.safetensors"
        if kept.exists():
            return FisherModel.load(kept)
        rows = SampleFiles(sample)
        say(f"fitting {settings.components} components to rows of {len(rows)} videos")
        source = {"descriptor": "idt", **how.facts, "revision": REVISION}
        fitted = FisherModel.fit(rows, settings, source=source)
        fitted.save(kept)
        return fitted

    def _run(self, task: Task, videos: Sequence[Video], what: str, problems: Problems) -> None:
        """One call of ``task`` for each video that has no problem yet."""
        left = [video for video in videos if video.path not in problems]
        device = videos[0].how.device if videos else None
        if device is None:
            if left:
                ready()
            found = one_by_one(task, left, self.workers)
        else:
            found = side_by_side(task, left, self.workers, device)
        for problem in track(found, len(left), what):
            if problem:
                problems[problem.path] = problem

    def _gather(
        self,
        videos: Sequence[Video],
        store: Store,
        made: str,
        fitted: FisherModel,
        problems: Problems,
        of: str,
    ) -> dict[str, Any]:
        described = [video for video in videos if video.path not in problems]
        if not described:
            raise _nothing(videos[0].root, problems)
        count = sum(len(video.clips) or 1 for video in described)
        length = fitted.settings.sketch if self.vector == "sketch" else fitted.dim
        vectors, counts = np.empty((count, length), np.float32), np.empty(count, np.int64)
        paths: list[str] = []
        starts: list[float | None] = []
        dropped = 0
        for video in described:
            one = DescriptorTable.read(store.vector_of(video, made))
            rows = slice(len(paths), len(paths) + len(one))
            vectors[rows] = one.vectors
            counts[rows] = 0 if one.trajectories is None else one.trajectories
            paths += one.paths
            starts += one.starts or [None]
            dropped += one.info["dropped"]
            if (boxes := store.boxes_of(video)).exists():
                with whole_file(self._boxes / f"{video.path}.csv") as beside:
                    shutil.copyfile(boxes, beside)
        info = {
            "descriptor": "idt",
            "vector": self.vector,
            "level": self.level,
            "model": fitted.digest,
            "made_of": of,
            "settings": fitted.settings.model_dump(),
            "source": fitted.facts["source"],
            "with_boxes": sum(video.boxes is not None for video in described),
            "dropped": dropped,
        }
        if people := videos[0].how.people:
            info["people"] = people.facts
        when = tuple(starts) if self.level == "clip" else None
        table = DescriptorTable(tuple(paths), vectors, counts, info, when)
        listed = [problems[path] for path in sorted(problems)]
        fitted.save(self._file(".safetensors"))
        write_problems(self._file("_problems.parquet"), listed)
        table.write(self._file(".parquet"))
        return self._told(table, listed, videos[0].how)

    def _told(self, table: DescriptorTable, listed: Sequence[Problem], how: How) -> dict[str, Any]:
        counts = np.zeros(0) if table.trajectories is None else table.trajectories
        return {
            "files": [asdict(problem) for problem in listed],
            "descriptors": str(self._file(".parquet")),
            "model": str(self._file(".safetensors")),
            "rows": str(self.out / "idt_rows") if self.keep_rows else None,
            "boxes": str(self._boxes) if how.people else None,
            "videos": len(set(table.paths)),
            "vectors": len(table),
            "without_motion": int((counts == 0).sum()),
            "trajectories": int(counts.sum()),
            "length": table.vectors.shape[1],
        }


class SampleFiles(Mapping[str, Block]):
    """The sampled rows of videos, read from their files whenever they are asked for."""

    def __init__(self, files: Mapping[str, Path]) -> None:
        self._files = files

    def __getitem__(self, path: str) -> Block:
        rows: Block = np.load(self._files[path])
        return rows

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)


def _as_fitted(how: How, fitted: FisherModel, path: Path | None) -> How:
    """The same, but that rows are made as those were that a model was fitted to."""
    source = _source(fitted)
    made = source.get("descriptor") == "idt" and source.get("revision") == REVISION
    if not made or len(fitted.projection.mean) != WIDTH:
        raise UserError(
            f"{path}: not fitted to these trajectories; fit one with `triptych describe`"
        )
    fast = bool(source.get("fast"))
    if fast and how.device:
        raise UserError(f"{path}: fitted to the fast mode, which no device has; leave out --device")
    try:
        return replace(how, keypoints=keypoints(str(source.get("keypoints"))), fast=fast)
    except UsageError as error:
        raise UserError(f"{path}: {error}; take another model") from None


def _source(fitted: FisherModel) -> dict[str, Any]:
    """What a model was fitted to, as ``_fit`` writes it; empty where it is of other rows."""
    source = fitted.facts.get("source")
    return source if isinstance(source, dict) else {}


def _compare(fitted: FisherModel, people: Finding | None, boxes: Path | None) -> None:
    """Say where people were found otherwise for what the model was fitted to than they are now."""
    then = _source(fitted).get("people")
    now = people.facts if people else None
    if then != now and not boxes:
        said = [json.dumps(facts) if facts else "in no way" for facts in (then, now)]
        say(f"people were found {said[0]} for what the model was fitted to, and are {said[1]} here")


def _tell_boxes(videos: Sequence[Video], folder: Path) -> None:
    """Say how many videos have no boxes in ``folder``; UserError where none has any."""
    without = [video.path for video in videos if video.boxes is None]
    if len(without) == len(videos):
        raise UserError(
            f"{folder}: boxes for none of {len(videos)} videos; those of {without[0]} would be in "
            f"{folder / without[0]}.csv"
        )
    if without:
        say(f"{folder}: no boxes for {len(without)} of {len(videos)} videos, as {without[0]}")


def _nothing(root: Path, problems: Problems) -> UserError:
    first = problems[min(problems)]
    return UserError(
        f"{root}: not one of {len(problems)} videos can be described; {first.path}: "
        f"{first.reason}; say where the videos are with --root if they have moved"
    )


def _sweep(store: Store) -> None:
    """Remove what writers that were killed have left; no other runs, for the folder is held."""
    for folder in (store.work, store.rows):
        for file in folder.rglob(".*.part"):
            file.unlink(missing_ok=True)
