"""Writing and reading manifests of 1 k to 1 M rows: time, peak memory, straight lines."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from triptych.manifest.schema import SCHEMA, Manifest, clip_id

SIZES = (1_000, 10_000, 100_000, 1_000_000)
REPEATS = 5
CLIPS_PER_FILE = 15


def rows(count: int) -> list[dict[str, Any]]:
    """Rows as ``scan`` makes them, with a dozen words each, of files that need not exist."""
    words = "add the chopped onion to the pan and stir until it browns".split()
    made = []
    for index in range(count):
        path = f"kitchen/{index // CLIPS_PER_FILE:06d}.mp4"
        start = 4.0 * (index % CLIPS_PER_FILE)
        made.append(
            {
                "clip_id": clip_id(path, start, start + 4),
                "path": path,
                "start": start,
                "end": start + 4.0,
                "text": " ".join(words[index % 7 :]),
                "has_video": True,
                "has_audio": index % 2 == 0,
                "has_text": True,
                "width": 640,
                "height": 360,
                "fps": 25.0,
                "fingerprint": f"{index // CLIPS_PER_FILE:016x}",
            }
        )
    return made


def measure(count: int) -> dict[str, float]:
    """One process's figures: seconds for each step and its peak memory in MiB."""
    path = Path(tempfile.mkdtemp()) / "manifest.parquet"
    marks = [time.perf_counter()]
    manifest = Manifest(path.parent, pa.Table.from_pylist(rows(count), SCHEMA))
    marks.append(time.perf_counter())
    manifest.write(path)
    marks.append(time.perf_counter())
    read = Manifest.read(path)
    _ = read.digest, read.has("audio"), read.column("start")
    marks.append(time.perf_counter())
    assert len(read) == count
    size = path.stat().st_size
    path.unlink()
    path.parent.rmdir()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (
        1 if sys.platform == "darwin" else 1024
    )
    build, write, load = np.diff(marks)
    return {"build": build, "write": write, "read": load, "peak": peak, "bytes": size}


def in_a_process(count: int) -> dict[str, float]:
    """The best time of several fresh processes, so that one size cannot disturb another."""
    runs = []
    for _ in range(REPEATS):
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.manifest_growth", str(count)],
            capture_output=True,
            text=True,
            check=True,
        )
        runs.append(json.loads(done.stdout))
    return {name: min(run[name] for run in runs) for name in runs[0]}


def times_as_much(values: list[float], fixed: float) -> float:
    """What ten times the rows cost, from 100 k to 1 M: 10 is a straight line, 100 a square.

    ``fixed`` is what no rows at all cost; of 10 k rows it is most of what they cost to read.
    """
    return (values[-1] - fixed) / (values[-2] - fixed)


def main() -> None:
    """Print the table."""
    if len(sys.argv) > 1 and sys.argv[1].isdigit():
        print(json.dumps(measure(int(sys.argv[1]))))
        return
    empty = in_a_process(0)
    table = [in_a_process(size) for size in SIZES]
    heads = ("rows", "make s", "write s", "read s", "peak MiB", "over empty", "file MB")
    print("".join(f"{head:>11}" for head in heads))
    for size, row in zip(SIZES, table, strict=True):
        over = row["peak"] - empty["peak"]
        print(
            f"{size:11d}{row['build']:11.3f}{row['write']:11.3f}{row['read']:11.3f}"
            f"{row['peak']:11.0f}{over:11.1f}{row['bytes'] / 1e6:11.2f}"
        )
    print("ten times the rows, from 100 k to 1 M, cost (a straight line: 10 times or less):")
    for name in ("build", "write", "read", "peak"):
        print(f"  {name} {times_as_much([row[name] for row in table], empty[name]):.1f} times")


if __name__ == "__main__":
    main()
