"""How alike two files of trajectories are, either a table or the original program's text.

A row of the first is matched to the nearest row of the second, not matched yet, of the same frame
and scale and within ``--near`` pixels both ways; correlations are over the 426 numbers that
describe.

    python -m benchmarks.parity THEIRS OURS [--near 0.1]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from triptych.descriptors.rows import PARTS, read_rows
from triptych.descriptors.sample import Floats
from triptych.descriptors.tracks import PLACE


def pairs(theirs: Floats, ours: Floats, near: float = 0.1) -> NDArray[np.int64]:
    """The rows of either that belong together, (n, 2)."""
    candidates: dict[tuple[int, int], list[int]] = {}
    for at, row in enumerate(ours):
        candidates.setdefault(_place(row), []).append(at)
    found = []
    for one, row in enumerate(theirs):
        free = candidates.get(_place(row), [])
        if not free:
            continue
        off = np.abs(ours[free, 1:3] - row[1:3]).max(axis=1)
        best = int(off.argmin())
        if off[best] < near:
            found.append((one, free.pop(best)))
    return np.array(found, np.int64).reshape(-1, 2)


def _place(row: Floats) -> tuple[int, int]:
    """Frame, and scale as a power of the root of 2."""
    return int(row[0]), round(2 * float(np.log2(row[6])))


def correlations(one: Floats, other: Floats) -> Floats:
    """Pearson's, row by row."""
    one, other = (part - part.mean(axis=1, keepdims=True) for part in (one, other))
    lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    return np.asarray((one * other).sum(axis=1) / np.maximum(lengths, 1e-12))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("theirs", type=Path)
    parser.add_argument("ours", type=Path)
    parser.add_argument("--near", type=float, default=0.1)
    options = parser.parse_args()
    none = np.empty((0, PLACE + sum(PARTS.values())), np.float32)
    theirs, ours = (
        np.concatenate([none, *read_rows(path)]) for path in (options.theirs, options.ours)
    )
    matched = pairs(theirs, ours, options.near)
    print(f"rows {len(theirs)} and {len(ours)}, {len(matched)} matched: ", end="")
    print(f"{len(matched) / len(theirs):.2%}, and {1 - len(matched) / len(ours):.2%} extra")
    one, other = theirs[matched[:, 0]], ours[matched[:, 1]]
    print(f"{'':<12}{'median r':>10}{'1st percentile':>16}{'median |off|':>14}")
    first = PLACE
    spans = {"all": slice(PLACE, None)}
    for name, size in PARTS.items():
        spans[name] = slice(first, first + size)
        first += size
    for name, span in spans.items():
        alike = correlations(one[:, span], other[:, span])
        off = np.median(np.abs(one[:, span] - other[:, span]))
        print(f"{name:<12}{np.median(alike):>10.5f}{np.quantile(alike, 0.01):>16.5f}{off:>14.6f}")


if __name__ == "__main__":
    main()
