"""Files of trajectories: half-precision tables with a schema, and the original's text.

Both hold the 436 columns of improved dense trajectories: where and how large a trajectory is (10
numbers), its steps (30), HOG (96), HOF (108), MBHx (96) and MBHy (96).
"""

from __future__ import annotations

import gzip
import json
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
from numpy.typing import NDArray

from triptych.atomic import whole_file
from triptych.descriptors.choices import Format
from triptych.descriptors.decimal import lines
from triptych.descriptors.pyramid import Floats
from triptych.descriptors.tracks import COLUMNS, PLACE
from triptych.errors import UserError

PLACES = ("mean_x", "mean_y", "std_x", "std_y", "length", "scale", "x", "y", "t")
PARTS = {"trajectory": 30, "hog": 96, "hof": 108, "mbhx": 96, "mbhy": 96}
DECIMALS = np.array([0] + [6] * (PLACE - 1 + PARTS["trajectory"]) + [7] * 396)
LAST = np.float32(0.999)  # what the original lets no relative place exceed
BLOCK = 4096  # rows
FACTS = b"triptych.trajectories"

SCHEMA = pa.schema(
    [
        pa.field("frame", pa.int32()),
        *(pa.field(name, pa.float32()) for name in PLACES),
        *(pa.field(name, pa.list_(pa.float16(), size)) for name, size in PARTS.items()),
    ]
)


def write_rows(
    path: Path, ended: Iterable[Floats], format: Format, facts: Mapping[str, Any]
) -> tuple[int, int]:
    """Write the trajectories that end in each frame, (n, 436); returns how many, and the frames.

    They wait on disk until the last frame has told how long the video is, which the tenth column
    is relative to; memory holds one block. ``facts`` go into the table's metadata. Text is
    compressed where ``path`` ends in ``.gz``.
    """
    with whole_file(path) as beside, Waiting(path.parent) as waiting:
        for block in ended:
            waiting.add(block)
        if format == "parquet":
            waiting.write_table(beside, facts)
        else:
            _write_text(beside, waiting.relative(), path.suffix == ".gz")
    return waiting.rows, waiting.frames


class Waiting:
    """The rows of a video on disk, in ``folder``, until its last frame is known."""

    def __init__(self, folder: Path) -> None:
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115  (closed by __exit__)
        self.rows = self.frames = 0

    def __enter__(self) -> Waiting:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(self, block: Floats) -> None:
        """The trajectories (n, 436) that end in the next frame."""
        self._file.write(np.ascontiguousarray(block, np.float32).data)
        self.rows, self.frames = self.rows + len(block), self.frames + 1

    def relative(self) -> Iterator[Floats]:
        """All rows in blocks, the tenth column as a share of the frames there are."""
        self._file.seek(0)
        return _relative(self._file, self.frames)

    def write_table(self, beside: Path, facts: Mapping[str, Any]) -> None:
        """Write them to a Parquet file, with ``facts`` and how many frames there are."""
        _write_table(beside, self.relative(), {**facts, "frames": self.frames})


def _relative(waiting: IO[bytes], frames: int) -> Iterator[Floats]:
    while data := waiting.read(BLOCK * COLUMNS * 4):
        block = np.frombuffer(data, np.float32).reshape(-1, COLUMNS).copy()
        block[:, 9] = np.clip(block[:, 9] / np.float32(frames), 0, LAST)
        yield block


def _write_text(path: Path, blocks: Iterable[Floats], compressed: bool) -> None:
    with gzip.open(path, "wb", 4) if compressed else path.open("wb") as file:
        for block in blocks:
            file.write(lines(block, DECIMALS))


def _write_table(path: Path, blocks: Iterable[Floats], facts: Mapping[str, Any]) -> None:
    schema = SCHEMA.with_metadata({FACTS: json.dumps(facts).encode()})
    with pq.ParquetWriter(path, schema, compression="zstd") as file:
        for block in blocks:
            columns = [pa.array(block[:, 0].astype(np.int32))]
            columns += [pa.array(block[:, 1 + at]) for at in range(len(PLACES))]
            first = PLACE
            for size in PARTS.values():
                part = block[:, first : first + size].astype(np.float16).ravel()
                columns.append(pa.FixedSizeListArray.from_arrays(pa.array(part), size))
                first += size
            file.write_table(pa.table(columns, schema=schema))


def read_facts(path: Path) -> dict[str, Any] | None:
    """What ``write_rows`` was told of a table, and its ``frames``; None where it is none."""
    try:
        metadata = pq.read_schema(path).metadata or {}
        return dict(json.loads(metadata[FACTS]))
    except (OSError, pa.ArrowException, ValueError, KeyError):
        return None


def read_frames(path: Path) -> NDArray[np.int32]:
    """The frame in which each trajectory of a table ends, (n,), never falling."""
    table = pq.read_table(path, columns=["frame"])
    return np.asarray(table["frame"].to_numpy(), np.int32)


def read_span(path: Path, first: int, last: int) -> Iterator[Floats]:
    """Rows ``first`` to ``last``, without it, of a table in blocks, float32 (n, 436)."""
    with pq.ParquetFile(path) as file:
        ends = np.cumsum([file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)])
        begins = np.concatenate([[0], ends[:-1]]) if len(ends) else ends
        for group in np.flatnonzero((begins < last) & (ends > first)):
            at = int(begins[group])
            for block in _blocks(file, row_groups=[int(group)]):
                part = block[max(first - at, 0) : max(last - at, 0)]
                at += len(block)
                if len(part):
                    yield part


def read_rows(path: Path) -> Iterator[Floats]:
    """The rows of either kind of file in blocks, float32 (n, 436); the original's own files too.

    Raises UserError where the file is neither.
    """
    try:
        with path.open("rb") as file:
            table = file.read(4) == b"PAR1"
        yield from _read_table(path) if table else _read_text(path)
    except (OSError, pa.ArrowException, ValueError, KeyError) as error:
        line = str(error).splitlines()[0]
        raise UserError(f"{path}: cannot be read as trajectories ({line})") from None


def _read_table(path: Path) -> Iterator[Floats]:
    with pq.ParquetFile(path) as file:
        yield from _blocks(file)


def _blocks(file: pq.ParquetFile, row_groups: list[int] | None = None) -> Iterator[Floats]:
    for batch in file.iter_batches(BLOCK, row_groups, SCHEMA.names):
        block = np.empty((len(batch), COLUMNS), np.float32)
        for at, name in enumerate(("frame", *PLACES)):
            block[:, at] = batch.column(name).to_numpy(zero_copy_only=False)
        first = PLACE
        for name, size in PARTS.items():
            part = batch.column(name).flatten().to_numpy(zero_copy_only=False)
            block[:, first : first + size] = part.reshape(-1, size)
            first += size
        yield block


def _read_text(path: Path) -> Iterator[Floats]:
    with pa.input_stream(str(path)) as file:  # takes .gz too
        if not file.read(1):
            return
    names = [str(at) for at in range(COLUMNS + 1)]  # a tab ends each line, so a column more
    reader = pyarrow.csv.open_csv(
        pa.input_stream(str(path)),
        read_options=pyarrow.csv.ReadOptions(column_names=names, use_threads=False),
        parse_options=pyarrow.csv.ParseOptions(delimiter="\t"),
        convert_options=pyarrow.csv.ConvertOptions(
            column_types=dict.fromkeys(names[:-1], pa.float32()), include_columns=names[:-1]
        ),
    )
    with reader:
        for batch in reader:
            yield np.stack([column.to_numpy(zero_copy_only=False) for column in batch.columns], 1)
