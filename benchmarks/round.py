"""What a round costs beside its training: extraction and clustering.

    python -m benchmarks.round [--clips 240000] [--epochs 6]

First a clustering as a round makes it (whitening, k-means with k=256, 20 iterations from one start,
labels for all) of random 512-d features against faiss's own k-means on features that are whitened
already, each in a process of its own, whose peak memory is read. Then the shares of rounds of one
and two epochs on a demo collection, with all features extracted anew and with those of the
training steps. Wall seconds, two threads.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from rich.console import Console

from triptych.clustering.whiten import Whitening
from triptych.demo.collection import make_collection
from triptych.demo.knobs import Knobs
from triptych.embeddings.extract import Features
from triptych.manifest.scan import scan
from triptych.methods.method import declare
from triptych.training.log import read_metrics
from triptych.training.pretrain import pretrain
from triptych.training.recipe import Clustering, Recipe
from triptych.training.refresh import cluster_features
from triptych.training.source import open_source
from triptych.verbs.render import table

K, DIM, COMPONENTS, ITERATIONS = 256, 512, 256, 20


def memory() -> float:
    """The most that this process has held so far, GiB; getrusage has its parent's too."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 2**20


def ours(folder: Path) -> tuple[float, float, float]:
    """Seconds, GiB above the features, and inertia per clip of unit vectors."""
    x = np.load(folder / "raw.npy")
    seen = {"video": Features(x, np.ones(len(x), bool))}
    before, began = memory(), time.perf_counter()
    settings = Clustering(k=K, components=COMPONENTS, starts=1, iterations=ITERATIONS)
    _, inertia = cluster_features(declare("sdc", ("video",)), seen, settings, seed=0)
    return time.perf_counter() - began, memory() - before, inertia["video"]


def peer(folder: Path) -> tuple[float, float, float]:
    """The same figures of faiss.Kmeans and its assignment, on whitened unit vectors."""
    import faiss

    x = np.load(folder / "whitened.npy")
    before, began = memory(), time.perf_counter()
    found = faiss.Kmeans(
        COMPONENTS, K, niter=ITERATIONS, seed=0, max_points_per_centroid=len(x), verbose=False
    )
    found.train(x)
    distances, _ = found.index.search(x, 1)
    return time.perf_counter() - began, memory() - before, float(distances.mean())


WAYS = {"triptych": ours, "faiss": peer}


def one_clustering(clips: int) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    with tempfile.TemporaryDirectory() as folder:
        x = np.random.default_rng(0).standard_normal((clips, DIM), np.float32)
        np.save(Path(folder) / "raw.npy", x)
        np.save(Path(folder) / "whitened.npy", Whitening.fit(x, COMPONENTS).apply(x))
        for name in WAYS:
            command = [sys.executable, "-m", "benchmarks.round", "--one", name, folder]
            seconds, gib, inertia = map(float, subprocess.check_output(command, text=True).split())
            rows.append({"way": name, "s": seconds, "GiB more": gib, "inertia a clip": inertia})
    return rows


def shares(epochs: int) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        videos = make_collection(folder / "collection", Knobs(videos=60)).videos
        manifest = scan(videos, folder, min_caption=2.0).manifest
        source = open_source(manifest, Recipe().clip, folder / "cache")
        for method in ("sdc", "xdc"):
            for every in (1, 2):
                for kind in ("fresh", "trained"):
                    recipe = Recipe(
                        method=method,
                        modalities=("video", "audio"),
                        clustering=Clustering(k=32, features=kind),
                        balance="none" if kind == "trained" else "teacher",
                        epochs=epochs,
                        refresh_every=every,
                    )
                    out = folder / f"{method}-{every}-{kind}"
                    pretrain(manifest, recipe, out, source)
                    rows.append(share(out, method, every, kind))
    return rows


def share(out: Path, method: str, every: int, kind: str) -> dict[str, object]:
    epochs = [row for row in read_metrics(out / "metrics.jsonl") if "loss" in row]
    rounds = [row for row in epochs if row["new_clusters"]][1:]  # the first has nothing to reuse
    training = sum(row["seconds"] for row in epochs[every:])
    spent = {key: sum(row[f"{key}_seconds"] for row in rounds) for key in ("extract", "cluster")}
    whole = training + sum(spent.values())
    return {
        "method": method,
        "epochs a round": every,
        "features": kind,
        "training, s": training,
        "extraction": f"{spent['extract'] / whole:.1%}",
        "clustering": f"{spent['cluster'] / whole:.1%}",
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=240_000)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        print(*WAYS[given.one[0]](Path(given.one[1])))
        return
    rows = one_clustering(given.clips)
    title = f"one clustering of {given.clips:,} clips, k={K}, {DIM}-d, whitened to {COMPONENTS}"
    Console().print(title, table(rows))
    Console().print("shares of a round", table(shares(given.epochs)))


if __name__ == "__main__":
    main()
