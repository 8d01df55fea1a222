"""The trajectories of many videos as vectors: sample, fit, encode, each taken up where it stopped.

Worker processes take a video each and leave their results on disk; no video's rows are ever held
whole. What is fitted is held: the sample, as float32.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from triptych.atomic import alone
from triptych.descriptors.batched.device import Device
from triptych.descriptors.choices import Keypoints, keypoints
from triptych.descriptors.model import FisherModel, FisherSettings
from triptych.descriptors.running import Task, one_by_one, side_by_side
from triptych.descriptors.sample import Block, chosen
from triptych.descriptors.table import DescriptorTable
from triptych.descriptors.videos import REVISION, Encode, Sample, Store, Video, videos_of
from triptych.errors import UserError
from triptych.manifest.problems import Problem, write_problems
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
    device: Device | None = None  # that makes the rows; None: the compiled program does

    def describe(
        self,
        manifest: Manifest,
        settings: FisherSettings,
        how: Keypoints,
        *,
        model: Path | None = None,
        boxes: Path | None = None,
    ) -> dict[str, Any]:
        """Write the table, the model and the problems; returns where they are and what is in them.

        Raises UserError where nothing can be described.
        """
        fitted = FisherModel.load(model) if model else None
        if fitted:
            how = _how(fitted, model)
        videos = videos_of(manifest, how, boxes, self.device is not None)
        if not videos:
            raise UserError(f"{manifest.root}: no videos in the manifest, so nothing to describe")
        work = self.out / ".idt.part"
        with alone(work):
            store = Store(work, self.out / "idt_rows" if self.keep_rows else work / "rows")
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
            found = self._gather(manifest, videos, store, made, fitted, problems)
            if not PASSING & {problem.kind for problem in problems.values()}:
                shutil.rmtree(work)
        return found

    def _fit(
        self,
        videos: Sequence[Video],
        settings: FisherSettings,
        how: Keypoints,
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
        rows: dict[str, Block] = {path: np.load(file, "r") for path, file in sample.items()}
        say(f"fitting {settings.components} components to {sum(map(len, rows.values()))} rows")
        source = {"descriptor": "idt", "keypoints": how, "revision": REVISION}
        fitted = FisherModel.fit(rows, settings, source=source)
        fitted.save(kept)
        return fitted

    def _run(self, task: Task, videos: Sequence[Video], what: str, problems: Problems) -> None:
        """One call of ``task`` for each video that has no problem yet."""
        left = [video for video in videos if video.path not in problems]
        if self.device is None:
            found = one_by_one(task, left, self.workers)
        else:
            found = side_by_side(task, left, self.workers, self.device)
        for problem in track(found, len(left), what):
            if problem:
                problems[problem.path] = problem

    def _gather(
        self,
        manifest: Manifest,
        videos: Sequence[Video],
        store: Store,
        made: str,
        fitted: FisherModel,
        problems: Problems,
    ) -> dict[str, Any]:
        described = [video for video in videos if video.path not in problems]
        if not described:
            raise _nothing(manifest.root, problems)
        length = fitted.settings.sketch if self.vector == "sketch" else fitted.dim
        vectors = np.empty((len(described), length), np.float32)
        counts = np.empty(len(described), np.int64)
        dropped = 0
        for row, video in enumerate(described):
            one = DescriptorTable.read(store.vector_of(video, made))
            vectors[row], counts[row] = one.vectors[0], one.trajectories[0]  # type: ignore[index]
            dropped += one.info["dropped"]
        info = {
            "descriptor": "idt",
            "vector": self.vector,
            "model": fitted.digest,
            "settings": fitted.settings.model_dump(),
            "source": fitted.facts["source"],
            "with_boxes": sum(video.boxes is not None for video in described),
            "dropped": dropped,
        }
        table, model = self.out / "idt.parquet", self.out / "idt.safetensors"
        DescriptorTable(tuple(v.path for v in described), vectors, counts, info).write(table)
        fitted.save(model)
        listed = [problems[path] for path in sorted(problems)]
        write_problems(self.out / "idt_problems.parquet", listed)
        return {
            "files": [asdict(problem) for problem in listed],
            "descriptors": str(table),
            "model": str(model),
            "rows": str(store.rows) if self.keep_rows else None,
            "videos": len(described),
            "without_motion": int((counts == 0).sum()),
            "trajectories": int(counts.sum()),
            "length": length,
        }


def _how(fitted: FisherModel, path: Path | None) -> Keypoints:
    """How the rows were made that a model was fitted to; those to be encoded are made alike."""
    source = fitted.facts.get("source") or {}
    if source.get("descriptor") != "idt" or source.get("revision") != REVISION:
        raise UserError(
            f"{path}: not fitted to these trajectories; fit one with `triptych describe`"
        )
    return keypoints(str(source.get("keypoints")))


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
