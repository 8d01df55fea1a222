"""The descriptor file: one row for each video, or for each of its clips, keyed by its path."""

from __future__ import annotations

import json
import unicodedata
from collections import Counter
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
Key = tuple[str, int | None]
REMEDY = "make one with `triptych describe`"


@dataclass(frozen=True)
class DescriptorTable:
    """Videos and a vector of each: Parquet with ``path``, ``trajectories`` and ``vector``.

    ``vector`` is a fixed-size list of float32; a video in which nothing moves has no trajectories
    and a vector of zeros. A video that could not be described has no row. Descriptors that are
    not of trajectories leave that column out. Descriptors of clips have their ``start`` in seconds
    beside the path; where it is null, or left out, a row is of the whole video.
    """

    paths: tuple[str, ...]  # [V], as the manifest spells them, each once with a start
    vectors: Floats  # [V, d]
    trajectories: NDArray[np.int64] | None  # [V], how many rows each vector was made from
    info: dict[str, Any]  # what made the vectors: anything that JSON can hold
    starts: tuple[float | None, ...] | None = None  # [V]; None: every row is of a whole video

    def __post_init__(self) -> None:
        count = len(self.paths)
        counted = count if self.trajectories is None else len(self.trajectories)
        if self.vectors.ndim != 2 or {count, counted} != {len(self.vectors)}:
            raise ValueError(f"{count} paths, {counted} counts, vectors {self.vectors.shape}")
        if self.starts is not None and len(self.starts) != count:
            raise ValueError(f"{count} paths, {len(self.starts)} starts")
        keys = self._keys()
        if len(set(keys)) < count:
            path, at = next(key for key, times in Counter(keys).items() if times > 1)
            when = "" if at is None else f" at {at / 1000:g} s"
            raise UserError(f"descriptors: {path}{when} is there twice; give each video one row")
        broken = int((~np.isfinite(self.vectors).all(axis=1)).sum())
        if broken:
            raise UserError(
                f"descriptors: the vectors of {broken} of {count} videos are not finite; "
                "describe them again, or leave them out"
            )

    def __len__(self) -> int:
        return len(self.paths)

    def _keys(self) -> list[Key]:
        starts = self.starts or [None] * len(self)
        return [_key(path, at) for path, at in zip(self.paths, starts, strict=True)]

    def of(
        self, paths: Sequence[str], starts: Sequence[float] | None = None
    ) -> tuple[Floats, NDArray[np.bool_]]:
        """The vectors [n, d] of ``paths``, in their order, zeros where absent; bool [n] present.

        Several clips of one video may each ask for its path. With ``starts`` [n], in seconds, a
        clip has the vector of its own, or else that of its whole video.
        """
        rows = {key: row for row, key in enumerate(self._keys())}
        wholes = [rows.get(_key(path, None), -1) for path in paths]
        found = np.array(wholes, np.int64)
        if starts is not None:
            clips = zip(paths, starts, wholes, strict=True)
            own = [rows.get(_key(path, at), whole) for path, at, whole in clips]
            found = np.array(own, np.int64)
        present = found >= 0
        vectors = np.zeros((len(paths), self.vectors.shape[1]), np.float32)
        vectors[present] = self.vectors[found[present]]
        return vectors, present

    def write(self, path: Path) -> None:
        """Write as Parquet by path, ``info`` as JSON in its metadata; whole or not at all."""
        order = sorted(range(len(self)), key=self.paths.__getitem__)  # one video's stay in order
        flat = np.asarray(self.vectors[order], np.float32).reshape(-1)
        lists = pa.FixedSizeListArray.from_arrays(pa.array(flat), self.vectors.shape[1])
        columns = {"path": pa.array([self.paths[row] for row in order], pa.string())}
        if self.starts is not None:
            columns["start"] = pa.array([self.starts[row] for row in order], pa.float64())
        if self.trajectories is not None:
            columns["trajectories"] = pa.array(self.trajectories[order], pa.int64())
        write_table(
            path, pa.table(columns | {"vector": lists}, metadata={INFO: json.dumps(self.info)})
        )

    @classmethod
    def read(cls, path: Path, column: str = "vector") -> DescriptorTable:
        """Read a descriptor file, whoever wrote it; without our metadata ``info`` is empty.

        ``column`` holds the vectors, in ``embeddings.parquet`` for instance vector_video; rows
        where it is null have no descriptor and are left out. Raises UserError in one line where it
        is missing, no Parquet, or not such a table.
        """
        if not path.is_file():
            raise UserError(f"{path}: no descriptors here; {REMEDY}")
        try:
            known = pq.read_schema(path).names
            columns = dict.fromkeys(("path", "start", "trajectories", column))
            wanted = [name for name in columns if name in known]
            table = pq.read_table(path, columns=wanted)
        except (pa.ArrowInvalid, OSError) as error:
            reason = str(error).splitlines()[0]
            raise UserError(f"{path}: not a Parquet file ({reason}); {REMEDY}") from None
        if column in wanted:
            table = table.filter(table[column].is_valid())
        wrong = _wrong(table, column)
        if wrong:
            raise UserError(f"{path}: not a descriptor file, {wrong}; {REMEDY}")
        counts = table["trajectories"].to_numpy() if "trajectories" in wanted else None
        starts = tuple(table["start"].to_pylist()) if "start" in wanted else None
        try:
            info = _info(table.schema)
        except (ValueError, TypeError):
            raise UserError(f"{path}: its metadata is damaged; {REMEDY}") from None
        try:
            paths = tuple(table["path"].to_pylist())
            return cls(paths, _vectors(table[column]), counts, info, starts)
        except UserError as error:
            raise UserError(f"{path}: {error}") from None


def read_info(path: Path) -> dict[str, Any]:
    """What made the vectors of a file, without reading them; empty where it does not say."""
    try:
        return _info(pq.read_schema(path))
    except (OSError, pa.ArrowException, ValueError, TypeError):
        return {}


def _info(schema: pa.Schema) -> dict[str, Any]:
    return dict(json.loads((schema.metadata or {}).get(INFO, b"{}")))


def _key(path: str, start: float | None) -> Key:
    """What a row is of: the path as any system spells it, and the start in milliseconds."""
    return unicodedata.normalize("NFC", path), None if start is None else round(start * 1000)


def _wrong(table: pa.Table, column: str) -> str:
    """What keeps a table from being one of descriptors, or nothing."""
    optional = {
        "start": (pa.types.is_float64, "float64"),
        "trajectories": (pa.types.is_int64, "int64"),
    }
    wanted = {"path": (_is_text, "string"), column: (_is_vector, "fixed-size lists of float32")}
    for name, (is_right, what) in (optional | wanted).items():
        if name not in table.column_names:
            if name not in optional:
                return f"it lacks {name}"
            continue
        if not is_right(table.schema.field(name).type):
            return f"its {name} is of {table.schema.field(name).type}, not {what}"
        if table[name].null_count and name != "start":
            return f"it has rows without {name}"
    starts = table["start"].drop_null().to_numpy() if "start" in table.column_names else ()
    if not np.isfinite(starts).all():
        return "it has a start that is not finite"
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
