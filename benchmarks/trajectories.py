"""Dense trajectories: frames per CPU second, by stage, and how cost grows with size and length.

The limit is what OpenCV's own Farneback flow takes for the two flows that each frame needs, with as
many levels, in the same process: the original program spends half of its time there. Films are made
here: a camera that pans over texture, and squares that move by themselves. ``--video`` takes a real
one. Each row is a process of its own, whose highest memory is given.

    python -m benchmarks.trajectories [--frames 60] [--keypoints sift] [--fast] [--video FILE]
"""

from __future__ import annotations

import argparse
import resource
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from triptych.descriptors import trajectories as module
from triptych.descriptors.camera import Detector
from triptych.descriptors.choices import Keypoints, keypoints
from triptych.descriptors.frames import grey_frames
from triptych.descriptors.pyramid import Grey, Pyramid
from triptych.descriptors.tracks import Tracks
from triptych.descriptors.trajectories import Trajectories
from triptych.workers import Done, Failed, run_isolated

SIZES = ((160, 120), (240, 180), (340, 256), (480, 360), (640, 480))
WARM = 17  # frames until tracks are as many as they will be, and everything is compiled
STAGES: tuple[tuple[Any, str, str], ...] = (
    (Pyramid, "models", "polynomials"),
    (module, "flows", "flow"),
    (Detector, "find", "keypoints"),
    (module, "match", "keypoints"),
    (module, "corners", "camera"),
    (module, "homography", "camera"),
    (module, "steady", "camera"),
    (Tracks, "follow", "histograms"),
    (Tracks, "finished", "histograms"),
    (Pyramid, "greys", "sampling"),
    (Tracks, "sample", "sampling"),
)


@dataclass(frozen=True)
class Job:
    """One row of the table."""

    width: int
    height: int
    frames: int
    keypoints: Keypoints
    fast: bool = False
    video: Path | None = None


@dataclass
class Cost:
    """CPU seconds of the frames after the first ones."""

    frames: int
    rows: int
    seconds: float
    limit: float  # of OpenCV's two flows
    memory: float  # MB, at most, of the whole process
    before: float  # MB, with everything loaded and no frame taken
    stages: dict[str, float] = field(default_factory=dict)


def film(width: int, height: int, frames: int) -> Iterator[Grey]:
    """A camera that pans to and fro, and twelve squares that go their ways."""
    random = np.random.default_rng(0)
    reach = 40

    def texture(high: int, wide: int) -> Grey:
        noise = cv2.GaussianBlur(random.normal(size=(high, wide)), (0, 0), 2)
        return np.asarray(np.clip(128 + noise * 300, 0, 255), np.uint8)

    wide = texture(height + 2 * reach, width + 2 * reach)
    side = height // 5
    own = [texture(side, side) for _ in range(12)]
    starts, steps = random.uniform(0, 1, (12, 2)), random.normal(0, 2, (12, 2))
    for number in range(frames):
        x, y = (round(reach * (1 + np.sin(number / pace))) for pace in (17, 23))
        picture = wide[y : y + height, x : x + width].copy()
        for square, start, step in zip(own, starts, steps, strict=True):
            left = round(start[0] * width + step[0] * number) % (width - side)
            top = round(start[1] * height + step[1] * number) % (height - side)
            picture[top : top + side, left : left + side] = square
        yield picture


def measure(job: Job) -> Cost:
    """In a process of its own."""
    cv2.setNumThreads(1)
    found = grey_frames(job.video) if job.video else film(job.width, job.height, job.frames)
    pictures = list(islice(found, job.frames))
    before = _memory()
    stages: dict[str, float] = defaultdict(float)
    for owner, name, stage in STAGES:
        setattr(owner, name, _timed(getattr(owner, name), stage, stages))
    tracker = Trajectories(*pictures[0].shape, job.keypoints, job.fast)  # type: ignore[misc]
    for picture in pictures[:WARM]:
        tracker.take(picture)
    stages.clear()
    start = time.process_time()
    rows = sum(len(tracker.take(picture)) for picture in pictures[WARM:])
    seconds = time.process_time() - start
    memory = _memory()
    return Cost(len(pictures) - WARM, rows, seconds, _limit(pictures), memory, before, dict(stages))


def _timed(
    function: Callable[..., Any], stage: str, stages: dict[str, float]
) -> Callable[..., Any]:
    def call(*args: Any) -> Any:
        start = time.process_time()
        try:
            return function(*args)
        finally:
            stages[stage] += time.process_time() - start

    return call


def _limit(pictures: list[Grey]) -> float:
    """CPU seconds a frame."""
    levels = len(Pyramid(*pictures[0].shape).scales)
    times = []
    for first, second in zip(pictures[WARM:], pictures[WARM + 1 :], strict=False):
        start = time.process_time()
        cv2.calcOpticalFlowFarneback(
            first, second, None, 0.5**0.5, levels - 1, 10, 2, 7, 1.5, cv2.OPTFLOW_FARNEBACK_GAUSSIAN
        )
        times.append(time.process_time() - start)
        if len(times) == 20:
            break
    return 2 * float(np.median(times))


def _memory() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Sizes at one length, then lengths at one size."""
    from benchmarks import trajectories as importable  # not __main__, which workers cannot import

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=60)
    parser.add_argument("--keypoints", default="sift")
    parser.add_argument("--fast", action="store_true")
    parser.add_argument("--video", type=Path)
    options = parser.parse_args()
    if options.video and not options.video.is_file():
        parser.error(f"--video {options.video}: no such file")
    if options.frames < 2 * WARM:
        parser.error(f"--frames {options.frames}: at least {2 * WARM}")
    how = keypoints(options.keypoints)
    sizes = [(480, 360)] if options.video else SIZES
    jobs = [
        importable.Job(*size, options.frames, how, options.fast, options.video) for size in sizes
    ]
    if not options.video:
        jobs += [
            importable.Job(160, 120, options.frames * times, how, options.fast) for times in (4, 16)
        ]
    stages = list(dict.fromkeys(stage for _, _, stage in STAGES))
    print(
        f"keypoints {how}{', fast' * options.fast}; CPU ms a frame by stage; "
        "MB of the process with and before frames"
    )
    print(
        f"{'size':>9}{'frames':>7}{'rows':>7}{'frames/CPU s':>13}{'2 cv flows':>11}{'ms':>7}"
        + "".join(f"{stage:>13}" for stage in stages)
        + f"{'MB':>6}{'before':>8}"
    )
    for job in jobs:
        ((_, result),) = run_isolated(importable.measure, [job], workers=1, seconds=3600)
        if not isinstance(result, Done):
            reason = result.error if isinstance(result, Failed) else str(result)
            raise SystemExit(reason if job.video else f"{job}: {reason}")
        cost = result.value
        each = 1000 / cost.frames
        size = "as it is" if job.video else f"{job.width}x{job.height}"
        print(
            f"{size:>9}{cost.frames + WARM:>7}{cost.rows:>7}{cost.frames / cost.seconds:>13.1f}"
            f"{1 / cost.limit:>11.1f}{cost.seconds * each:>7.1f}"
            + "".join(f"{cost.stages.get(stage, 0.0) * each:>13.1f}" for stage in stages)
            + f"{cost.memory:>6.0f}{cost.before:>8.0f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
