"""The embedding table: one row per clip, a column of vectors per modality, and the cluster."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from triptych.atomic import write_table
from triptych.errors import UserError
from triptych.manifest.schema import Manifest

INFO = b"triptych.embeddings"
CLIP_COLUMNS = ("clip_id", "path", "start", "end", "text", "has_video", "has_audio", "has_text")
SCHEMA = pa.schema(
    [
        ("clip_id", pa.string()),
        ("path", pa.string()),
        ("start", pa.float64()),
        ("end", pa.float64()),
        ("text", pa.string()),
        ("has_video", pa.bool_()),
        ("has_audio", pa.bool_()),
        ("has_text", pa.bool_()),
        ("cluster", pa.int32()),  # -1 until the clips are clustered, and for clips without a vector
        ("checkpoint", pa.string()),  # hash of the weights that made the vectors
    ]
)
PREFIXES = ("vector_", "shared_")
Vectors = tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]


@dataclass(frozen=True)
class EmbeddingTable:
    """The clips of a collection and their vectors.

    ``table`` has the columns of ``SCHEMA`` and, as fixed-size lists of float32 that are null where
    the clip lacks the modality: ``vector_video``, ``vector_audio``, ``vector_text`` (features of
    the encoders), ``vector_joint`` (all that the clip has), and where the method lets modalities
    meet ``shared_video``, ``shared_audio``, ``shared_text``, vectors of one common space in
    which a dot product compares clips across modalities. They are unit vectors but where the method
    learned from products of vectors of any length (a joint space with ``joint.unit=false``), whose
    scores are these products; ``vector_joint`` is of unit length always.
    """

    root: Path
    table: pa.Table
    info: dict[str, Any]

    def __len__(self) -> int:
        return int(self.table.num_rows)

    @classmethod
    def build(
        cls, manifest: Manifest, vectors: Mapping[str, Vectors], checkpoint: str, **info: Any
    ) -> EmbeddingTable:
        """The table of ``manifest``'s clips.

        ``vectors`` gives for each column, e.g. "vector_video", float32 (clips, dim) and which
        clips have it, bool (clips,); rows without it are not read. Further keywords go to
        ``info``. Raises UserError where a vector is not finite.
        """
        table = manifest.table.select(CLIP_COLUMNS)
        count = len(manifest)
        table = table.append_column("cluster", pa.array(np.full(count, -1, np.int32)))
        table = table.append_column("checkpoint", pa.array([checkpoint] * count, pa.string()))
        table = table.cast(SCHEMA)
        for name, (values, present) in vectors.items():
            table = table.append_column(name, _lists(name, values, present, count))
        described = {
            "root": str(manifest.root.resolve()),
            "manifest": manifest.digest,
            "checkpoint": checkpoint,
            **info,
        }
        return cls(manifest.root, table, described)

    def column(self, name: str) -> npt.NDArray[Any]:
        """One column that is not of vectors, shape (clips,); strings come as an object array."""
        return np.asarray(self.table[name].to_numpy(zero_copy_only=False))

    def names(self) -> list[str]:
        """The columns of vectors, in the table's order."""
        return [name for name in self.table.column_names if name.startswith(PREFIXES)]

    def vectors(self, name: str) -> Vectors:
        """Column ``name`` as float32 (clips, dim), zeros where absent, and bool (clips,) present.

        The arrays are the caller's own. Raises UserError where there is no such column.
        """
        if name not in self.names():
            raise UserError(
                f"the embeddings have no {name}; they have {', '.join(self.names()) or 'none'}"
            )
        lists = self.table[name].combine_chunks()
        if isinstance(lists, pa.ChunkedArray):
            lists = pa.concat_arrays(lists.chunks)
        dim = lists.type.list_size
        values = np.asarray(lists.values)[lists.offset * dim : (lists.offset + len(lists)) * dim]
        vectors = np.array(values, np.float32).reshape(len(lists), dim)
        present = np.asarray(lists.is_valid())
        vectors[~present] = 0.0
        return vectors, present

    def file(self, row: int) -> Path:
        """The media file of clip ``row``."""
        return self.root / str(self.table["path"][row].as_py())

    def with_clusters(self, labels: npt.ArrayLike) -> EmbeddingTable:
        """The same table with ``labels``, int (clips,), in its column ``cluster``."""
        column = pa.array(np.asarray(labels, np.int32))
        place = self.table.column_names.index("cluster")
        return replace(self, table=self.table.set_column(place, "cluster", column))

    def write(self, path: Path) -> None:
        """Write as Parquet, ``info`` as JSON in its metadata; whole or not at all."""
        write_table(path, self.table.replace_schema_metadata({INFO: json.dumps(self.info)}))

    @classmethod
    def read(cls, path: Path, root: Path | None = None) -> EmbeddingTable:
        """Read a table; ``root`` overrides the recorded folder when the collection has moved.

        Raises UserError where ``path`` is missing, no Parquet file, or not such a table.
        """
        if not path.is_file():
            raise UserError(f"{path}: no embeddings here; make them with `triptych embed`")
        try:
            table = pq.read_table(path)
        except (pa.ArrowInvalid, OSError) as error:
            reason = str(error).splitlines()[0]
            raise UserError(f"{path}: not a Parquet file ({reason}); embed again") from None
        recorded, info = described(path, table.schema)
        return cls(root or recorded, table.replace_schema_metadata(None), info)


def described(path: Path, schema: pa.Schema) -> tuple[Path, dict[str, Any]]:
    """The recorded root and the ``info`` of the table at ``path``, from its schema.

    Raises UserError where it is not such a table.
    """
    metadata = schema.metadata or {}
    missing = [name for name in SCHEMA.names if name not in schema.names]
    if missing or INFO not in metadata:
        lack = ", ".join(missing) or "its metadata"
        raise UserError(
            f"{path}: not an embedding table, it lacks {lack}; make one with `triptych embed`"
        )
    wrong = [field.name for field in SCHEMA if schema.field(field.name).type != field.type]
    wrong += [
        name
        for name in schema.names
        if name.startswith(PREFIXES) and not _holds_vectors(schema.field(name).type)
    ]
    try:
        info = json.loads(metadata[INFO])
        recorded = Path(info["root"])
    except (ValueError, KeyError, TypeError):
        wrong.append("its metadata")
    if wrong:
        raise UserError(
            f"{path}: damaged or written by something else, in {', '.join(wrong)}; embed again"
        )
    return recorded, info


def _holds_vectors(kind: pa.DataType) -> bool:
    return bool(pa.types.is_fixed_size_list(kind) and kind.value_type == pa.float32())


def _lists(
    name: str, values: npt.NDArray[np.float32], present: npt.NDArray[np.bool_], count: int
) -> pa.FixedSizeListArray:
    if not name.startswith(PREFIXES):
        raise ValueError(f"a column of vectors starts with vector_ or shared_, not {name!r}")
    if values.ndim != 2 or len(values) != count or present.shape != (count,):
        raise ValueError(f"{name}: {count} clips, vectors {values.shape}, present {present.shape}")
    broken = int((~np.isfinite(values).all(axis=1) & present).sum())
    if broken:
        raise UserError(
            f"{name}: the vectors of {broken} of {count} clips are not finite; "
            "the model has diverged: train again with a lower learning rate"
        )
    flat = np.where(present[:, None], values, 0).astype(np.float32).reshape(-1)
    mask = pa.array(~np.asarray(present, bool))
    return pa.FixedSizeListArray.from_arrays(pa.array(flat), values.shape[1], mask=mask)
