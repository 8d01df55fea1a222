"""The clips of a collection, wherever they are listed: a manifest, or a table of embeddings."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from triptych.embeddings.table import CLIP_COLUMNS, EmbeddingTable
from triptych.manifest.schema import Manifest


@dataclass(frozen=True)
class Clips:
    """``table`` has the columns of a clip that manifests and embeddings have in common."""

    root: Path
    table: pa.Table

    @classmethod
    def of(cls, known: Manifest | EmbeddingTable) -> Clips:
        """The clips of either, in its order."""
        return cls(known.root, known.table.select(CLIP_COLUMNS))

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def column(self, name: str) -> npt.NDArray[Any]:
        """One column, shape (clips,); strings come as an object array."""
        return np.asarray(self.table[name].to_numpy(zero_copy_only=False))

    def rows(self, clip_ids: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
        """Where each of the clips here is among ``clip_ids``, (clips,); -1 where it is not."""
        place = {name: row for row, name in enumerate(clip_ids)}
        return np.array([place.get(name, -1) for name in self.column("clip_id")], np.int64)

    def about(self, row: int) -> dict[str, Any]:
        """Everything that is known of clip ``row``."""
        found: list[dict[str, Any]] = self.table.slice(row, 1).to_pylist()
        return found[0]

    def file(self, row: int) -> Path:
        """The media file of clip ``row``."""
        return self.root / str(self.table["path"][row].as_py())
