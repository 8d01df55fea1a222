"""`triptych describe idt`: time and memory by the number of videos, each row a process of its own.

The whole verb over films made for it, 40 frames of 80x60 in which squares move by themselves, one
after another in the one process: what a video costs. Then the fit alone over made samples of 500
rows of 426 numbers, read from files as the verb reads them, with few steps: what it holds. Memory
is the most that the process ever held, beside what it held before.

    python -m benchmarks.describe_growth [--videos 10 30 100] [--sampled 100 300 1000]
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from benchmarks.trajectories import film
from triptych.descriptors.collection import Collection, SampleFiles
from triptych.descriptors.how import How
from triptych.descriptors.model import FisherModel, FisherSettings
from triptych.manifest.scan import scan
from triptych.workers import Done, run_isolated

FRAMES, WIDTH, HEIGHT = 40, 80, 60
ROWS, COLUMNS = 500, 426
FEW = FisherSettings(
    components=8, starts=1, start_iterations=2, iterations=2, sketch=100, rows_per_video=50
)
HOW = How("none")


@dataclass(frozen=True)
class Job:
    """One row of a table."""

    count: int
    fit: bool


@dataclass(frozen=True)
class Cost:
    """Of one process."""

    seconds: float  # of CPU
    before: float  # MB, with everything loaded
    memory: float  # MB, at most


def measure(job: Job) -> Cost:
    """In a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        return (_fitted if job.fit else _described)(Path(folder), job.count)


def _described(folder: Path, count: int) -> Cost:
    (folder / "films").mkdir()
    _write(folder / "films" / "0.mp4")
    for number in range(1, count):
        (folder / "films" / f"{number}.mp4").hardlink_to(folder / "films" / "0.mp4")
    manifest = scan(folder / "films", workers=0).manifest
    # Everything is compiled before it counts.
    Collection(folder / "warm", workers=0).describe(manifest.select([0]), FEW, HOW)
    before, start = _memory(), time.process_time()
    Collection(folder / "out", workers=0).describe(manifest, FEW, HOW)
    return Cost(time.process_time() - start, before, _memory())


def _write(path: Path) -> None:
    with av.open(str(path), "w") as file:
        stream = file.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.time_base = Fraction(1, 25)
        for grey in film(WIDTH, HEIGHT, FRAMES):
            frame = av.VideoFrame.from_ndarray(np.repeat(grey[..., None], 3, axis=2), "rgb24")
            file.mux(stream.encode(frame))
        file.mux(stream.encode())


def _fitted(folder: Path, count: int) -> Cost:
    random, spread = np.random.default_rng(0), np.linspace(0.2, 0.01, COLUMNS) ** 2
    files = {}
    for number in range(count):
        files[f"{number}.mp4"] = folder / f"{number}.npy"
        made = random.normal(size=(ROWS, COLUMNS)) * spread
        np.save(files[f"{number}.mp4"], made.astype(np.float16))
    before, start = _memory(), time.process_time()
    FisherModel.fit(SampleFiles(files), FEW)
    return Cost(time.process_time() - start, before, _memory())


def _memory() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Print a row for each number of videos."""
    from benchmarks import describe_growth as importable  # not __main__, which workers cannot load

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--videos", type=int, nargs="*", default=[10, 30, 100])
    parser.add_argument("--sampled", type=int, nargs="*", default=[100, 300, 1000])
    options = parser.parse_args()
    jobs = [importable.Job(count, False) for count in options.videos]
    jobs += [importable.Job(count, True) for count in options.sampled]
    print(f"{'':<10}{'videos':>8}{'CPU s':>8}{'ms each':>9}{'MB before':>11}{'MB at most':>12}")
    for job in jobs:
        ((_, result),) = run_isolated(importable.measure, [job], workers=1, seconds=3600)
        if not isinstance(result, Done):
            raise SystemExit(f"{job}: {result}")
        cost = result.value
        print(
            f"{'fit alone' if job.fit else 'describe':<10}{job.count:>8}{cost.seconds:>8.1f}"
            f"{1000 * cost.seconds / job.count:>9.1f}{cost.before:>11.0f}{cost.memory:>12.0f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
