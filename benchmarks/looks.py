"""Whether the measures of `triptych wall` see what labels say moves, and where.

For each column of LABELS: how often two clips of one label are more alike than two of the
collection drawn at random, by motion and by scene, always of different films; .5 is chance. A
measure of motion should find what moves and not the scene, one of scenes the other way round.

    python -m benchmarks.looks MANIFEST LABELS [COLUMN]... [--descriptors FILE] [--clips N]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from triptych.evaluate.labels import join, label_columns, read_labels
from triptych.explore.sharing.alike import Yardstick
from triptych.explore.sharing.clips import Clips
from triptych.explore.sharing.looks import look
from triptych.explore.sharing.vectors import vectors
from triptych.manifest.schema import Manifest
from triptych.seeds import derive
from triptych.workers import available_cores

FEWEST = 2  # clips of a label


def main() -> None:
    """Print a line for each column."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("manifest", type=Path)
    parser.add_argument("labels", type=Path)
    parser.add_argument("columns", nargs="*")
    parser.add_argument("--descriptors", type=Path)
    parser.add_argument("--clips", type=int, default=400)
    given = parser.parse_args()
    clips = Clips.of(Manifest.read(given.manifest))
    draw = np.random.default_rng(derive(0, "looks"))
    count = min(given.clips, len(clips))
    drawn = np.sort(draw.choice(len(clips), count, replace=False)).tolist()
    rulers = _rulers(clips, drawn, given.descriptors)
    for name in given.columns or label_columns(given.labels):
        read = read_labels(given.labels, name)
        paths = clips.column("path")
        joined = join(read, list(clips.column("clip_id")), list(paths), clips.root)
        labels = np.full(len(clips), "", object)
        labels[joined.rows] = joined.labels
        found = [f"{role} {_mean(ruler, labels, drawn):.3f}" for role, ruler in rulers.items()]
        print(f"{name}: {', '.join(found)}")


def _rulers(clips: Clips, drawn: list[int], descriptors: Path | None) -> dict[str, Yardstick]:
    films = np.unique(clips.column("path").astype(str), return_inverse=True)[1]
    seen = look(clips, drawn, workers=available_cores())
    own = films[seen.rows]
    rulers = {
        "motion": Yardstick(seen.rows, seen.motion, own, drawn, centred=True),
        "scene": Yardstick(seen.rows, seen.scene, own, drawn, centred=False),
    }
    if descriptors is not None:
        _, values, present = vectors(descriptors, clips)
        rows = np.array([row for row in drawn if present[row]], np.int64)
        rulers[descriptors.stem] = Yardstick(rows, values[rows], films[rows], drawn, centred=True)
    return rulers


def _mean(ruler: Yardstick, labels: np.ndarray, drawn: list[int]) -> float:
    """Over labels, each weighed by its clips."""
    values, weights = [], []
    own = labels[drawn]
    for label in sorted(set(own.tolist()) - {""}):
        rows = [row for row, one in zip(drawn, own, strict=True) if one == label]
        found = ruler.measure(rows, seed=0) if len(rows) >= FEWEST else None
        if found is not None:
            values.append(found.value)
            weights.append(found.clips)
    return float(np.average(values, weights=weights)) if values else float("nan")


if __name__ == "__main__":
    main()
