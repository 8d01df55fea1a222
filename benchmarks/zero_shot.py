"""Zero-shot evaluation: ranks among many clips, and steps placed on long time lines.

Ranks of 1,000 queries among a million clips, by default, beside the bare product in double
precision at the rate that this machine reaches on 1024^3 in the same run, and the memory that they
add. Placing steps: seconds for time lines of growing length, and nanoseconds a cell of T x K, which
stay level if time grows as stated; beside the same recursion a row at a time in NumPy.

    python -m benchmarks.zero_shot [--clips 1000000] [--queries 1000] [--width 256] [--threads 2]
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable

import numpy as np
from rich.console import Console
from threadpoolctl import threadpool_limits

from triptych.embeddings.alignment import points, spans
from triptych.evaluate.ranks import stand
from triptych.verbs.render import table

LINES = ((300, 10), (3_600, 20), (36_000, 20), (100_000, 50))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=1_000_000)
    parser.add_argument("--queries", type=int, default=1_000)
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    with threadpool_limits(given.threads):
        rows = [ranks(given.clips, given.queries, given.width)]
    Console().print(f"ranks, {given.threads} threads", table(rows))
    Console().print("steps on a time line, one thread", table([line(*shape) for shape in LINES]))


def ranks(clips: int, queries: int, width: int) -> dict[str, object]:
    random = np.random.default_rng(0)
    items = random.standard_normal((clips, width), dtype=np.float32)
    asked = items[:queries] + random.standard_normal((queries, width), dtype=np.float32)
    square = random.standard_normal((1024, 1024))
    rate = min(seconds(lambda: square @ square) for _ in range(5)) / 1024**3
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    took = seconds(lambda: stand(asked, items, np.arange(queries), np.arange(clips)))
    added = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    floor = rate * clips * queries * width
    return {
        "clips": clips, "queries": queries, "width": width, "s": round(took, 1),
        "product alone, s": round(floor, 1), "x product": round(took / floor, 2),
        "MiB of clips": items.nbytes >> 20, "MiB added": added >> 10,
    }  # fmt: skip


def line(rows: int, steps: int) -> dict[str, object]:
    scores = np.random.default_rng(0).standard_normal((rows, steps))
    points(scores[:99]), spans(scores[:99]), spans(scores[:99], longest=9)  # compiled
    calls: dict[str, Callable[[], object]] = {
        "points": lambda: points(scores),
        "spans": lambda: spans(scores, shortest=3),
        "Poisson, to 120 rows": lambda: spans(scores, mean_rows=30, longest=120),
        "points, NumPy": lambda: by_rows(scores),
    }
    found: dict[str, object] = {"rows": rows, "steps": steps}
    for name, call in calls.items():
        took = min(seconds(call) for _ in range(3))
        found |= {f"{name}, ms": round(1e3 * took, 2)}
        if name == "points":
            found["ns a cell"] = round(1e9 * took / scores.size, 1)
    return found


def by_rows(scores: np.ndarray) -> float:
    """The value of `points`, without the way back."""
    best = np.full(scores.shape[1] + 1, -np.inf)
    best[0] = 0.0
    for row in scores:
        best[1:] = np.maximum(best[1:], best[:-1] + row)
    return float(best[-1])


def seconds(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
