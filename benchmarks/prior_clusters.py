"""What a prior of Fisher vectors groups videos by, for mixtures of more and fewer components.

For each mixture, fitted to all videos as pretraining does, and for whole vectors and sketches: the
agreement (AMI) of k-means with labels and with groups, means of three seeds, and how often the five
nearest videos of other groups have a video's own label. Arguments are those of idt_folds.

    python -m benchmarks.prior_clusters ROWS LABELS [--components 8,16,64,256] [--k 16]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from benchmarks.idt_folds import Data
from triptych.clustering.agreement import ami
from triptych.clustering.kmeans import kmeans
from triptych.descriptors.model import FisherSettings
from triptych.descriptors.sample import Floats

SEEDS = 3
NEAREST = 5


def line(data: Data, name: str, vectors: Floats, k: int) -> str:
    """One row of the table."""
    labels, groups = [], []
    for seed in range(SEEDS):
        clusters = kmeans(vectors, k, seed=seed, starts=5).labels
        labels.append(ami(clusters, data.labels))
        groups.append(ami(clusters, data.groups))
    cosines = vectors @ vectors.T
    cosines[data.groups[:, None] == data.groups] = -np.inf
    nearest = np.argsort(-cosines, axis=1)[:, :NEAREST]
    same = np.mean(data.labels[nearest] == data.labels[:, None])
    return f"{name:<24}{np.mean(labels):>8.3f}{np.mean(groups):>8.3f}{same:>8.3f}"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rows", type=Path)
    parser.add_argument("labels", type=Path)
    parser.add_argument("--components", default="8,16,64,256")
    parser.add_argument("--k", type=int, default=16)
    options = parser.parse_args()
    data = Data(options.rows, options.labels)
    everything = np.ones(len(data.labels), bool)
    print(f"{'k-means, k=' + str(options.k):<24}{'label':>8}{'group':>8}{'nearest':>8}")
    for components in map(int, options.components.split(",")):
        settings = FisherSettings(components=components, starts=1, iterations=25, tolerance=0)
        model = data.fit(everything, settings)
        vectors = np.stack([model.encode([rows]).vector for rows in data.rows])
        print(line(data, f"{components}, whole", vectors, options.k))
        print(line(data, f"{components}, sketch", model.sketch(vectors), options.k), flush=True)


if __name__ == "__main__":
    main()
