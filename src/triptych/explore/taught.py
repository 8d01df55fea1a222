"""A run and the clips it learned from: the clusters that its checkpoint was taught by."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from triptych.embeddings.extract import Features
from triptych.embeddings.table import EmbeddingTable
from triptych.errors import UserError
from triptych.manifest.schema import Manifest
from triptych.progress import say
from triptych.state import checkpoint
from triptych.state.assignments import Assignment
from triptych.state.training_state import load_assignments


@dataclass(frozen=True)
class Taught:
    """``assignments`` are keyed by clustering, their labels by the manifest's rows.

    ``embeddings`` are of these weights and hold every clip of the manifest, in any order; None
    where there are none.
    """

    checkpoint: Path
    facts: dict[str, Any]
    assignments: dict[str, Assignment]
    manifest: Manifest
    embeddings: EmbeddingTable | None

    @classmethod
    def read(
        cls,
        work: Path,
        manifest: Path | None = None,
        embeddings: Path | None = None,
        root: Path | None = None,
    ) -> Taught:
        """From a folder that ``fit`` left, a run's folder, or a checkpoint of one.

        The last two need ``manifest``, that the run was trained on. Raises UserError where the
        checkpoint has no clusters or they are of another collection.
        """
        if manifest is None and not (work / "manifest.parquet").is_file():
            raise UserError(_no_manifest(work))
        file = locate(work)
        tensors, facts = checkpoint.load(file)
        if missing := [name for name in ("clusters", "manifest", "state") if name not in facts]:
            raise UserError(f"{file}: its facts lack {', '.join(missing)}; take another checkpoint")
        assignments = load_assignments(tensors, facts["state"])
        if not assignments:
            why = "weights from before the first step have none; take best or last.safetensors"
            if not facts["clusters"]:
                method = facts.get("method")
                why = f"the method {method} keeps none of all clips; take a run of another"
            raise UserError(f"{file}: holds no clusters, as {why}")
        path = manifest or work / "manifest.parquet"
        clips = Manifest.read(path, root)
        if clips.digest != facts["manifest"]:
            raise UserError(
                f"{path}: not the clips that {file} was trained on; "
                "name the manifest of that run with --manifest"
            )
        beside = work / "embeddings.parquet"
        found = None
        if embeddings or beside.is_file():
            try:
                found = _of_these(embeddings or beside, clips, facts)
            except UserError as error:
                if embeddings:
                    raise
                say(f"{error}; exemplars are drawn at random")
        return cls(file, facts, assignments, clips, found)

    def clip(self, row: int) -> dict[str, Any]:
        """Path, start, end and words of a clip."""
        names = ["path", "start", "end", "text"]
        clips: list[dict[str, Any]] = self.manifest.table.select(names).slice(row, 1).to_pylist()
        return clips[0]

    def features(self, modality: str) -> Features | None:
        """The encoder's features by the manifest's rows; None where there is no table of them."""
        column = f"vector_{modality}"
        if self.embeddings is None or column not in self.embeddings.names():
            return None
        values, present = self.embeddings.vectors(column)
        place = {name: row for row, name in enumerate(self.embeddings.column("clip_id"))}
        rows = np.array([place[name] for name in self.manifest.column("clip_id")], np.int64)
        return Features(values[rows], present[rows])

    @property
    def prior(self) -> Path | None:
        """The file of descriptors that the clusters are of, alone or beside a memory bank."""
        named = self.facts.get("recipe", {}).get("prior", {}).get("file")
        return None if named is None else Path(named)

    @property
    def joint(self) -> bool:
        """Whether the clusters are of a memory bank and of descriptors, side by side."""
        space = self.facts.get("recipe", {}).get("prior", {}).get("space")
        return self.prior is not None and space == "joint"

    def of(self, clustering: str) -> str:
        """What the clusters are of, in words, and which of several runs of k-means they are."""
        if self.facts.get("method") == "supervised":
            return "labels from outside"
        parts = self.facts["clusters"][clustering]
        of = " and ".join(parts)
        run = clustering.removeprefix(f"{parts[0]}_")
        if not run.isdecimal():  # the clusters of features bear no number
            return f"features of {of}"
        if self.prior is not None:
            described = f"the descriptors in {self.prior.name}"
            of = f"the memory bank of {of} beside {described}" if self.joint else described
        else:
            of = f"the memory bank of {of}"
        runs = sum(others == parts for others in self.facts["clusters"].values())
        return f"{of}, k-means {run} of {runs}"

    def made(self) -> str:
        """When the clusters were made: the weights here have learned from them since."""
        if self.facts.get("method") == "supervised":
            return "of labels from outside"
        if self.prior is not None and not self.joint:
            return f"of the descriptors in {self.prior}, before the first step of training"
        of = f"of the memory bank beside the descriptors in {self.prior}, " if self.joint else ""
        state = self.facts["state"]
        before, after = state["refreshed"], state["epoch"]
        if before <= 0:
            return f"{of}before the first step of training, by the weights it began with"
        return f"{of}after {before} of {after} epochs of training"


def locate(work: Path) -> Path:
    """The checkpoint of a folder that ``fit`` left or of a run, its best; or the file ``work``."""
    run = work / "run" if (work / "run").is_dir() else work
    return checkpoint.of_run(run) if run.is_dir() else run


def _no_manifest(work: Path) -> str:
    if (work / "fit" / "run").is_dir():
        return f"{work}: not a folder that `triptych fit` has left; did you mean {work / 'fit'}?"
    if not work.exists():
        return f"{work}: no such folder or checkpoint; train one with `triptych fit`"
    return (
        f"{work}: no manifest.parquet here; take a folder that `triptych fit` has left, or name "
        "the manifest that the run was trained on with --manifest"
    )


def _of_these(path: Path, clips: Manifest, facts: dict[str, Any]) -> EmbeddingTable:
    table = EmbeddingTable.read(path)
    if table.info.get("checkpoint") != facts.get("weights"):
        reason = "are of other weights than the checkpoint's"
    elif set(clips.column("clip_id")) - set(table.column("clip_id")):
        reason = "do not hold every clip of the manifest"
    else:
        return table
    raise UserError(f"{path}: these embeddings {reason}")
