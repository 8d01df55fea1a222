"""A file of descriptors as a table that can be scored, beside tables of embeddings."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from triptych.descriptors.table import DescriptorTable
from triptych.embeddings.table import EmbeddingTable, Vectors
from triptych.errors import UsageError, UserError
from triptych.manifest.schema import Manifest

VECTOR, OF_EMBEDDINGS = "vector", "vector_video"  # what is scored where nothing is asked for


class Table(Protocol):
    """What is scored: rows by ``clip_id`` and ``path``, and their vectors."""

    @property
    def root(self) -> Path:
        """The folder that paths are relative to."""

    @property
    def info(self) -> dict[str, Any]:
        """What made the vectors, for the protocol."""

    def column(self, name: str) -> NDArray[Any]:
        """``clip_id`` or ``path``, (rows,)."""

    def vectors(self, name: str) -> Vectors:
        """Column ``name``, float32 (rows, dim), and which rows have it, bool (rows,)."""


@dataclass(frozen=True)
class Described:
    """Descriptors as rows to be scored; ``clip_ids`` are made up where no manifest names them."""

    root: Path  # the working folder, where nothing says what paths are relative to
    info: dict[str, Any]
    clip_ids: NDArray[Any]  # (rows,)
    paths: NDArray[Any]  # (rows,)
    values: NDArray[np.float32]  # (rows, dim)
    present: NDArray[np.bool_]  # (rows,)

    @classmethod
    def read(cls, file: Path, vector: str, level: str) -> Described:
        """At level "clip" the rows of clips; at "video" a file's own, or else those of its clips.

        ``vector`` names their column. Raises UserError where it is no such file, UsageError where
        it has nothing at that level.
        """
        table = DescriptorTable.read(file, vector)
        starts = np.array(table.starts or [None] * len(table), float)
        of_clips, paths = ~np.isnan(starts), np.array(table.paths, object)
        chosen = of_clips
        if level == "video":
            chosen = ~of_clips | ~np.isin(paths, paths[~of_clips])
        elif not of_clips.any():
            raise UsageError(
                f"{file}: its rows are of whole videos, so there are no clips to score; take "
                "--level video, describe with level=clip, or name the clips with --manifest"
            )
        info = _info(file, table)
        if not of_clips[chosen].any():
            info["video_features"] = "the file's own"
        named = [
            f"{path}#{start:g}" for path, start in zip(paths[chosen], starts[chosen], strict=True)
        ]
        every = np.ones(len(named), bool)
        return cls(
            Path(), info, np.array(named, object), paths[chosen], table.vectors[chosen], every
        )

    @classmethod
    def of_clips(cls, file: Path, vector: str, manifest: Manifest) -> Described:
        """A row for each clip of ``manifest``: its own, or else that of its video.

        Raises UserError where it is no such file, or has none of them.
        """
        table, paths = DescriptorTable.read(file, vector), manifest.column("path")
        values, present = table.of(paths.tolist(), manifest.column("start").tolist())
        if not present.any():
            raise UserError(
                f"{file}: has descriptors of none of the {len(manifest)} clips; its paths must be "
                "those of the manifest, below its root"
            )
        info = {**_info(file, table), "manifest": manifest.digest}
        return cls(manifest.root, info, manifest.column("clip_id"), paths, values, present)

    def column(self, name: str) -> NDArray[Any]:
        """``path`` or ``clip_id``."""
        return self.paths if name == "path" else self.clip_ids

    def vectors(self, name: str) -> Vectors:
        """All of them: ``name`` is the column that was read."""
        del name
        return self.values, self.present


def _info(file: Path, table: DescriptorTable) -> dict[str, Any]:
    with file.open("rb") as opened:
        digest = hashlib.file_digest(opened, "sha256").hexdigest()[:16]
    return {"checkpoint": digest, "descriptors": table.info}


def read(
    file: Path, vector: str | None, level: str, manifest: Path | None = None
) -> tuple[Table, str]:
    """The table to be scored and the column of its vectors, by default that of what is seen.

    ``manifest`` names the clips of descriptors. Raises UserError or UsageError where it is neither
    embeddings nor descriptors.
    """
    if not _is_described(file):
        if manifest is not None:
            raise UsageError(
                f"--manifest says which clips descriptors are of, and {file} is no such file; "
                "leave it out"
            )
        return EmbeddingTable.read(file), vector or OF_EMBEDDINGS
    vector = vector or VECTOR
    if manifest is None:
        return Described.read(file, vector, level), vector
    return Described.of_clips(file, vector, Manifest.read(manifest)), vector


def _is_described(file: Path) -> bool:
    """Whether it has rows by path, and not by clip as embeddings have."""
    try:
        names = pq.read_schema(file).names
    except (OSError, pa.ArrowException):
        return False
    return "path" in names and "clip_id" not in names
