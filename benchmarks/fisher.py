"""Fisher vectors and their sketch: rows per second, against scikit-learn and the GEMM floor.

Of the paper's size: 426 columns, PCA to 145, 256 components. The peer is scikit-learn's PCA and
predict_proba with the sums in NumPy, in float32 as well; the floor is the time that the matrix
products alone would take at the rate that this machine reaches on 2048^3 in the same run. The
release's dense sketch is timed on a 32nd part of its rows. Rounds are interleaved; seconds are
medians, and those of the CPU count where other programs run.

    python -m benchmarks.fisher [--rounds 5] [--threads 1] [--rows 20000]
"""

from __future__ import annotations

import argparse
import statistics
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture
from threadpoolctl import threadpool_limits

from benchmarks.kmeans import gemm_rate
from triptych.clustering.whiten import unit
from triptych.descriptors.mixture import Doubles, Mixture
from triptych.descriptors.model import FisherModel, FisherSettings
from triptych.descriptors.pca import Projection
from triptych.descriptors.sample import Floats
from triptych.descriptors.sketch import CountSketch

COLUMNS, AXES, COMPONENTS, SKETCH = 426, 145, 256, 2000
PART = 32  # of the dense sketch that is timed


@dataclass
class Contender:
    """One way to do a task."""

    name: str
    run: Callable[[], Floats]
    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)

    def once(self) -> Floats:
        wall, cpu = time.perf_counter(), time.process_time()
        found = self.run()
        self.wall.append(time.perf_counter() - wall)
        self.cpu.append(time.process_time() - cpu)
        return found


def main() -> None:
    """Encode, take a step of the fit, and sketch."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rows", type=int, default=20_000)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    warnings.simplefilter("ignore", ConvergenceWarning)
    with threadpool_limits(options.threads):
        rate = gemm_rate()
        print(f"{options.threads} threads; GEMM 2048^3: {rate:.0f} GFLOP/s\n")
        x, model = made(options.rows)
        encoding(x, model, options.rounds, rate)
        fitting(x, model, options.rounds, rate)
        sketching(model, options.rounds)


def made(rows: int) -> tuple[Floats, FisherModel]:
    """Rows about 256 centres with a spectrum that falls as that of trajectories, and a model."""
    random = np.random.default_rng(0)
    spread = np.linspace(0.2, 0.01, COLUMNS)
    centres = random.normal(size=(COMPONENTS, COLUMNS)) * spread * 0.7
    of = random.integers(COMPONENTS, size=rows)
    x = (centres[of] + random.normal(size=(rows, COLUMNS)) * spread * 0.7).astype(np.float32)
    pca = PCA(AXES).fit(x)
    axes = np.ascontiguousarray(pca.components_.T, np.float32)
    projection = Projection(pca.mean_.astype(np.float32), axes, 0.9)
    means = (centres - pca.mean_) @ axes
    variances = np.tile(pca.explained_variance_.astype(np.float64) / 2, (COMPONENTS, 1))
    mixture = Mixture(np.full(COMPONENTS, 1 / COMPONENTS), means, variances)
    sketch = CountSketch.draw(2 * COMPONENTS * AXES, SKETCH, 0)
    return x, FisherModel(FisherSettings(), projection, mixture, sketch)


def peer_of(mixture: Mixture) -> GaussianMixture:
    """The same mixture in scikit-learn, in float32."""
    peer = GaussianMixture(COMPONENTS, covariance_type="diag")
    peer.weights_ = mixture.weights.astype(np.float32)
    peer.means_ = mixture.means.astype(np.float32)
    peer.covariances_ = mixture.variances.astype(np.float32)
    peer.precisions_cholesky_ = 1 / np.sqrt(peer.covariances_)
    return peer


def encoding(x: Floats, model: FisherModel, rounds: int, rate: float) -> None:
    """Rows to one Fisher vector, everything included."""
    peer, mixture = peer_of(model.mixture), model.mixture
    pca = PCA(AXES)
    pca.mean_, pca.components_ = model.projection.mean, model.projection.axes.T
    pca.explained_variance_, pca.n_features_in_ = mixture.variances[0], COLUMNS

    def scikit() -> Floats:
        y = pca.transform(x)
        q = peer.predict_proba(y)
        sums, first, second = q.sum(axis=0)[:, None], q.T @ y, q.T @ (y * y)
        root = np.sqrt(mixture.weights)[:, None]
        means, variances = mixture.means, mixture.variances
        both = (
            (first - means * sums) / (root * np.sqrt(variances)),
            (second - 2 * means * first + (means**2 - variances) * sums)
            / (root * np.sqrt(2) * variances),
        )
        vector: Doubles = np.stack(both, axis=1).reshape(-1)
        return unit(np.asarray(np.sign(vector) * np.sqrt(np.abs(vector)), np.float32))

    contenders = [
        Contender("triptych", lambda: model.encode([x]).vector),
        Contender("scikit-learn", scikit),
    ]
    found = [[each.once() for each in contenders] for _ in range(rounds)][-1]
    floor = 2 * len(x) * AXES * (COLUMNS + 4 * COMPONENTS) / rate / 1e9
    table(f"Fisher vector of {len(x)} rows", contenders, len(x), floor)
    print(f"  cosine of the two vectors {float(found[0] @ found[1]):.6f}\n")


def fitting(x: Floats, model: FisherModel, rounds: int, rate: float) -> None:
    """One step of expectation-maximisation, and what scikit-learn would hold for the paper's."""
    y = (x - model.projection.mean) @ model.projection.axes
    rows, posterior = torch.from_numpy(y), model.mixture.on("cpu")
    peer = GaussianMixture(
        COMPONENTS,
        covariance_type="diag",
        weights_init=model.mixture.weights.astype(np.float32),
        means_init=model.mixture.means.astype(np.float32),
        precisions_init=(1 / model.mixture.variances).astype(np.float32),
        max_iter=1,
    )
    contenders = [
        Contender("triptych", lambda: posterior.moments(rows).qx),
        Contender("scikit-learn", lambda: peer.fit(y).means_),
    ]
    for _ in range(rounds):
        for each in contenders:
            each.once()
    floor = 8 * len(x) * AXES * COMPONENTS / rate / 1e9
    table(
        f"a step of the fit, {len(x)} x {AXES} (scikit-learn: with one evaluation more)",
        contenders,
        len(x),
        floor,
    )
    held = 3500 * 500 * COMPONENTS * 4 / 2**30
    print(f"  posteriors of the paper's 1,750,000 rows at once: {held:.1f} GiB in float32\n")


def sketching(model: FisherModel, rounds: int) -> None:
    """One Fisher vector to 2000 numbers."""
    sketch = model.count_sketch
    vector = np.random.default_rng(0).normal(size=model.dim).astype(np.float32)
    part = vector[: model.dim // PART].astype(np.float64)
    matrix = np.zeros((len(part), SKETCH))
    matrix[np.arange(len(part)), sketch.buckets[: len(part)]] = sketch.signs[: len(part)]
    contenders = [
        Contender("triptych", lambda: sketch.apply(vector)),
        Contender(f"dense, 1/{PART}", lambda: part @ matrix),
    ]
    for _ in range(rounds):
        for each in contenders:
            each.once()
    ours, dense = (statistics.median(each.wall) for each in contenders)
    print(f"count sketch of {model.dim} numbers to {SKETCH}")
    held = sketch.buckets.nbytes + sketch.signs.nbytes
    print(f"  triptych     {ours * 1e3:9.2f} ms {held / 1e6:10.2f} MB")
    print(f"  dense, as released {dense * PART * 1e3:3.0f} ms {model.dim * SKETCH * 8e-6:10.0f} MB")


def table(title: str, contenders: list[Contender], rows: int, floor: float) -> None:
    """Print rows per second of the CPU, and multiples of the floor."""
    print(f"{title}; GEMM floor {floor:.3f} s")
    print(f"  {'':<14}{'wall s':>9}{'CPU s':>9}{'rows/CPU s':>12}{'x floor':>9}")
    for each in contenders:
        wall, cpu = statistics.median(each.wall), statistics.median(each.cpu)
        print(f"  {each.name:<14}{wall:>9.3f}{cpu:>9.3f}{rows / cpu:>12.0f}{cpu / floor:>9.2f}")


if __name__ == "__main__":
    main()
