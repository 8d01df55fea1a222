"""Training steps of a video encoder on a GPU against what the chip does in matrix products.

    python -m benchmarks.gpu [--encoder r2plus1d_18] [--seconds 5] [--device cuda]

For 16 frames of 112 pixels and 8 of 224, in bf16: clips per second of forward, backward and update
at each batch up to the largest that fits, operations counted by torch, their share of the peak
measured on 8192^3 in the same run, peak memory, and which kernels the time goes to. Last, frames
per second of dense trajectories at 340x256.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import torch
from rich.console import Console
from torch.profiler import ProfilerActivity, profile

from benchmarks.trajectories_gpu import AIM, measured
from triptych.encoders.build import build
from triptych.encoders.encoder import Encoder, VideoInput
from triptych.recipes.cost import of_encoder
from triptych.verbs.render import table

CLIPS = {"16x112": VideoInput(16, 15.0, 112), "8x224": VideoInput(8, 15.0, 224)}
SIDE = 8192
TOP = 6  # kernels that are named


def rate(call: Callable[[], None], seconds: float, device: torch.device) -> float:
    """Calls per second, after two for warming up."""
    call()
    call()
    wait(device)
    began, count = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        call()
        wait(device)
        count += 1
    return count / (time.perf_counter() - began)


def wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def peak(seconds: float, device: torch.device) -> float:
    """Operations per second of a bf16 product of two large matrices."""
    side = SIDE if device.type == "cuda" else SIDE // 8
    a, b = (torch.randn(side, side, device=device, dtype=torch.bfloat16) for _ in range(2))
    return 2 * side**3 * rate(lambda: torch.mm(a, b), seconds, device)  # type: ignore[func-returns-value]


def step_of(encoder: Encoder, batch: int, device: torch.device) -> Callable[[], None]:
    shape = (batch, *encoder.input.shape)  # type: ignore[union-attr]
    clips = torch.randint(0, 256, shape, dtype=torch.uint8, device=device)
    optimizer = torch.optim.SGD(encoder.parameters(), 1e-3, momentum=0.9)

    def step() -> None:
        with torch.autocast(device.type, torch.bfloat16):
            loss = encoder(clips).float().square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step


def sweep(name: str, kind: str, top: float, given: argparse.Namespace) -> list[dict[str, object]]:
    device = torch.device(given.device)
    clip = CLIPS[kind]
    counted = of_encoder(
        build(name, "video", clip, 0), torch.zeros(2, *clip.shape, dtype=torch.uint8)
    )
    rows: list[dict[str, object]] = []
    batch = given.first
    while batch <= given.last:
        encoder = build(name, "video", clip, 0).to(device)
        try:
            if device.type == "cuda":
                torch.cuda.reset_peak_memory_stats()
            per_second = rate(step_of(encoder, batch, device), given.seconds, device) * batch
        except torch.OutOfMemoryError:
            break
        held = torch.cuda.max_memory_allocated() / 2**30 if device.type == "cuda" else 0.0
        rows.append(
            {
                "clip": kind,
                "batch": batch,
                "clips/s": per_second,
                "TFLOP/s": 3 * counted.forward * per_second / 1e12,
                "of the peak": 3 * counted.forward * per_second / top,
                "GiB": held,
            }
        )
        batch *= 2
    return rows


def kernels(name: str, kind: str, batch: int, given: argparse.Namespace) -> list[dict[str, object]]:
    """The operations that take the most time of one step, and their shares."""
    device = torch.device(given.device)
    step = step_of(build(name, "video", CLIPS[kind], 0).to(device), batch, device)
    step()
    activity = ProfilerActivity.CUDA if device.type == "cuda" else ProfilerActivity.CPU
    with profile(activities=[activity]) as found:
        step()
        wait(device)
    attribute = "self_device_time_total" if device.type == "cuda" else "self_cpu_time_total"
    times = {event.key: getattr(event, attribute) for event in found.key_averages()}
    total = sum(times.values())
    return [
        {"clip": kind, "operation": key[:60], "share of the step": value / total}
        for key, value in sorted(times.items(), key=lambda item: -item[1])[:TOP]
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--encoder", default="r2plus1d_18")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--first", type=int, default=8)
    parser.add_argument("--last", type=int, default=4096)
    given = parser.parse_args()
    if given.device == "cuda" and not torch.cuda.is_available():
        raise SystemExit("no GPU here; --device cpu --first 2 --last 2 tries the program itself")
    torch.backends.cudnn.benchmark = True
    device = torch.device(given.device)
    top = peak(given.seconds, device)
    Console().print(f"peak of bf16 matrix products: {top / 1e12:.1f} TFLOP/s")
    for kind in CLIPS:
        rows = sweep(given.encoder, kind, top, given)
        Console().print(table(rows))
        best = max(rows, key=lambda row: float(str(row["clips/s"])))
        Console().print(table(kernels(given.encoder, kind, int(str(best["batch"])), given)))
    row = {"trajectories": "340x256", "frames/s": measured(given.device), "aim": AIM}
    Console().print(table([row]))


if __name__ == "__main__":
    main()
