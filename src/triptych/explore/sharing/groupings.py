"""Clusterings to show: those that taught a run, or k-means of a table of vectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from pathlib import Path

import numpy as np
import numpy.typing as npt

from triptych.clustering.kmeans import kmeans
from triptych.clustering.whiten import Whitening, unit
from triptych.embeddings.table import SCHEMA, EmbeddingTable
from triptych.errors import UsageError, UserError
from triptych.explore.concepts import typical
from triptych.explore.sharing.clips import Clips
from triptych.explore.sharing.vectors import columns, vectors
from triptych.explore.taught import Taught
from triptych.manifest.schema import Manifest
from triptych.progress import say
from triptych.seeds import derive

MOST = 2  # side by side
MOST_BY_DEFAULT = 256  # clusters
COMPONENTS, STARTS = 64, 4
CHEAP = 2_000_000  # clips times clusters; beyond, one start must do
OTHERS = {"manifest.parquet", "problems.parquet", "clusters.parquet"}


@dataclass(frozen=True)
class Grouping:
    """One clustering of a collection, by the rows of its clips."""

    name: str  # of the source
    made: str  # how, in words
    labels: npt.NDArray[np.int64]  # [clips], -1 in no cluster
    k: int
    near: npt.NDArray[np.float64] | None  # [clips], to the cluster's centre; None: not known
    file: Path | None  # of the vectors that were clustered, or that were a run's prior
    of: str = ""  # what was clustered, in words
    joint: bool = False  # the vectors of the file stood beside a memory bank

    @property
    def title(self) -> str:
        """The source, and what its clusters are of."""
        return f"{self.name}: clusters of {self.of}" if self.of else self.name


@dataclass(frozen=True)
class Wanted:
    """What the words of the command leave to choose."""

    manifest: Path | None = None
    embeddings: Path | None = None  # of a run's weights, to find its typical clips by
    root: Path | None = None
    clusterings: Sequence[str] = ()  # of the runs, one for each in their order
    column: str | None = None  # of vectors
    k: int | None = None
    seed: int = 0


def read(sources: Sequence[Path], wanted: Wanted) -> tuple[Clips, list[Grouping]]:
    """The clusterings of one or two ``sources`` and the clips that they are of.

    A source is a folder that ``fit`` left, a run, a checkpoint, or a Parquet file of vectors or a
    folder with one. The clips are those of the manifest, else of the first source that knows its
    own. Raises UserError or UsageError in one line.
    """
    if not 1 <= len(sources) <= MOST:
        raise UsageError(f"{len(sources)} sources: give one, or {MOST} to stand side by side")
    found = [_open(source, wanted) for source in sources]
    runs = sum(isinstance(one, Taught) for one in found)
    if len(wanted.clusterings) > runs:
        raise UsageError(
            f"--clustering is given {len(wanted.clusterings)} times for {runs} runs; "
            "it names one of a run's clusterings"
        )
    if wanted.k is not None and runs == len(found):
        raise UsageError("--k is for files of vectors; a run has the clusters that it has")
    clips = _clips(found, wanted)
    names = iter(wanted.clusterings)
    taught = [
        _of_run(source, one, clips, next(names, None))
        for source, one in zip(sources, found, strict=True)
        if isinstance(one, Taught)
    ]
    k = wanted.k or next((one.k for one in taught), None)
    runs_in_order = iter(taught)
    groupings = [
        next(runs_in_order) if isinstance(one, Taught) else _of_vectors(one, clips, k, wanted)
        for one in found
    ]
    for source, one in zip(sources, groupings, strict=True):
        if not (one.labels >= 0).any():
            raise UserError(
                f"{source}: holds none of the {len(clips)} clips; name with --manifest the clips "
                "that both are of"
            )
    return clips, groupings


def _open(source: Path, wanted: Wanted) -> Taught | Path:
    """A run, or the file of vectors."""
    if not source.exists():
        raise UserError(f"{source}: no such run, checkpoint or file of vectors")
    if source.is_dir():
        if any((source / name / "checkpoints").is_dir() for name in (".", "run")):
            return Taught.read(source, wanted.manifest, wanted.embeddings, wanted.root)
        return _only_table(source)
    if source.suffix == ".safetensors":
        return Taught.read(source, wanted.manifest, wanted.embeddings, wanted.root)
    return source


def _only_table(folder: Path) -> Path:
    """The one file of vectors in a folder without a run."""
    if (folder / "embeddings.parquet").is_file():
        return folder / "embeddings.parquet"
    files = sorted(file for file in folder.glob("*.parquet") if file.name not in OTHERS)
    files = [file for file in files if not file.stem.endswith("_problems")]
    if len(files) != 1:
        what = ", ".join(file.name for file in files[:5]) or "none"
        raise UserError(
            f"{folder}: neither a run nor a folder with one file of vectors ({what}); name the file"
        )
    return files[0]


def _clips(found: Sequence[Taught | Path], wanted: Wanted) -> Clips:
    if wanted.manifest is not None:
        return Clips.of(Manifest.read(wanted.manifest, wanted.root))
    for one in found:
        if isinstance(one, Taught):
            return Clips.of(one.manifest)
    for one in found:
        if isinstance(one, Path) and set(SCHEMA.names) <= set(columns(one)):
            return Clips.of(EmbeddingTable.read(one, wanted.root))
    raise UserError(
        f"{found[0]}: holds vectors and does not say where clips begin and end; name the clips "
        "with --manifest, from `triptych scan`"
    )


def _of_run(source: Path, taught: Taught, clips: Clips, asked: str | None) -> Grouping:
    names = list(taught.assignments)
    if asked is not None and asked not in names:
        raise UsageError(f"--clustering {asked}: the run's are {', '.join(names)}")
    of = taught.facts["clusters"]
    seen = [name for name in names if "video" in of[name]]
    name = asked or (seen or names)[0]
    if asked is None and len(names) > 1:
        say(
            f"wall: of {taught.checkpoint} this shows the clustering {name}, one of "
            f"{', '.join(names)}; --clustering names another"
        )
    held = taught.assignments[name]
    rows = clips.rows(taught.manifest.column("clip_id"))
    near = typical(taught, name)
    return Grouping(
        source.absolute().name,
        f"those that taught {taught.checkpoint} (method {taught.facts.get('method', 'unknown')}), "
        f"made {taught.made()}",
        np.where(rows >= 0, held.labels[rows], -1),
        len(held.centroids),
        None if near is None else np.where(rows >= 0, near[rows], -np.inf),
        taught.prior,
        taught.of(name),
        taught.joint,
    )


def _of_vectors(file: Path, clips: Clips, k: int | None, wanted: Wanted) -> Grouping:
    column, values, present = vectors(file, clips, wanted.column)
    rows = np.flatnonzero(present)
    if len(rows) < len(clips):
        say(f"wall: {len(clips) - len(rows)} of {len(clips)} clips have no vector in {file}")
    labels, near = np.full(len(clips), -1, np.int64), np.full(len(clips), -np.inf)
    if not len(rows):
        return Grouping(file.name, "", labels, 0, None, file)
    k = k or min(max(2, round(sqrt(len(rows) / 2))), MOST_BY_DEFAULT)
    starts = STARTS if len(rows) * k <= CHEAP else 1
    try:
        units = Whitening.fit(values[rows], COMPONENTS).apply(values[rows])
        found = kmeans(units, k, seed=derive(wanted.seed, "wall"), starts=starts)
    except UserError as error:
        raise UserError(f"{file}, {column}: {error}") from None
    labels[rows] = found.labels
    near[rows] = (units * unit(found.centroids)[found.labels]).sum(axis=1)
    made = (
        f"k-means of {column} in {file}, whitened to at most {COMPONENTS} directions, unit length"
    )
    return Grouping(file.name, made, labels, k, near, file, column)
