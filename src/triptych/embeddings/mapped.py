"""Parts of an embedding table as files to be memory-mapped, in a folder beside the table.

Each part, the clips or one column of vectors, is a folder that is made whole or not at all: files
without headers, and ``spec.json``, which says what they hold, how long each is, and of what bytes
of the table they were made. These are its columns' compressed pages, so that clustering the clips
anew, which rewrites the table, leaves the vectors valid. They are read again only where the table's
file is another than it was, by its size, its time and its number on the disk.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from triptych.atomic import alone, whole_folder, write_json
from triptych.embeddings.column import Bounds, Column, Floats, Mean, halved, rows_at_once
from triptych.embeddings.table import EmbeddingTable
from triptych.errors import UserError
from triptych.progress import say, track

FORMAT = 1
CLIPS = ("clip_id", "path", "start", "end", "text", "cluster")
Spec = dict[str, Any]


def folder_of(table: Path) -> Path:
    """Where the parts of ``table`` lie."""
    return table.with_suffix(".vectors")


def schema(table: Path) -> pa.Schema:
    """The columns of ``table`` and its metadata; UserError where it is missing or no Parquet."""
    if not table.is_file():
        raise UserError(f"{table}: no embeddings here; make them with `triptych embed`")
    try:
        return pq.read_schema(table)
    except (pa.ArrowInvalid, OSError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"{table}: not a Parquet file ({reason}); embed again") from None


def for_clips(table: pa.Table) -> pa.Table:
    """The columns of ``CLIPS``, each in one piece, files by number."""
    wide = {"clip_id": pa.large_string(), "text": pa.large_string()}  # over 2 GB in one piece
    columns = {}
    for name in CLIPS:
        column = table[name].cast(wide.get(name, table[name].type))
        column = column.dictionary_encode() if name == "path" else column
        columns[name] = column.combine_chunks()
    return pa.table(columns)


def clips(table: Path) -> pa.Table | None:
    """The mapped clips of ``table``; None, and why is said, where the folder cannot be written."""
    part = _part(table, "clips", CLIPS, lambda beside: _write_clips(table, beside))
    if part is None:
        return None
    with pa.memory_map(str(part[0] / "clips.arrow")) as source:
        return pa.ipc.open_file(source).read_all()


def column(table: Path, name: str) -> Column | None:
    """The mapped column ``name`` of ``table``; None where the folder cannot be written."""
    part = _part(table, name, (name,), lambda beside: _write_column(table, name, beside))
    if part is None:
        return None
    folder, spec = part
    rows, dim = int(spec["rows"]), int(spec["dim"])
    return Column(
        name,
        int(spec["count"]),
        _map(folder / "raw.f32", np.float32, (rows, dim)),
        _map(folder / "centred.f16", np.float16, (rows, dim)),
        _map(folder / "along.f32", np.float32, (rows,)),
        None if rows == spec["count"] else _map(folder / "clips.i32", np.int32, (rows,)),
        np.array(_map(folder / "mean.f64", np.float64, (dim,))),
        Bounds(**spec["bounds"]),
    )


def digest(table: Path, columns: tuple[str, ...]) -> str:
    """SHA-256 of the compressed pages of ``columns`` and of how many rows they hold."""
    footer = pq.read_metadata(table)
    told = hashlib.sha256(json.dumps([FORMAT, footer.num_rows]).encode())
    with table.open("rb") as file:
        for begin, length in _pages(footer, columns):
            file.seek(begin)
            while length > 0:
                block = file.read(min(length, 1 << 22))
                if not block:
                    raise UserError(f"{table}: cut short; embed again")
                told.update(block)
                length -= len(block)
    return told.hexdigest()


def _pages(footer: Any, columns: tuple[str, ...]) -> Iterator[tuple[int, int]]:
    for number in range(footer.num_row_groups):
        group = footer.row_group(number)
        for at in range(group.num_columns):
            chunk = group.column(at)
            if chunk.path_in_schema.split(".")[0] in columns:
                offsets = (chunk.dictionary_page_offset, chunk.data_page_offset)
                yield min(offset for offset in offsets if offset), chunk.total_compressed_size


def _part(
    table: Path, name: str, columns: tuple[str, ...], write: Callable[[Path], Spec]
) -> tuple[Path, Spec] | None:
    """The folder of a part and what its spec says, made where it is not there as it should be."""
    folder = folder_of(table) / name
    spec, why = _read_spec(folder)
    if spec is not None:
        if spec["stamp"] == _stamp(table):
            return folder, spec
        if spec["digest"] == digest(table, columns):
            spec["stamp"] = _stamp(table)
            with suppress(UserError, OSError):  # where it cannot be written, it is digested again
                write_json(folder / "spec.json", spec)
            return folder, spec
        why = "made of a table that has changed"
    if why:
        say(f"{folder}: {why}; making it again")
    try:
        with alone(folder_of(table)), whole_folder(folder) as beside:
            # Before the table is read: if it changes meanwhile, the part is found to be old.
            made_of = {"format": FORMAT, "stamp": _stamp(table), "digest": digest(table, columns)}
            spec = made_of | write(beside)
            spec["files"] = {file.name: file.stat().st_size for file in beside.iterdir()}
            write_json(beside / "spec.json", spec)
    except OSError as error:
        say(f"{folder}: cannot be written ({error.strerror or error}); searching in memory")
        return None
    return folder, spec


def _read_spec(folder: Path) -> tuple[Spec | None, str]:
    """What the part's spec says, or why there is none; the reason is empty where nothing is."""
    if not folder.exists():
        return None, ""
    try:
        spec = json.loads((folder / "spec.json").read_text(encoding="utf-8"))
        if spec["format"] != FORMAT:
            return None, "of another version"
        right = {"stamp", "digest", "files"} <= spec.keys()
        wrong = [
            name
            for name, size in spec["files"].items()
            if not (folder / name).is_file() or (folder / name).stat().st_size != size
        ]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        right, wrong = False, ["spec.json"]
    if wrong or not right:
        return None, f"damaged ({', '.join(wrong) or 'spec.json'})"
    return spec, ""


def _stamp(table: Path) -> list[int]:
    facts = table.stat()
    return [facts.st_size, facts.st_mtime_ns, facts.st_ino]


def _write_clips(table: Path, beside: Path) -> Spec:
    try:
        found = for_clips(pq.read_table(table, columns=list(CLIPS)))
    except (pa.ArrowInvalid, OSError) as error:
        raise _damaged(table, error) from None
    with (
        pa.OSFile(str(beside / "clips.arrow"), "wb") as sink,
        pa.ipc.new_file(sink, found.schema) as writer,
    ):
        writer.write_table(found)
    return {"count": found.num_rows}


def _write_column(table: Path, name: str, beside: Path) -> Spec:
    """Block by block: neither the table nor the column is ever in memory."""
    source = pq.ParquetFile(table, pre_buffer=False, buffer_size=1 << 20)
    count, rows, clips = source.metadata.num_rows, 0, []
    dim = int(source.schema_arrow.field(name).type.list_size)
    mean, step = Mean(dim), rows_at_once(dim)
    with (beside / "raw.f32").open("wb") as raw:
        for begin, vectors, has in track(
            _blocks(source, table, name, step), -(-count // step), f"search: mapping {name}"
        ):
            kept = vectors[has]
            mean.add(name, kept)
            raw.write(kept.data)
            clips.append(np.flatnonzero(has) + begin)
            rows += len(kept)
    if rows < count:
        np.concatenate(clips).astype(np.int32).tofile(beside / "clips.i32")
    mean.value.tofile(beside / "mean.f64")
    bounds = Bounds()
    # Not through a map: where the disk is full, that ends the process.
    with (beside / "centred.f16").open("wb") as halves, (beside / "along.f32").open("wb") as along:
        for _, block in halved(_map(beside / "raw.f32", np.float32, (rows, dim)), mean.value):
            halves.write(block.centred.data)
            along.write(block.along.data)
            bounds = bounds.with_(block.bounds)
    return {"count": count, "rows": rows, "dim": dim, "bounds": bounds._asdict()}


def _blocks(
    source: Any, table: Path, name: str, step: int
) -> Iterator[tuple[int, Floats, npt.NDArray[np.bool_]]]:
    begin = 0
    try:
        for batch in source.iter_batches(step, columns=[name]):
            part = EmbeddingTable(Path(), pa.Table.from_batches([batch]), {})
            yield begin, *part.vectors(name)
            begin += len(part)
    except (pa.ArrowInvalid, OSError) as error:
        raise _damaged(table, error) from None


def _damaged(table: Path, error: Exception) -> UserError:
    return UserError(f"{table}: damaged ({str(error).splitlines()[0]}); embed again")


def _map(path: Path, kind: Any, shape: tuple[int, ...]) -> npt.NDArray[Any]:
    if 0 in shape:  # nothing cannot be mapped
        return np.zeros(shape, kind)
    return np.memmap(path, kind, "r", shape=shape)
