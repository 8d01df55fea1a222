"""k-means and the kNN against scikit-learn and the measured GEMM floor; the linear probe's time.

All get the same input, start and number of threads, and the table shows that they reach the same
result. The probe is scikit-learn's own, so it is timed whole and against nothing. The floor is the
time that the matrix products alone would take at the rate that this machine reaches on 2048^3 in
the same run. Rounds are interleaved; seconds are medians.

    python -m benchmarks.kmeans [--rounds 2] [--threads 2] [--scale 1.0]
"""

from __future__ import annotations

import argparse
import statistics
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field

import faiss
import numpy as np
import torch
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.neighbors import NearestNeighbors
from threadpoolctl import threadpool_limits

from triptych.clustering.kmeans import kmeans
from triptych.clustering.lloyd import Faiss, Floats, Torch
from triptych.evaluate.evaluator import Examples
from triptych.evaluate.knn import neighbours
from triptych.evaluate.linear_probe import LinearProbe

ITERATIONS = 10
NEIGHBOURS = 20


@dataclass
class Contender:
    """One way to do a task; ``run`` gives the figure that shows what it reached."""

    name: str
    run: Callable[[], float]
    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    reached: float = 0.0

    def once(self) -> None:
        wall, cpu = time.perf_counter(), time.process_time()
        self.reached = self.run()
        self.wall.append(time.perf_counter() - wall)
        self.cpu.append(time.process_time() - cpu)


def main() -> None:
    """Run everything and print a table for each task."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--scale", type=float, default=1.0, help="share of the rows")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    faiss.omp_set_num_threads(options.threads)
    warnings.simplefilter("ignore", ConvergenceWarning)
    with threadpool_limits(options.threads):
        rate = gemm_rate()
        print(f"{options.threads} threads; GEMM 2048^3: {rate:.0f} GFLOP/s\n")
        for rows, width, k in ((50_000, 512, 256), (50_000, 128, 3000)):
            clustering(int(rows * options.scale), width, k, options.rounds, rate)
        aggregation(int(235_000 * options.scale), 128, int(6_000 * options.scale), rate)
        nearest(int(240_000 * options.scale), 2_000, 512, rate)
        probe(int(13_000 * options.scale), 512, 50)


def gemm_rate() -> float:
    """GFLOP/s of a float32 product of 2048^3, the best of a few."""
    left, right, out = (torch.randn(2048, 2048) for _ in range(3))
    seconds = []
    for _ in range(8):
        start = time.perf_counter()
        torch.mm(left, right, out=out)
        seconds.append(time.perf_counter() - start)
    return 2 * 2048**3 / min(seconds) / 1e9


def clustering(rows: int, width: int, k: int, rounds: int, rate: float) -> None:
    """Ten iterations from the same start, and the whole of ``kmeans`` with its start and end."""
    x = features(rows, width, 200)
    start = x[np.random.default_rng(1).choice(rows, k, replace=False)]

    def inertia(centroids: Floats) -> float:
        engine = Faiss(x)
        return float(engine.distances(centroids, engine.nearest(centroids)).sum(dtype=np.float64))

    results: dict[str, Floats] = {}

    def keep(name: str, centroids: Floats) -> float:
        results[name] = centroids
        return 0.0

    def scikit() -> float:
        model = KMeans(k, init=start, n_init=1, max_iter=ITERATIONS, tol=0, algorithm="lloyd")
        return keep("scikit-learn", model.fit(x).cluster_centers_)

    contenders = [
        Contender("faiss", lambda: keep("faiss", Faiss(x).iterate(start, ITERATIONS).centroids)),
        Contender(
            "torch",
            lambda: keep("torch", Torch(torch.from_numpy(x)).iterate(start, ITERATIONS).centroids),
        ),
        Contender("scikit-learn", scikit),
        Contender(
            "kmeans(), own start",
            lambda: keep(
                "kmeans(), own start", kmeans(x, k, seed=0, iterations=ITERATIONS).centroids
            ),
        ),
    ]
    for _ in range(rounds):
        for contender in contenders:
            contender.once()
    for contender in contenders:
        contender.reached = inertia(results[contender.name])
    floor = 2 * rows * width * k * ITERATIONS / rate / 1e9
    table(
        f"k-means, {rows} x {width}, k={k}, {ITERATIONS} iterations", contenders, "inertia", floor
    )


def aggregation(rows: int, width: int, k: int, rate: float) -> None:
    """What LA clusters before every refresh: the bank, three times, beside faiss's own k-means.

    Both from starts of their own: ``kmeans()`` by k-means++, faiss from rows drawn at random.
    """
    x = features(rows, width, 1000)

    def ours() -> float:
        runs = [kmeans(x, k, seed=seed, iterations=ITERATIONS).inertia for seed in range(3)]
        return float(np.mean(runs))

    def peer() -> float:
        found = []
        for seed in range(3):
            model = faiss.Kmeans(width, k, niter=ITERATIONS, seed=seed + 1, gpu=False)
            model.train(x)
            found.append(float(model.index.search(x, 1)[0].sum(dtype=np.float64)))
        return float(np.mean(found))

    contenders = [Contender("kmeans()", ours), Contender("faiss.Kmeans", peer)]
    for contender in contenders:
        contender.once()
    floor = 3 * 2 * rows * width * k * ITERATIONS / rate / 1e9
    title = f"k-means three times, {rows} x {width}, k={k}, {ITERATIONS} iterations"
    table(title, contenders, "inertia", floor)


def nearest(rows: int, queries: int, width: int, rate: float) -> None:
    """The 20 nearest by cosine; reached: the mean cosine."""
    x = features(rows + queries, width, 500)
    database, asked = x[:rows], x[rows:]

    def scikit() -> float:
        model = NearestNeighbors(n_neighbors=NEIGHBOURS, metric="cosine", algorithm="brute")
        return float(1 - model.fit(database).kneighbors(asked)[0].mean())

    contenders = [
        Contender("triptych", lambda: float(neighbours(asked, database, NEIGHBOURS)[0].mean())),
        Contender("scikit-learn", scikit),
    ]
    for contender in contenders:
        contender.once()
    floor = 2 * rows * queries * width / rate / 1e9
    table(f"kNN, {queries} queries in {rows} x {width}", contenders, "cosine", floor)


def probe(rows: int, width: int, classes: int) -> None:
    """The whole linear probe, 5 strengths validated and one taken; reached: test accuracy."""
    random = np.random.default_rng(0)
    middle = random.standard_normal((classes, width)) / 4
    codes = random.integers(classes, size=rows)
    mix = random.standard_normal((width, width)) / 16
    x = (middle[codes] + random.standard_normal((rows, width)) @ mix).astype("f4")
    groups = np.arange(rows).astype(str)
    split = np.where(np.arange(rows) < 0.8 * rows, "train", "test")
    examples = Examples(x, np.ones(rows, bool), codes.astype(str), groups, split=split)
    contender = Contender("triptych", lambda: LinearProbe()(examples, 0).measures[0].value)
    contender.once()
    table(f"linear probe, {rows} x {width}, {classes} classes", [contender], "accuracy")


def features(rows: int, width: int, centres: int) -> Floats:
    """Unit vectors about ``centres`` centres of uneven size, as features of clips are."""
    random = np.random.default_rng(0)
    middle = random.standard_normal((centres, width)).astype("f4")
    chosen = random.choice(centres, rows, p=random.dirichlet(np.full(centres, 0.5)))
    x = middle[chosen] + 1.5 * random.standard_normal((rows, width), dtype="f4")
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def table(title: str, contenders: list[Contender], figure: str, floor: float | None = None) -> None:
    """Print what each took and reached, as multiples of the floor and of scikit-learn."""
    print(title + (f"; GEMM floor {floor:.2f} s" if floor else ""))
    print(f"  {'':<20}{'wall s':>9}{'CPU s':>9}{'x floor':>9}{'x sklearn':>11}{figure:>14}")
    peer = next((each for each in contenders if each.name == "scikit-learn"), None)
    for each in contenders:
        wall = statistics.median(each.wall)
        to_floor = f"{wall / floor:.2f}" if floor else "-"
        to_peer = f"{wall / statistics.median(peer.wall):.2f}" if peer else "-"
        print(
            f"  {each.name:<20}{wall:>9.2f}{statistics.median(each.cpu):>9.2f}{to_floor:>9}"
            f"{to_peer:>11}{each.reached:>14.5g}"
        )
    print(flush=True)


if __name__ == "__main__":
    main()
