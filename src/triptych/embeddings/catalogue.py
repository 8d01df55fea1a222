"""The clips of an embedding table and their vectors, as search needs them: columns when asked for.

A large table is searched in a folder beside it, ``embeddings.vectors`` for ``embeddings.parquet``:
the vectors memory-mapped, so that nothing is decoded and the system keeps in memory what is used.
Each part is made whole when it is first asked for, and made again when the table has changed.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from triptych.embeddings import mapped
from triptych.embeddings.column import Column
from triptych.embeddings.index import Index, open_index
from triptych.embeddings.table import PREFIXES, EmbeddingTable, described
from triptych.errors import UserError

# A smaller file is decoded in the time that it takes to map it.
SMALLEST_MAPPED = 64 * 1024 * 1024


class Catalogue:
    """What there is to search: ``clips`` with the columns ``mapped.CLIPS``, and their vectors.

    ``info`` is the table's; ``names`` are its columns of vectors; ``folder`` is where they are
    mapped, None where they are in memory.
    """

    def __init__(
        self,
        table: EmbeddingTable,
        names: list[str],
        load: Callable[[str], Column],
        folder: Path | None = None,
    ) -> None:
        self.root: Path = table.root
        self.info: dict[str, Any] = table.info
        self.clips: pa.Table = table.table
        self.names = names
        self.folder = folder
        self._load = cache(load)
        self._open = cache(self._opened)

    def __len__(self) -> int:
        return int(self.clips.num_rows)

    @classmethod
    def of(cls, table: EmbeddingTable) -> Catalogue:
        """Of a table in memory."""
        clips = mapped.for_clips(table.table.select(mapped.CLIPS))
        return cls(
            EmbeddingTable(table.root, clips, table.info),
            table.names(),
            lambda name: Column.of(name, *table.vectors(name)),
        )

    @classmethod
    def open(cls, path: Path, root: Path | None = None) -> Catalogue:
        """Of a table on disk; ``root`` as for ``EmbeddingTable.read``.

        Raises UserError where it is not such a table, or another process is mapping it now.
        """
        schema = mapped.schema(path)
        there, info = described(path, schema)
        names = [name for name in schema.names if name.startswith(PREFIXES)]
        root = root or there

        def decode(name: str) -> Column:
            table = EmbeddingTable(root, _read(path, [name]), info)
            return Column.of(name, *table.vectors(name))

        def load(name: str) -> Column:
            found = mapped.column(path, name)
            return decode(name) if found is None else found

        if path.stat().st_size < SMALLEST_MAPPED:
            clips = mapped.for_clips(_read(path, list(mapped.CLIPS)))
            return cls(EmbeddingTable(root, clips, info), names, decode)
        clips = mapped.clips(path)
        if clips is None:
            clips = mapped.for_clips(_read(path, list(mapped.CLIPS)))
        return cls(EmbeddingTable(root, clips, info), names, load, mapped.folder_of(path))

    def column(self, name: str) -> Column:
        """The vectors called ``name``, one of ``names``."""
        return self._load(name)

    def index(self, name: str) -> Index | None:
        """The index of column ``name``, made if need be; None where it is in memory."""
        return self._open(name)

    def _opened(self, name: str) -> Index | None:
        column = self.column(name)
        if self.folder is None or not isinstance(column.raw, np.memmap):
            return None
        # Queries come across modalities: of a shared space the clips of another one are such.
        others = [other for other in self.names if other.startswith("shared_") and other != name]
        askers = self.column(others[0]).raw if name.startswith("shared_") and others else None
        if askers is not None and not len(askers):
            askers = None
        return open_index(self.folder / name / "index", column, askers)

    def rows(self, rows: npt.NDArray[np.int64]) -> list[dict[str, Any]]:
        """The clips of these rows, a dictionary each."""
        found: list[dict[str, Any]] = self.clips.take(pa.array(rows)).to_pylist()
        return found

    def values(self, name: str) -> npt.NDArray[Any]:
        """A column of numbers of all clips, [N]; of ``path`` the number of each clip's file."""
        column = self.clips[name]
        if not len(column):
            return np.zeros(0, np.int64)
        values = column.chunk(0)
        if name == "path":
            values = values.indices
        return np.asarray(values.to_numpy(zero_copy_only=False))

    @property
    def files(self) -> list[str]:
        """The paths that the numbers of ``values("path")`` stand for."""
        column = self.clips["path"]
        return list(column.chunk(0).dictionary.to_pylist()) if len(column) else []

    def rows_of(self, file: int) -> npt.NDArray[np.int64]:
        """The clips of a file, by its number, in the order of their start."""
        rows = np.flatnonzero(self.values("path") == file)
        order = np.lexsort((self.values("end")[rows], self.values("start")[rows]))
        return rows[order]

    def from_root(self, path: str) -> list[str]:
        """``path`` as the table may name it: resolved from here, and below the root."""
        whole, root = Path(path).resolve(), self.root.resolve()
        return [whole.relative_to(root).as_posix()] if whole.is_relative_to(root) else []


def _read(path: Path, columns: list[str]) -> pa.Table:
    try:
        return pq.read_table(path, columns=columns)
    except (pa.ArrowInvalid, OSError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"{path}: damaged ({reason}); embed again") from None
