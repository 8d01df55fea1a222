"""Search in large collections: seconds, memory and recall, against faiss and NumPy.

Made-up vectors in a cone, in groups of alike ones; every way in a process of its own, so that peaks
are its own, with the same queries. The floor is the bytes that a way must read for a query at the
rate at which this machine reads memory in the same run. Recall is of the true ten nearest, by
cosines in float64. The peak of resident memory holds mapped files too, which the system takes back
when others need it; what is not mapped, at the end, is given apart.

    python -m benchmarks.search [--clips 10000 100000 1000000] [--dims 256 512] [--queries 20]
        [--threads 2] [--index] [--folder DIR]

``--index`` makes the faiss index of the largest collection of each width too: minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from rich.console import Console

from triptych.embeddings import products
from triptych.embeddings.catalogue import Catalogue
from triptych.embeddings.table import INFO, SCHEMA, EmbeddingTable
from triptych.explore.comparison import Comparison
from triptych.explore.search import DEEP, search
from triptych.verbs.render import table

TOP = 10
BLOCK = 50_000
CLIPS_A_FILE = 100
# How it is asked, the bytes that it reads for it, and a note.
Way = tuple[Callable[[np.ndarray], list[int]] | None, int, str]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--dims", type=int, nargs="+", default=[256, 512])
    parser.add_argument("--queries", type=int, default=20)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--index", action="store_true")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        print(json.dumps(one(given.one[0], Path(given.one[1]), given.threads)))
        return
    rate = bandwidth(given.threads)
    print(f"{given.threads} threads; memory is read at {rate / 1e9:.1f} GB/s")
    for dim in given.dims:
        for clips in given.clips:
            with tempfile.TemporaryDirectory(dir=given.folder) as scratch:
                folder = Path(scratch)
                truth = make(folder, clips, dim, given.queries)
                indexed = given.index and clips == max(given.clips)
                ways = [way for way in WAYS if indexed or not way.startswith("triptych, index")]
                rows = [measure(way, folder, given.threads, truth, rate) for way in ways]
            Console(width=160).print(f"\n{clips:,} clips x {dim}", table(rows))


def bandwidth(threads: int) -> float:
    """Bytes a second that are read from a gigabyte, the best of a few times."""
    parts = np.array_split(np.ones(2**27, np.int64), threads)
    best = float("inf")
    with ThreadPoolExecutor(threads) as pool:
        for _ in range(7):
            start = time.perf_counter()
            list(pool.map(np.max, parts))
            best = min(best, time.perf_counter() - start)
    return 2**30 / best


def make(folder: Path, clips: int, dim: int, queries: int) -> np.ndarray:
    """The table, the unit vectors alone for the peers, the queries; returns the true nearest."""
    draw = np.random.default_rng(0)
    groups = 1 + draw.standard_normal((max(20, clips // 200), dim), np.float32)

    def alike(count: int) -> np.ndarray:
        chosen = groups[draw.integers(0, len(groups), count)]
        return chosen + 0.5 * draw.standard_normal((count, dim), np.float32)

    asked = alike(queries)
    np.save(folder / "queries.npy", asked)
    kind = pa.list_(pa.float32(), dim)
    schema = pa.schema([*SCHEMA, ("vector_video", kind)])
    info = {INFO: json.dumps({"root": "/videos"})}
    unit = np.lib.format.open_memmap(folder / "unit.npy", "w+", np.float32, (clips, dim))
    scores = np.empty((queries, clips))
    target = asked / np.linalg.norm(asked.astype(float), axis=1, keepdims=True)
    with pq.ParquetWriter(
        folder / "embeddings.parquet", schema.with_metadata(info), compression="zstd"
    ) as writer:
        for begin in range(0, clips, BLOCK):
            rows = np.arange(begin, min(clips, begin + BLOCK))
            vectors = alike(len(rows))
            exact = vectors / np.linalg.norm(vectors.astype(float), axis=1, keepdims=True)
            unit[rows], scores[:, rows] = exact, target @ exact.T
            writer.write_table(clip_rows(rows, vectors, schema))
    return np.argsort(-scores, axis=1)[:, :TOP]


def clip_rows(rows: np.ndarray, vectors: np.ndarray, schema: pa.Schema) -> pa.Table:
    starts = 4.0 * (rows % CLIPS_A_FILE)
    columns: dict[str, Any] = {
        "clip_id": [f"{row:016x}" for row in rows],
        "path": [f"video-{row // CLIPS_A_FILE:06}.mp4" for row in rows],
        "start": starts,
        "end": starts + 4,
        "text": [f"what is said in clip {row} of this collection" for row in rows],
        **{name: np.ones(len(rows), bool) for name in ("has_video", "has_audio", "has_text")},
        "cluster": np.zeros(len(rows), np.int32),
        "checkpoint": ["0" * 64] * len(rows),
        "vector_video": pa.FixedSizeListArray.from_arrays(vectors.ravel(), vectors.shape[1]),
    }
    return pa.table(columns, schema)


def measure(
    way: str, folder: Path, threads: int, truth: np.ndarray, rate: float
) -> dict[str, object]:
    command = [sys.executable, "-m", "benchmarks.search", "--one", way, str(folder)]
    command += ["--threads", str(threads)]
    limits = {name: str(threads) for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
    done = subprocess.check_output(command, text=True, env=os.environ | limits)
    told = json.loads(done.splitlines()[-1])
    row: dict[str, object] = {"way": way, "ready, s": f"{told['ready']:.2f}"}
    if told["found"]:
        pairs = zip(told["found"], truth.tolist(), strict=True)
        right = sum(len(set(found) & set(true)) for found, true in pairs)
        floor = told["bytes"] / rate * 1e3
        row |= {"query, ms": f"{told['ms']:.1f}", "longest": f"{told['longest']:.1f}"}
        row |= (
            {"floor, ms": f"{floor:.1f}", "times it": f"{told['ms'] / floor:.2f}"} if floor else {}
        )
        row |= {"recall": f"{right / truth.size:.4f}"}
    return row | {
        "peak, MB": f"{told['peak'] / 1e6:.0f}",
        "not mapped": f"{told['own'] / 1e6:.0f}",
        "note": told["note"],
    }


def one(way: str, folder: Path, threads: int) -> dict[str, Any]:
    """What ``way`` takes, in this process."""
    queries = np.load(folder / "queries.npy")
    faiss.omp_set_num_threads(threads)
    products.available_cores = lambda: threads  # type: ignore[attr-defined]
    began = time.perf_counter()
    ask, size, note = WAYS[way](folder)
    ready = time.perf_counter() - began
    seconds, found = [0.0], []
    if ask is not None:
        ask(queries[0])  # the first one reads the disk, and may compile
        for query in queries:
            began = time.perf_counter()
            found.append(ask(query))
            seconds.append(time.perf_counter() - began)
    return {
        "ready": ready,
        "ms": 1e3 * statistics.median(seconds[1:] or seconds),
        "longest": 1e3 * max(seconds),
        "found": found,
        "bytes": size,
        "note": note,
        "peak": memory("VmHWM"),
        "own": memory("RssAnon"),
    }


def memory(field: str) -> int:
    """Bytes, as the system counts them for this process."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(field)).split()[1]) * 1024


def mapping(folder: Path) -> Way:
    Catalogue.open(folder / "embeddings.parquet").column("vector_video")
    return None, 0, "once, at the first search"


def exact(folder: Path) -> Way:
    opened = Catalogue.open(folder / "embeddings.parquet")
    column = opened.column("vector_video")
    counts = []
    for query in np.load(folder / "queries.npy")[:5]:
        scores, off = Comparison.of(opened, [{"vector_video": query}]).quickly()
        counts.append(int((scores[0] >= np.sort(scores[0])[-DEEP] - 2 * off[0]).sum()))
    size = column.centred.nbytes + column.along.nbytes
    note = f"{statistics.median(counts):.0f} clips re-scored"
    return lambda query: found_by(opened, query, "exact"), size, note


def joined(folder: Path) -> Way:
    opened = Catalogue.open(folder / "embeddings.parquet")
    column = opened.column("vector_video")
    size = column.centred.nbytes + column.along.nbytes

    def ask(query: np.ndarray) -> list[int]:
        hits = search(opened, {"vector_video": query}, TOP, joined=True)
        return [int(hit.clip_id, 16) for hit in hits]

    return ask, size, "neighbours joined"


def half(folder: Path) -> Way:
    opened = Catalogue.open(folder / "embeddings.parquet")
    column = opened.column("vector_video")

    def ask(query: np.ndarray) -> list[int]:
        scores = Comparison.of(opened, [{"vector_video": query}]).quickly()[0][0]
        some = np.argpartition(-scores, TOP)[:TOP]
        return list(map(int, some))

    return ask, column.centred.nbytes + column.along.nbytes, "what float16 costs"


def whole_table(folder: Path) -> Way:
    opened = Catalogue.of(EmbeddingTable.read(folder / "embeddings.parquet"))
    column = opened.column("vector_video")
    size = column.centred.nbytes + column.along.nbytes
    return lambda query: found_by(opened, query, "exact"), size, "the table decoded"


def index_making(folder: Path) -> Way:
    index = Catalogue.open(folder / "embeddings.parquet").index("vector_video")
    return None, 0, f"once; recall measured {index.recall:.3f}" if index else "in memory: none"


def index(folder: Path) -> Way:
    opened = Catalogue.open(folder / "embeddings.parquet")
    found_by(opened, np.load(folder / "queries.npy")[0], "approximate")
    return lambda query: found_by(opened, query, "approximate"), 0, "approximate"


def found_by(opened: Catalogue, query: np.ndarray, how: str) -> list[int]:
    hits = search(opened, {"vector_video": query}, TOP, how=how)
    return [int(hit.clip_id, 16) for hit in hits]


def flat(folder: Path) -> Way:
    vectors = np.load(folder / "unit.npy")
    found = faiss.IndexFlatIP(vectors.shape[1])
    found.add(vectors)
    size = vectors.nbytes
    del vectors
    return lambda query: found.search(query[None], TOP)[1][0].tolist(), size, "float32, in memory"


def numpy_product(folder: Path) -> Way:
    vectors = np.load(folder / "unit.npy")

    def ask(query: np.ndarray) -> list[int]:
        scores = vectors @ query
        some = np.argpartition(-scores, TOP)[:TOP]
        return list(map(int, some))

    return ask, vectors.nbytes, "float32, in memory"


WAYS: dict[str, Callable[[Path], Way]] = {
    "triptych, mapping": mapping,
    "triptych": exact,
    "triptych, joined": joined,
    "triptych, first pass": half,
    "triptych, in memory": whole_table,
    "triptych, indexing": index_making,
    "triptych, index": index,
    "faiss flat": flat,
    "NumPy": numpy_product,
}


if __name__ == "__main__":
    main()
