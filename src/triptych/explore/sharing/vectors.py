"""Vectors of clips from any Parquet file that holds some, by their path and start."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from triptych.descriptors.sketch import CountSketch
from triptych.descriptors.table import DescriptorTable
from triptych.errors import UserError
from triptych.explore.sharing.clips import Clips

COLUMNS = ("vector", "vector_video", "vector_joint")  # the first that is there
WIDEST = 4096  # numbers; longer vectors, whole Fisher vectors for instance, are sketched
SKETCH = 2000


def vectors(
    file: Path, clips: Clips, column: str | None = None
) -> tuple[str, npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
    """The column's name, a vector of each clip [clips, d], zeros where it has none, and which have.

    A clip has the vector of its own row or else that of its video. Raises UserError in one line.
    """
    name = column or next((one for one in COLUMNS if one in columns(file)), COLUMNS[0])
    table = DescriptorTable.read(file, name)
    values, present = table.of(clips.column("path").tolist(), clips.column("start").tolist())
    if values.shape[1] > WIDEST:
        values = CountSketch.draw(values.shape[1], SKETCH, seed=0).apply(values)
    return name, values, present


def columns(file: Path) -> list[Any]:
    """The names of its columns. Raises UserError where it is no Parquet file."""
    try:
        return list(pq.read_schema(file).names)
    except (pa.ArrowInvalid, OSError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"{file}: not a Parquet file ({reason}); name a file of vectors") from None
