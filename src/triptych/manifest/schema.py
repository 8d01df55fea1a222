"""The manifest: one row per clip, and the root folder that its paths are relative to."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from triptych.atomic import write_table
from triptych.errors import UserError

MODALITIES = ("video", "audio", "text")

SCHEMA = pa.schema(
    [
        ("clip_id", pa.string()),  # stable across machines and re-scans, see clip_id()
        ("path", pa.string()),  # relative to the root, POSIX separators, spelt as on disk
        ("start", pa.float64()),  # seconds since the file's first timestamp, as a player counts
        ("end", pa.float64()),
        ("text", pa.string()),  # the words spoken in the clip, in the order of time; "" if none
        ("has_video", pa.bool_()),
        ("has_audio", pa.bool_()),  # false also where the sound of this span is digital silence
        ("has_text", pa.bool_()),
        ("width", pa.int32()),  # displayed pixels; 0 without video
        ("height", pa.int32()),
        ("fps", pa.float64()),  # average frames per second; 0 without video
        ("fingerprint", pa.string()),  # of the file's bytes, see fingerprint()
    ]
)


@dataclass(frozen=True)
class Manifest:
    """The clips of a collection. ``table`` has the columns of ``SCHEMA``, sorted by path, start."""

    root: Path
    table: pa.Table

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def column(self, name: str) -> npt.NDArray[Any]:
        """One column, shape (clips,); strings come as an object array."""
        return np.asarray(self.table[name].to_numpy(zero_copy_only=False))

    def has(self, modality: str) -> npt.NDArray[np.bool_]:
        """Which clips have ``modality``, shape (clips,)."""
        return self.column(f"has_{modality}").astype(bool)

    def select(self, rows: Sequence[int] | npt.NDArray[np.int64]) -> Manifest:
        """The manifest of some of the clips, in the order of ``rows``."""
        return Manifest(self.root, self.table.take(pa.array(rows, pa.int64())))

    def file(self, row: int) -> Path:
        """The media file of clip ``row``."""
        return self.root / str(self.table["path"][row].as_py())

    @cached_property
    def digest(self) -> str:
        """Changes when a clip, its words or its file's bytes change; not with the root folder."""
        digest = hashlib.sha256()
        for name in ("clip_id", "text", "fingerprint", "has_video", "has_audio"):
            digest.update("\x1f".join(map(str, self.table[name].to_pylist())).encode())
        return digest.hexdigest()[:16]

    def write(self, path: Path) -> None:
        """Write as Parquet, the root in its metadata; whole or not at all."""
        metadata = {b"triptych.root": str(self.root.resolve()).encode()}
        write_table(path, self.table.replace_schema_metadata(metadata))

    @classmethod
    def read(cls, path: Path, root: Path | None = None) -> Manifest:
        """Read a manifest; ``root`` overrides the recorded folder when the collection has moved."""
        if not path.is_file():
            raise UserError(f"{path}: no manifest here; make one with `triptych scan FOLDER`")
        try:
            table = pq.read_table(path)
        except (pa.ArrowInvalid, OSError) as error:
            raise UserError(f"{path}: not a Parquet file ({error}); scan again") from None
        missing = [name for name in SCHEMA.names if name not in table.column_names]
        if missing:
            raise UserError(
                f"{path}: not a manifest, it lacks {', '.join(missing)}; "
                "make one with `triptych scan FOLDER`"
            )
        recorded = (table.schema.metadata or {}).get(b"triptych.root")
        if recorded is None and root is None:
            raise UserError(f"{path}: does not say which folder it is of; scan again, or name root")
        try:
            table = table.select(SCHEMA.names).cast(SCHEMA)
        except pa.ArrowException as error:
            raise UserError(f"{path}: not a manifest ({error}); scan again") from None
        if wrong := _wrong(table):
            raise UserError(f"{path}: {wrong}; scan again")
        return cls(root or Path((recorded or b".").decode()), table)


def _wrong(table: pa.Table) -> str:
    """What a manifest that was not left by a scan may have wrong, or nothing."""
    empty = [name for name in SCHEMA.names if table[name].null_count]
    if empty:
        return f"rows without {', '.join(empty)}"
    start, end, fps = (table[name].to_numpy() for name in ("start", "end", "fps"))
    paths = table["path"].to_pylist()
    with np.errstate(invalid="ignore"):
        spans = (start >= 0) & (start < end) & (end < np.inf)
        rates = (fps >= 0) & (fps < np.inf)
    if not spans.all():
        row = int(spans.argmin())
        return f"{paths[row]}: a clip from {start[row]:g} to {end[row]:g} s"
    if not rates.all():
        row = int(rates.argmin())
        return f"{paths[row]}: {fps[row]:g} frames per second"
    for path in paths:
        if path.startswith("/") or ".." in path.split("/"):
            return f"{path}: not below the folder of the collection"
    return ""


def clip_id(path: str, start: float, end: float) -> str:
    """16 hex digits from the relative path and the span in milliseconds.

    Two machines that hold the same folder agree, and so do two scans; a copy of a file under
    another name is another clip.
    """
    name = unicodedata.normalize("NFC", path)
    span = f"{name}\x1f{round(start * 1000)}\x1f{round(end * 1000)}"
    return hashlib.sha256(span.encode()).hexdigest()[:16]


def fingerprint(path: Path, block: int = 65536) -> str:
    """16 hex digits from a file's size, first and last ``block`` bytes: cheap on any size."""
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(block)
        file.seek(max(0, size - block))
        tail = file.read(block)
    return hashlib.sha256(str(size).encode() + head + tail).hexdigest()[:16]
