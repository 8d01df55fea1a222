"""The descriptor file: one row for each video, keyed by its path."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from triptych.atomic import write_table
from triptych.descriptors.sample import Floats
from triptych.errors import UserError

INFO = b"triptych.descriptors"
REMEDY = "make one with `triptych describe`"


@dataclass(frozen=True)
class DescriptorTable:
    """Videos and a vector of each: Parquet with ``path``, ``trajectories`` and ``vector``.

    ``vector`` is a fixed-size list of float32; a video in which nothing moves has no trajectories
    and a vector of zeros. A video that could not be described has no row. Descriptors that are
    not of trajectories leave that column out.
    """

    paths: tuple[str, ...]  # [V], as the manifest spells them, each once
    vectors: Floats  # [V, d]
    trajectories: NDArray[np.int64] | None  # [V], how many rows each vector was made from
    info: dict[str, Any]  # what made the vectors: anything that JSON can hold

    def __post_init__(self) -> None:
        count = len(self.paths)
        counted = count if self.trajectories is None else len(self.trajectories)
        if self.vectors.ndim != 2 or {count, counted} != {len(self.vectors)}:
            raise ValueError(f"{count} paths, {counted} counts, vectors {self.vectors.shape}")
        if len(set(self.paths)) < count:
            twice = next(path for path in self.paths if self.paths.count(path) > 1)
            raise UserError(f"descriptors: {twice} is there twice; give each video one row")
        broken = int((~np.isfinite(self.vectors).all(axis=1)).sum())
        if broken:
            raise UserError(
                f"descriptors: the vectors of {broken} of {count} videos are not finite; "
                "describe them again, or leave them out"
            )

    def __len__(self) -> int:
        return len(self.paths)

    def of(self, paths: Sequence[str]) -> tuple[Floats, NDArray[np.bool_]]:
        """The vectors [n, d] of ``paths``, in their order, zeros where absent; bool [n] present.

        Several clips of one video may each ask for its path.
        """
        rows = {path: row for row, path in enumerate(self.paths)}
        found = np.array([rows.get(path, -1) for path in paths], np.int64)
        present = found >= 0
        vectors = np.zeros((len(paths), self.vectors.shape[1]), np.float32)
        vectors[present] = self.vectors[found[present]]
        return vectors, present

    def write(self, path: Path) -> None:
        """Write as Parquet by path, ``info`` as JSON in its metadata; whole or not at all."""
        order = sorted(range(len(self)), key=self.paths.__getitem__)
        flat = np.asarray(self.vectors[order], np.float32).reshape(-1)
        lists = pa.FixedSizeListArray.from_arrays(pa.array(flat), self.vectors.shape[1])
        columns = {"path": pa.array([self.paths[row] for row in order], pa.string())}
        if self.trajectories is not None:
            columns["trajectories"] = pa.array(self.trajectories[order], pa.int64())
        write_table(
            path, pa.table(columns | {"vector": lists}, metadata={INFO: json.dumps(self.info)})
        )

    @classmethod
    def read(cls, path: Path) -> DescriptorTable:
        """Read a descriptor file, whoever wrote it; without our metadata ``info`` is empty.

        Raises UserError in one line where it is missing, no Parquet, or not such a table.
        """
        if not path.is_file():
            raise UserError(f"{path}: no descriptors here; {REMEDY}")
        try:
            table = pq.read_table(path)
        except (pa.ArrowInvalid, OSError) as error:
            reason = str(error).splitlines()[0]
            raise UserError(f"{path}: not a Parquet file ({reason}); {REMEDY}") from None
        wrong = _wrong(table)
        if wrong:
            raise UserError(f"{path}: not a descriptor file, {wrong}; {REMEDY}")
        counts = None
        if "trajectories" in table.column_names:
            counts = table["trajectories"].to_numpy()
        try:
            info = dict(json.loads((table.schema.metadata or {}).get(INFO, b"{}")))
        except (ValueError, TypeError):
            raise UserError(f"{path}: its metadata is damaged; {REMEDY}") from None
        try:
            return cls(tuple(table["path"].to_pylist()), _vectors(table["vector"]), counts, info)
        except UserError as error:
            raise UserError(f"{path}: {error}") from None


def _wrong(table: pa.Table) -> str:
    """What keeps a table from being one of descriptors, or nothing."""
    wanted = {"path": _is_text, "trajectories": pa.types.is_int64, "vector": _is_vector}
    for name, is_right in wanted.items():
        if name not in table.column_names:
            if name != "trajectories":
                return f"it lacks {name}"
            continue
        if not is_right(table.schema.field(name).type):
            return f"its {name} is of {table.schema.field(name).type}"
        if table[name].null_count:
            return f"it has rows without {name}"
    return ""


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _is_vector(kind: pa.DataType) -> bool:
    return bool(pa.types.is_fixed_size_list(kind) and kind.value_type == pa.float32())


def _vectors(column: pa.ChunkedArray) -> Floats:
    lists = column.combine_chunks()
    if isinstance(lists, pa.ChunkedArray):
        lists = pa.concat_arrays(lists.chunks)
    return np.array(lists.flatten(), np.float32).reshape(len(lists), lists.type.list_size)
