"""Dense trajectories in torch: what a frame costs, counted, and frames per second on a GPU.

    python -m benchmarks.trajectories_gpu [--frames 32] [--keypoints none] [--device cuda]

Counted on any machine: bytes that each operation reads and writes, operations of its products of
matrices, and how often the device is called. Functions that are compiled for a GPU count as one
call that reads what it is given and writes what it gives. From that a time is reckoned, for a GPU
of ``--bandwidth`` TB/s and ``--tflops`` TFLOP/s in float32 of which an operation gets the share
``--share``, and each call takes ``--call`` microseconds at least. What threads do on the CPU beside
it is timed. Where there is a GPU the frames per second are measured too.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import torch
from rich.console import Console
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from benchmarks.trajectories import film
from triptych.descriptors.batched import crew as crew_module
from triptych.descriptors.batched import flow, histograms, points
from triptych.descriptors.batched.crew import Crew
from triptych.descriptors.batched.device import FRAMES, Device
from triptych.descriptors.batched.flow import Flow
from triptych.descriptors.batched.histograms import Cells
from triptych.descriptors.batched.lanes import Film, Lane
from triptych.descriptors.batched.models import Expansion
from triptych.descriptors.batched.points import Points
from triptych.descriptors.batched.together import LANES, Together
from triptych.descriptors.choices import Keypoints, keypoints
from triptych.descriptors.pyramid import flows
from triptych.descriptors.tracks import LENGTH
from triptych.verbs.render import table
from triptych.workers import available_cores

SIZE = (340, 256)
AIM = 680  # frames a second: Kinetics' 58 million in a day
FUSED = (
    (crew_module, "steady"),
    (crew_module, "textured"),
    (flow, "_equations"),
    (flow, "_smoothed"),
    (flow, "_solved"),
    (flow, "median"),
    (histograms, "votes"),
    (histograms, "_across"),
    (histograms, "_down"),
    (points, "gathered"),
    (points, "_rows"),
)
STAGES = (
    (Expansion, "models", "polynomials"),
    (Flow, "flows", "flow"),
    (Cells, "sums", "histograms"),
    (Points, "follow", "tracking"),
    (Points, "finished", "tracking"),
    (Points, "sample", "tracking"),
)
PICKING = {"aten::index", "aten::index_select", "aten::gather"}  # read what they give, and places
PUTTING = {"aten::index_put_", "aten::_index_put_impl_"}  # write what they are given
NOTHING = {"aten::empty", "aten::empty_like", "aten::new_empty", "aten::empty_strided"}
SECTOR = 32  # bytes that a GPU moves for one number put somewhere


@dataclass
class Cost:
    """Of one stage."""

    bytes: float = 0.0
    products: float = 0.0
    calls: int = 0
    seconds: float = 0.0


@dataclass
class Machine:
    """What is assumed of a GPU."""

    bandwidth: float
    products: float
    call: float

    def seconds(self, moved: float, products: float) -> float:
        return max(moved / self.bandwidth, products / self.products, self.call)


class Count(TorchDispatchMode):
    """Adds up what every operation costs, by the stage that is running."""

    def __init__(self, machine: Machine) -> None:
        super().__init__()
        self.machine = machine
        self.stages: dict[str, Cost] = defaultdict(Cost)
        self.stage = ["rest"]
        self.within = 0  # a function that counts as a whole

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        name = func._schema.name
        view = any(r.alias_info and not r.alias_info.is_write for r in func._schema.returns)
        if not self.within and not view and name not in NOTHING:
            self.add(_moved(name, args, kwargs or {}, out), _products(name, args))
        return out

    def add(self, moved: float, products: float) -> None:
        cost = self.stages[self.stage[-1]]
        cost.bytes += moved
        cost.products += products
        cost.calls += 1
        cost.seconds += self.machine.seconds(moved, products)


def _bytes(given: Any) -> float:
    """Of all tensors in it, each piece of memory once; one that is repeated counts once too."""
    found = {
        (leaf.data_ptr(), leaf.shape): min(
            leaf.numel() * leaf.element_size(), leaf.untyped_storage().nbytes()
        )
        for leaf in tree_leaves(given)
        if isinstance(leaf, Tensor)
    }
    return float(sum(found.values()))


def _moved(name: str, args: Any, kwargs: Any, out: Any) -> float:
    if name in PICKING:
        return _bytes(args[1:]) + 2 * _bytes(out)
    if name in PUTTING:
        return _bytes(args[1:]) + _bytes(args[2:])
    if name == "aten::scatter_":
        return _bytes(args[2:]) + SECTOR * float(args[2].numel())
    return _bytes([args, kwargs, out])


def _products(name: str, args: Any) -> float:
    if name in ("aten::mm", "aten::bmm"):
        one, other = args[:2]
        return float(2 * one.numel() * other.shape[-1])
    return 0.0


@contextmanager
def patched(count: Count, fused: bool) -> Iterator[None]:
    """Stages tell ``count`` what runs, and with ``fused`` so do functions that are compiled."""
    before = [(owner, name, getattr(owner, name)) for owner, name in FUSED]
    before += [(owner, name, getattr(owner, name)) for owner, name, _ in STAGES]
    for owner, name in FUSED if fused else ():
        setattr(owner, name, _whole(getattr(owner, name), count))
    for owner, name, stage in STAGES:
        setattr(owner, name, _staged(getattr(owner, name), stage, count))
    try:
        yield
    finally:
        for owner, name, function in before:
            setattr(owner, name, function)


def _whole(function: Callable[..., Any], count: Count) -> Callable[..., Any]:
    def call(*args: Any) -> Any:
        count.within += 1
        out = function(*args)
        count.within -= 1
        count.add(_bytes([args, out]), 0.0)
        return out

    return call


def _staged(function: Callable[..., Any], stage: str, count: Count) -> Callable[..., Any]:
    def call(*args: Any) -> Any:
        count.stage.append(stage)
        out = function(*args)
        count.stage.pop()
        return out

    return call


def written(folder: Path, frames: int) -> Path:
    """The film of ``benchmarks.trajectories`` as a file."""
    path = folder / "film.mp4"
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        stream.bit_rate = 4_000_000
        for grey in film(*SIZE, frames):
            picture = av.VideoFrame.from_ndarray(cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR), "bgr24")
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    return path


def on_threads(path: Path, how: Keypoints, frames: int) -> tuple[float, float]:
    """CPU seconds a frame of reading it with what OpenCV finds, and of its homography.

    Of all but the first two frames, with which everything is loaded.
    """
    cv2.setNumThreads(1)
    with ThreadPoolExecutor(1) as pool:
        lane = Lane(0, Film(path, how), pool)
        lane.ask(2)
        before = lane.take()[-1]
        start = time.process_time()
        lane.ask(frames)
        sights = lane.take()
        read = (time.process_time() - start) / frames
    models, homographies = lane.pyramid.models(before.levels[0]), 0.0
    for sight in sights[:5]:
        next_ones = lane.pyramid.models(sight.levels[0])
        moved = flows(models, next_ones)[0]
        x, y = sight.pixels.T
        ends = (sight.pixels + moved[:, y, x].T).astype(np.float32)
        start = time.process_time()
        sight.camera(ends)
        homographies += (time.process_time() - start) / 5
        models = next_ones
    return read, homographies


def counted(path: Path, how: Keypoints, frames: int, machine: Machine) -> list[Count]:
    """Of a round of ``frames`` of 16 videos, with what is compiled for a GPU and without."""
    steps = max(1, frames // LANES)
    with ThreadPoolExecutor(available_cores()) as pool:
        lanes = [Lane(number, Film(path, how), pool) for number in range(LANES)]
        crew = Crew(lanes[0].pyramid, LANES, steps, torch.device("cpu"), pool)
        for lane in lanes:
            crew.join(lane)
        list(crew.round())  # points are born in every cell at once, so there are as many as ever
        counts = [Count(machine), Count(machine)]
        for count, fused in zip(counts, (True, False), strict=True):
            with patched(count, fused), count:
                list(crew.round())
    return counts


def measured(device: str, how: Keypoints = "none", frames: int = FRAMES) -> float:
    """Frames per second of 16 videos side by side, in the second of two runs."""
    with tempfile.TemporaryDirectory() as folder:
        films = [Film(written(Path(folder), 250), how)] * LANES
        rate = 0.0
        for _ in range(2):
            start, done = time.perf_counter(), 0
            for _, event in Together(films, Device(device, frames)).events():
                done += event is not None
            rate = done / (time.perf_counter() - start)
    return rate


def reckoned(count: Count, frames: int) -> list[dict[str, object]]:
    """A row for each stage, and one for all of them, of a frame."""
    whole = Cost()
    for cost in count.stages.values():
        whole.bytes += cost.bytes
        whole.products += cost.products
        whole.calls += cost.calls
        whole.seconds += cost.seconds
    return [
        {
            "stage": stage,
            "MB": cost.bytes / frames / 1e6,
            "GFLOP in products": cost.products / frames / 1e9,
            "calls": cost.calls / frames,
            "ms": cost.seconds / frames * 1e3,
            "frames/s": frames / cost.seconds,
        }
        for stage, cost in [*sorted(count.stages.items()), ("all", whole)]
    ]


def main() -> None:
    """Count, reckon, and measure where there is a GPU."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=32)
    parser.add_argument("--keypoints", default="none")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--bandwidth", type=float, default=2.0)
    parser.add_argument("--tflops", type=float, default=19.5)
    parser.add_argument("--share", type=float, default=0.5)
    parser.add_argument("--call", type=float, default=8.0)
    given = parser.parse_args()
    how = keypoints(given.keypoints)
    machine = Machine(
        given.bandwidth * 1e12 * given.share, given.tflops * 1e12 * given.share, given.call * 1e-6
    )
    steps = max(1, given.frames // LANES)
    with tempfile.TemporaryDirectory() as folder:
        path = written(Path(folder), LENGTH + 4 * steps + 1)
        read, camera = on_threads(path, how, LENGTH)
        counts = counted(path, how, given.frames, machine)
    for count, said in zip(counts, ("compiled for a GPU", "as written"), strict=True):
        print(f"reckoned, not measured, {said}: {LANES} videos, {steps} frames of each at once")
        Console().print(table(reckoned(count, steps * LANES)))
    cores = AIM * (read + camera)
    print(f"threads, measured, keypoints {how}: {1e3 * read:.1f} CPU ms a frame to read", end=", ")
    print(f"{1e3 * camera:.1f} for its homography: {cores:.1f} cores for {AIM} frames a second")
    if given.device != "cuda" or torch.cuda.is_available():
        print(f"measured on {given.device}: {measured(given.device, how):.1f} frames/s, aim {AIM}")
    else:
        print("no GPU here, so nothing of it is measured")


if __name__ == "__main__":
    main()
