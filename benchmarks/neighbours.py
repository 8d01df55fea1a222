"""What a memory bank adds to a training step: nearest neighbours, losses, updates.

The bank of all of Kinetics-400, 240,000 clips of 128 numbers, and a batch of 128, by default. The
floor is the product of batch and bank at the rate that this machine reaches on 2048^3 in the same
run (on a GPU, of as many operations); the peer is faiss' exact search. Seconds are medians.

    python -m benchmarks.neighbours [--clips 240000] [--batch 128] [--background 4096]
        [--rounds 5] [--threads 2] [--device cpu]
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import faiss
import torch
from rich.console import Console
from threadpoolctl import threadpool_limits
from torch.nn import functional as F

from triptych.objectives.instance import noise_contrast, recognition
from triptych.objectives.local_aggregation import close_neighbours, local_aggregation
from triptych.objectives.similarity import cosines
from triptych.state.memory_bank import MemoryBank
from triptych.verbs.render import table

WIDTH, RUNS, CLUSTERS, TEMPERATURE = 128, 3, 6000, 0.07


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=240_000)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--background", type=int, default=4096)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    faiss.omp_set_num_threads(given.threads)
    device = torch.device(given.device)
    with threadpool_limits(given.threads):
        rows = measure(given.clips, given.batch, given.background, given.rounds, device)
    title = f"a step of {given.batch} on a bank of {given.clips} x {WIDTH}, {device}"
    Console().print(f"{title}, {given.threads} threads", table(rows))


def measure(
    clips: int, batch: int, background: int, rounds: int, device: torch.device
) -> list[dict[str, object]]:
    """Seconds of each part, with the floor and how many times it they are."""
    torch.manual_seed(0)
    bank = MemoryBank(torch.arange(clips), torch.ones(clips, dtype=torch.bool), WIDTH, seed=0).to(
        device
    )
    labels = torch.randint(CLUSTERS, (RUNS, clips), device=device)
    rows = torch.randperm(clips, device=device)[:batch]
    queries = torch.randn(batch, WIDTH, device=device).requires_grad_()
    nearest = bank.nearest(queries, rows, background)
    drawn = torch.cat([rows[:, None], bank.draw(batch, background)], 1)

    def aggregation() -> None:
        close = close_neighbours(labels, rows, nearest)
        local_aggregation(cosines(queries, bank.values, nearest), close, TEMPERATURE).backward()

    def noise() -> None:
        near = cosines(queries, bank.values, drawn)
        noise_contrast(
            near[:, 0],
            near[:, 1:],
            clips=clips,
            temperature=TEMPERATURE,
            normaliser=2.2 * clips,
        ).backward()

    def whole() -> None:
        recognition(cosines(queries, bank.values), rows, bank.members, TEMPERATURE).backward()

    parts: dict[str, Callable[[], object]] = {
        "LA: nearest": lambda: bank.nearest(queries, rows, background),
        "LA: close, loss, gradient": aggregation,
        "IR: draw noise": lambda: bank.draw(batch, background),
        "IR: loss, gradient": noise,
        "IR on the whole bank": whole,
        "update of the bank": lambda: bank.update(rows, queries, 0.5),
    }
    if device.type == "cpu":
        index = faiss.IndexFlatIP(WIDTH)
        index.add(bank.values.numpy())
        asked = F.normalize(queries.detach(), dim=1).numpy()
        parts["faiss: nearest"] = lambda: index.search(asked, background)
    floor = product(clips, batch, device)
    seconds = {name: timed(part, rounds, device) for name, part in parts.items()}
    return [
        {
            "part": name,
            "ms": round(1e3 * value, 2),
            "floor, ms": round(1e3 * floor, 2),
            "x floor": round(value / floor, 2),
        }
        for name, value in seconds.items()
    ]


def product(clips: int, batch: int, device: torch.device) -> float:
    """Seconds that batch times bank would take at the rate of 2048^3 in float32."""
    left, right = (torch.randn(2048, 2048, device=device) for _ in range(2))
    seconds = timed(lambda: left @ right, 8, device, min)
    return seconds * (2 * clips * batch * WIDTH) / (2 * 2048**3)


def timed(
    call: Callable[[], object],
    rounds: int,
    device: torch.device,
    of: Callable[[list[float]], float] = statistics.median,
) -> float:
    """Seconds of a call, after one to warm up."""
    seconds = []
    for _ in range(rounds + 1):
        began = time.perf_counter()
        call()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        seconds.append(time.perf_counter() - began)
    return of(seconds[1:])


if __name__ == "__main__":
    main()
