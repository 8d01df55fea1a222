"""An index of one mapped column, for collections too large to compare every clip: approximate.

Faiss sorts the rows into cells around k-means centroids and keeps each as a short code; a query
looks into the few cells nearest to it. What it finds is a list of candidates, which search then
scores exactly from the vectors, so that only leaving a clip out can go wrong. How often it does is
measured when the index is made, and as many cells are looked into as it needs.

Rows are indexed by Euclidean distance between centred unit vectors, which orders them as the cosine
does: |(v - m) - (q - m)|^2 = 2 - 2 v q.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import faiss
import numpy as np

from triptych.atomic import alone, whole_folder, write_json
from triptych.embeddings.column import Column, Doubles, Floats, Rows, unit_rows
from triptych.embeddings.products import from_halves, products
from triptych.errors import UserError
from triptych.progress import say, track
from triptych.seeds import derive

FORMAT = 1
ENOUGH = 0.95  # of the true ten nearest, found on average: more cells are looked into up to here
LITTLE = 0.005  # gained by twice the cells: more of them are not worth their time
NEAREST = 10
QUERIES = 200
CANDIDATES = 200  # at least, that are scored exactly for a query
POINTS_A_CELL = 64  # that k-means sees; faiss warns below 39
CODED = 100_000  # rows from which on there are enough to learn codes from
ROWS_AT_ONCE = 65_536


@dataclass(frozen=True)
class Index:
    """A faiss index of ``column``; ``recall`` of its ten nearest, measured when it was made."""

    column: Column
    faiss: Any
    recall: float

    def candidates(self, query: Doubles, count: int) -> Rows:
        """The table's rows of about ``count`` clips near ``query`` [dim], best first, unscored."""
        centred = (unit_rows(query[None]) - self.column.mean).astype(np.float32)
        return _nearest(self.faiss, centred, max(count, CANDIDATES), self.column)[0]


def open_index(folder: Path, column: Column, askers: Floats | None = None) -> Index:
    """The index in ``folder`` of the mapped ``column``, made if it is not there or damaged.

    ``askers`` [n, dim] are queries to measure its recall with; by default rows of the column.
    The column's folder holds it, so that it goes when the vectors change. Raises UserError where it
    cannot be written.
    """
    spec, why = _read(folder)
    if spec is None:
        if why:
            say(f"{folder}: {why}; making it again")
        spec = _make(folder, column, askers)
    flags = faiss.IO_FLAG_MMAP | faiss.IO_FLAG_READ_ONLY
    found = faiss.read_index(str(folder / "index.faiss"), flags)
    faiss.extract_index_ivf(found).nprobe = int(spec["cells"])
    return Index(column, found, float(spec["recall"]))


def _read(folder: Path) -> tuple[dict[str, Any] | None, str]:
    if not folder.exists():
        return None, ""
    try:
        spec = json.loads((folder / "spec.json").read_text(encoding="utf-8"))
        right = spec["format"] == FORMAT and {"cells", "recall"} <= spec.keys()
        # Faiss trusts what it reads: a damaged file could end the process.
        right = right and spec["sha256"] == _sha256(folder / "index.faiss")
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        right = False
    return (spec, "") if right else (None, "damaged, or of another version")


def _sha256(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _make(folder: Path, column: Column, askers: Floats | None) -> dict[str, Any]:
    kind = kind_of(len(column.raw), column.raw.shape[1])
    say(f"{folder}: making an index ({kind}) of {len(column.raw):,} vectors; this takes a while")
    try:
        with alone(folder.parent), whole_folder(folder) as beside:
            index = _fill(column, kind)
            cells, recall = _measure(index, column, askers)
            faiss.write_index(index, str(beside / "index.faiss"))
            spec = {
                "format": FORMAT,
                "kind": kind,
                "cells": cells,
                "recall": recall,
                "nearest": NEAREST,
                "sha256": _sha256(beside / "index.faiss"),
            }
            write_json(beside / "spec.json", spec)
    except OSError as error:
        reason = error.strerror or error
        raise UserError(
            f"{folder}: the index cannot be written ({reason}); search with --how exact"
        ) from None
    say(
        f"{folder}: finds {recall:.1%} of the {NEAREST} nearest, looking into {cells} of "
        f"{faiss.extract_index_ivf(index).nlist} cells"
    )
    return spec


def kind_of(rows: int, dim: int) -> str:
    """The index for so many vectors, as faiss writes it.

    About 4 sqrt(rows) cells. Codes of a byte for four numbers; half precision where rows are too
    few to learn codes from.
    """
    cells = max(1, min(int(4 * rows**0.5), rows // POINTS_A_CELL))
    if rows < CODED:
        return f"IVF{cells},SQfp16"
    pieces = next(pieces for pieces in range(max(1, dim // 4), 0, -1) if dim % pieces == 0)
    return f"IVF{cells},PQ{pieces}np"  # np: codes in no order, which takes long and serves nothing


def _fill(column: Column, kind: str) -> Any:
    rows, dim = column.raw.shape
    index = faiss.index_factory(dim, kind)
    cells = faiss.extract_index_ivf(index)
    draw = np.random.default_rng(derive(0, "index"))
    sample = np.sort(draw.choice(rows, min(rows, POINTS_A_CELL * cells.nlist), replace=False))
    index.train(from_halves(column.centred[sample]))
    for begin in track(
        range(0, rows, ROWS_AT_ONCE), -(-rows // ROWS_AT_ONCE), f"search: indexing {column.name}"
    ):
        index.add(from_halves(column.centred[begin : begin + ROWS_AT_ONCE]))
    return index


def _measure(index: Any, column: Column, askers: Floats | None) -> tuple[int, float]:
    """How many cells to look into, and the share of the true nearest that are found so."""
    rows = len(column.raw)
    draw = np.random.default_rng(derive(0, "recall"))
    own = askers is None
    asked = column.raw if askers is None else askers
    chosen = np.sort(draw.choice(len(asked), min(QUERIES, len(asked)), replace=False))
    queries = unit_rows(np.asarray(asked[chosen], np.float64)) - column.mean
    wanted = min(NEAREST, rows - own)
    truth = []
    for number, query in enumerate(queries):
        scores = products(column.centred, query[None])[0] + column.along
        if own:  # a row finds itself wherever it is looked for
            scores[chosen[number]] = -np.inf
        truth.append(np.argpartition(-scores, wanted - 1)[:wanted] if wanted else np.zeros(0))
    ivf, cells, before = faiss.extract_index_ivf(index), 1, 0.0
    while True:
        ivf.nprobe = cells
        found = _nearest(index, queries.astype(np.float32), CANDIDATES)
        hits = [len(np.intersect1d(*pair)) for pair in zip(found, truth, strict=True)]
        recall = sum(hits) / max(1, wanted * len(queries))
        # What the codes have lost, no further cell brings back.
        settled = before > 0.5 and recall - before < LITTLE
        if recall >= ENOUGH or settled or cells >= ivf.nlist or not wanted:
            return cells, recall if wanted else 1.0
        cells, before = min(2 * cells, ivf.nlist), recall


def _nearest(index: Any, centred: Any, count: int, column: Column | None = None) -> list[Rows]:
    """The places of what is near each query [Q, dim]; with ``column`` the table's rows."""
    _, found = index.search(centred, min(count, index.ntotal))
    places = [row[row >= 0] for row in found]
    if column is None or column.clips is None:
        return places
    return [column.clips[row].astype(np.int64) for row in places]
