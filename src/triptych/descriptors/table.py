"""A file of descriptors: one vector for a video, or for one of its clips, found by its path.

Parquet with the columns ``path`` (as in the manifest, below its root), perhaps ``start`` (seconds,
as in the manifest; null: the row is of the whole file) and one or more columns of vectors, lists of
numbers of one length, null where there is none. ``embeddings.parquet`` is such a file too. Rows are
found by what they are of, never by their place.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from triptych.atomic import write_table
from triptych.errors import UserError
from triptych.manifest.schema import Manifest

Key = tuple[str, int | None]  # path, and start in milliseconds; None: the whole file
Vectors = npt.NDArray[np.float32]


class DescriptorTable:
    """Descriptors float32 (rows, dim) and what each is of."""

    def __init__(self, source: Path, keys: Sequence[Key], vectors: Vectors) -> None:
        self.source = source
        self.vectors = vectors
        self._row = {key: row for row, key in enumerate(keys)}
        if len(self._row) < len(keys):
            twice = next(key for key in self._row if keys.count(key) > 1)
            raise UserError(f"{source}: two rows are of {_said(twice)}; keep one of them")
        broken = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
        if len(broken):
            raise UserError(
                f"{source}: {len(broken)} of {len(keys)} vectors hold NaN or infinity, first that "
                f"of {_said(keys[broken[0]])}; make them again, or write null for them"
            )

    def __len__(self) -> int:
        return len(self.vectors)

    @classmethod
    def read(cls, path: Path, column: str = "vector") -> DescriptorTable:
        """Read ``column``; UserError where the file is missing, or something else."""
        if not path.is_file():
            raise UserError(f"{path}: no descriptors here; name a Parquet file of them")
        try:
            known = pq.read_schema(path).names
            for name in ("path", column):
                if name not in known:
                    raise UserError(
                        f"{path}: has no column {name!r}, only {', '.join(known)}; descriptors "
                        "are found by path, and prior.column names their column"
                    )
            wanted = ["path", column, *(["start"] if "start" in known else [])]
            table = pq.read_table(path, columns=wanted)
        except (pa.ArrowException, OSError) as error:
            reason = str(error).splitlines()[0]
            raise UserError(f"{path}: not a readable Parquet file ({reason})") from None
        table = table.filter(table[column].is_valid())
        starts = table["start"].to_pylist() if "start" in wanted else [None] * table.num_rows
        keys = [_key(name, at) for name, at in zip(table["path"].to_pylist(), starts, strict=True)]
        return cls(path, keys, _vectors(path, column, table[column].combine_chunks()))

    @staticmethod
    def write(
        path: Path,
        paths: Sequence[str],
        vectors: npt.NDArray[Any],
        starts: Sequence[float | None] | None = None,
    ) -> None:
        """Write ``vectors`` (rows, dim) as the column ``vector``, whole or not at all."""
        flat = pa.array(np.ascontiguousarray(vectors, np.float32).ravel())
        columns = {"path": pa.array(paths, pa.string())}
        if starts is not None:
            columns["start"] = pa.array(starts, pa.float64())
        columns["vector"] = pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1])
        write_table(path, pa.table(columns))

    def of(self, manifest: Manifest) -> tuple[Vectors, npt.NDArray[np.bool_]]:
        """The clips' descriptors (clips, dim), zeros where there is none, and which have one.

        A clip has its own, or else that of its whole file.
        """
        rows = [
            self._row.get(_key(path, start), self._row.get(_key(path, None), -1))
            for path, start in zip(
                manifest.column("path"), manifest.column("start").tolist(), strict=True
            )
        ]
        found = np.array(rows, np.int64)
        known = found >= 0
        out = np.zeros((len(manifest), self.vectors.shape[1]), np.float32)
        out[known] = self.vectors[found[known]]
        return out, known


def _key(path: Any, start: float | None) -> Key:
    name = unicodedata.normalize("NFC", str(path)).replace("\\", "/").removeprefix("./")
    return name, None if start is None else round(start * 1000)


def _said(key: Key) -> str:
    path, at = key
    return path if at is None else f"{path} at {at / 1000:g} s"


def _vectors(path: Path, column: str, values: pa.Array | pa.ChunkedArray) -> Vectors:
    kind = values.type
    lists = (pa.types.is_fixed_size_list, pa.types.is_list, pa.types.is_large_list)
    if not any(is_list(kind) for is_list in lists) or not pa.types.is_floating(kind.value_type):
        raise UserError(f"{path}: column {column!r} is of {kind}, not of lists of numbers")
    lengths = np.unique(np.asarray(values.value_lengths()))
    if len(lengths) != 1 or not lengths[0]:
        what = "is empty" if not len(values) else "has vectors of different or no length"
        raise UserError(f"{path}: column {column!r} {what}; give every clip as many numbers")
    flat = np.asarray(values.flatten().to_numpy(zero_copy_only=False), np.float32)
    return flat.reshape(len(values), -1)
