"""Fisher vectors of trajectories told apart by a linear SVM, over the folds of a table of labels.

The mixture is fitted to the training folds alone, and once more to all videos: with as many
components as there are videos nearly, those of a test video that were fitted to it are its own.
C is chosen by leaving one training fold out at a time; intervals are of a bootstrap over groups.
ROWS is what ``triptych describe idt --keep-rows`` kept; LABELS a CSV with ``file``, ``label``,
``fold`` and ``group``, whose files end in the paths of the manifest.

    python -m benchmarks.idt_folds ROWS LABELS [KEY=VALUE]...
"""

from __future__ import annotations

import argparse
import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.svm import SVC

from triptych import config
from triptych.descriptors.model import FisherModel, FisherSettings
from triptych.descriptors.rows import read_facts, read_rows
from triptych.descriptors.sample import Floats, Reservoir
from triptych.descriptors.sketch import CountSketch
from triptych.descriptors.tracks import PLACE

Bools = NDArray[np.bool_]
STRENGTHS = (0.01, 0.1, 1.0, 10.0, 100.0)
SKETCHES = 3
DRAWS = 5000
WIDTH = 426


class Data:
    """The rows of every labelled video, and its label, fold and group."""

    def __init__(self, folder: Path, labels: Path) -> None:
        files = {}
        for file in sorted(folder.glob("[!.]*.parquet")):
            files[str((read_facts(file) or {}).get("video"))] = file
        with labels.open(encoding="utf-8-sig") as table:
            rows = list(csv.DictReader(table))
        self.paths, self.rows = [], []
        for row in rows:
            at = next((path for path in files if f"/{row['file']}".endswith(f"/{path}")), None)
            if at is None:
                raise SystemExit(f"{folder}: no rows of {row['file']}")
            blocks = [block[:, PLACE:].astype(np.float16) for block in read_rows(files[at])]
            self.paths.append(at)
            self.rows.append(np.concatenate([np.empty((0, WIDTH), np.float16), *blocks]))
        self.labels, self.folds, self.groups = (
            np.array([row[key] for row in rows]) for key in ("label", "fold", "group")
        )

    def fit(self, chosen: Bools, settings: FisherSettings) -> FisherModel:
        """The model of some of the videos."""
        sample = {}
        for path, rows, take in zip(self.paths, self.rows, chosen, strict=True):
            if take:
                drawn = Reservoir(settings.rows_per_video, WIDTH, settings.seed, path)
                drawn.add(rows)
                sample[path] = drawn.rows()
        return FisherModel.fit(sample, settings)

    def vectors(self, model: FisherModel) -> dict[str, Floats]:
        """What is compared, [videos, d] each."""
        released = model.settings.model_copy(update={"form": "released"})
        found = {
            "equations 5 and 6": np.stack([model.encode([rows]).vector for rows in self.rows]),
            "as released": np.stack(
                [replace(model, settings=released).encode([rows]).vector for rows in self.rows]
            ),
        }
        for seed in range(SKETCHES):
            sketch = CountSketch.draw(model.dim, model.settings.sketch, seed)
            found[f"sketch {seed}"] = sketch.apply(found["equations 5 and 6"])
        return found


def right(data: Data, gram: Floats, test: Bools) -> Bools:
    """Which test videos are told right; the test part has no say in C."""

    def told(train: Bools, other: Bools, strength: float) -> Bools:
        machine = SVC(C=strength, kernel="precomputed")
        machine.fit(gram[np.ix_(train, train)], data.labels[train])
        return np.asarray(machine.predict(gram[np.ix_(other, train)]) == data.labels[other])

    def inner(strength: float) -> float:
        parts = [data.folds == fold for fold in np.unique(data.folds[~test])]
        return float(np.mean([told(~test & ~part, part, strength).mean() for part in parts]))

    return told(~test, test, max(STRENGTHS, key=inner))


def main() -> None:
    """Print accuracy with its interval, fitted to the training folds and to all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rows", type=Path)
    parser.add_argument("labels", type=Path)
    parser.add_argument("overrides", nargs="*")
    options = parser.parse_args()
    settings = config.override(FisherSettings(), options.overrides)
    data = Data(options.rows, options.labels)
    folds = {fold: data.folds == fold for fold in np.unique(data.folds)}
    everything = np.ones(len(data.labels), bool)
    for name in ("training folds", "all videos"):
        correct: dict[str, Bools] = {}
        shared = None if name == "training folds" else data.vectors(data.fit(everything, settings))
        for test in folds.values():
            for kind, vectors in (shared or data.vectors(data.fit(~test, settings))).items():
                wide = vectors.astype(np.float64)
                correct.setdefault(kind, np.zeros(len(everything), bool))[test] = right(
                    data, wide @ wide.T, test
                )
        print(f"mixture of {settings.components} fitted to {name}")
        for kind, ok in correct.items():
            low, high = interval(ok, data.groups)
            each = " ".join(f"{ok[test].mean():.2f}" for test in folds.values())
            print(f"  {kind:<20}{ok.mean():.3f} [{low:.3f} {high:.3f}]   {each}", flush=True)


def interval(ok: Bools, groups: NDArray[np.str_]) -> tuple[float, float]:
    """95 % of the bootstrap over groups."""
    random = np.random.default_rng(0)
    members = [np.flatnonzero(groups == group) for group in np.unique(groups)]
    means = []
    for _ in range(DRAWS):
        drawn = random.integers(len(members), size=len(members))
        means.append(ok[np.concatenate([members[one] for one in drawn])].mean())
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


if __name__ == "__main__":
    main()
