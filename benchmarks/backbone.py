"""`triptych describe backbone` beside its network alone and beside reading alone, in one run.

Films of 320x240 at 25 frames per second are made for it, moving noise with a tone, and described by
every network of `--networks` (NETWORK@RATE:WEIGHTS). In each round all three have their turn, on
the same device, with the same batch and as many windows: the bare forward pass of windows that lie
in memory, the reading of all windows in one process without a network, and the whole verb, which
scans nothing and begins with an empty folder. Rows per second are of the wall clock, medians over
rounds; the last column is of CPU time, in which other users of the machine do not count. The second
table has the peak memory of one process that reads and computes, by the length of the film.

    python -m benchmarks.backbone [--networks r2plus1d_small@2:random ...] [--films 6]
        [--seconds 40] [--rounds 3] [--workers 1] [--lengths 120 600 3600] [--device cpu]
"""

from __future__ import annotations

import argparse
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import torch
from rich.console import Console

from triptych.clips.feature_store import FeatureStore
from triptych.clips.streams import Asked, ReadStreams, Windows
from triptych.descriptors.backbone.collection import Collection
from triptych.descriptors.backbone.files import Stream
from triptych.descriptors.backbone.network import BATCH
from triptych.manifest.scan import scan
from triptych.manifest.schema import Manifest
from triptych.state.backbone import Backbone, Word, rows_of
from triptych.verbs.render import table
from triptych.workers import Done, run_isolated

WIDTH, HEIGHT, FPS, RATE = 320, 240, 25, 16_000
NETWORKS = ("r2plus1d_small@2:random", "mc3_18@0.2:random", "audio_resnet_small@4:random")


def write_film(path: Path, seconds: int, seed: int) -> None:
    """Noise that moves, coarse enough to be coded as films are, and a tone."""
    draw = np.random.default_rng(seed)
    field = np.kron(draw.integers(0, 256, (60, 120, 3), np.uint8), np.ones((8, 8, 1), np.uint8))
    with av.open(str(path), "w") as file:
        film = file.add_stream("libx264", rate=FPS, options={"preset": "veryfast", "g": "125"})
        film.width, film.height, film.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        sound = file.add_stream("aac", rate=RATE, layout="mono")
        for number in range(seconds * FPS):
            left = number * 3 % (field.shape[1] - WIDTH)
            picture = np.ascontiguousarray(
                field[number % 200 : number % 200 + HEIGHT, left:][:, :WIDTH]
            )
            file.mux(film.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        file.mux(film.encode(None))
        tone = np.sin(np.arange(seconds * RATE) * (0.1 + 0.01 * seed)).astype(np.float32)
        for first in range(0, len(tone), 1024):
            frame = av.AudioFrame.from_ndarray(tone[None, first : first + 1024], "fltp", "mono")
            frame.sample_rate, frame.pts, frame.time_base = RATE, first, Fraction(1, RATE)
            file.mux(sound.encode(frame))
        file.mux(sound.encode(None))


def repeat_film(path: Path, out: Path, times: int) -> None:
    """The packets of a film over and over, so that an hour is written in a second."""
    with av.open(str(path)) as one, av.open(str(out), "w") as many:
        streams = {stream.index: many.add_stream_from_template(stream) for stream in one.streams}
        packets = [packet for packet in one.demux() if packet.size]
        length = one.duration / av.time_base + 0.2  # the order of decoding begins before 0
        for turn in range(times):
            for packet in packets:
                copy = av.Packet(bytes(packet))
                shift = round(turn * length / packet.time_base)
                copy.pts, copy.dts = packet.pts + shift, packet.dts + shift
                copy.time_base, copy.is_keyframe = packet.time_base, packet.is_keyframe
                copy.stream = streams[packet.stream.index]
                many.mux(copy)


def cpu_seconds() -> float:
    """Of this process and those that it has seen end."""
    parts = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(part.ru_utime + part.ru_stime for part in parts)


def timed(call: Callable[[], int]) -> tuple[float, float]:
    """Rows per second of the wall clock, and CPU seconds a row."""
    cpu, began = cpu_seconds(), time.monotonic()
    rows = call()
    return rows / (time.monotonic() - began), (cpu_seconds() - cpu) / rows


def stream_of(word: str) -> Stream:
    parsed = Word.parse(word)
    return Stream("s", parsed.rate, Backbone.of(parsed))


def measure(word: str, manifest: Manifest, given: argparse.Namespace) -> dict[str, object]:
    """One row of the first table."""
    stream, device = stream_of(word), torch.device(given.device)
    encoder = stream.backbone.encoder.to(device)
    batch = BATCH[device.type]
    shape = (batch, *stream.backbone.form.shape)
    sounds = stream.modality == "audio"
    windows = (
        np.random.default_rng(0).normal(0, 0.1, shape).astype(np.float32)
        if sounds
        else np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    )
    files = [manifest.root / path for path in sorted(set(manifest.column("path")))]

    def forward() -> int:
        for _ in range(total // batch):
            rows_of(encoder, windows, device)
        return total // batch * batch

    def read() -> int:
        heard = (h for file in files for h in ReadStreams((stream.form,))(Asked(file, (0,))))
        return sum(len(some.values) for some in heard if isinstance(some, Windows))

    def describe() -> int:
        with tempfile.TemporaryDirectory() as out:
            Collection(Path(out), [stream], device, workers=given.workers).describe(manifest)
            return int(FeatureStore.open(Path(out) / "s.features").counts.sum())

    total = read()
    rows_of(encoder, windows, device)
    rounds = [[timed(call) for call in (forward, read, describe)] for _ in range(given.rounds)]
    speeds = [statistics.median(one[place][0] for one in rounds) for place in range(3)]
    costs = [statistics.median(one[place][1] for one in rounds) for place in range(3)]
    return {
        "network": word,
        "rows": total,
        "forward, rows/s": round(speeds[0], 1),
        "reading, rows/s": round(speeds[1], 1),
        "describe, rows/s": round(speeds[2], 1),
        "of forward": round(statistics.median(one[2][0] / one[0][0] for one in rounds), 2),
        "of forward + reading": round(
            statistics.median(one[2][0] * (1 / one[0][0] + 1 / one[1][0]) for one in rounds),
            2,
        ),
        "CPU: forward's share": round(costs[0] / costs[2], 2),
    }


@dataclass(frozen=True)
class Job:
    """A film to be described by some networks in one process."""

    film: Path
    words: tuple[str, ...]


def peak(job: Job) -> tuple[float, float, float, int]:
    """Seconds; megabytes held before and at most; rows. In a process of its own."""
    manifest = scan(job.film.parent, workers=0, whole=True).manifest
    streams = [
        Stream(f"s{n}", w.rate, Backbone.of(w)) for n, w in enumerate(map(Word.parse, job.words))
    ]
    with tempfile.TemporaryDirectory() as out:
        before, began = _memory(), time.monotonic()
        found = Collection(Path(out), streams, torch.device("cpu"), workers=0).describe(manifest)
        rows = sum(row["rows"] for row in found["streams"])
        return time.monotonic() - began, before, _memory(), rows


def _memory() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Print both tables."""
    from benchmarks import backbone as importable  # not __main__, which workers cannot load

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", nargs="*", default=list(NETWORKS))
    parser.add_argument("--films", type=int, default=6)
    parser.add_argument("--seconds", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--lengths", type=int, nargs="*", default=[120, 600, 3600])
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch) / "films"
        root.mkdir()
        for number in range(given.films):
            write_film(root / f"{number}.mp4", given.seconds, number)
        manifest = scan(root, workers=0, whole=True).manifest
        rows = [measure(word, manifest, given) for word in given.networks]
        Console(width=160).print(
            f"{given.films} films of {given.seconds} s, {given.device}, {torch.get_num_threads()} "
            f"threads, {given.workers} reading", table(rows)
        )  # fmt: skip
        growth = []
        for length in given.lengths:
            place = Path(scratch) / f"long-{length}"
            place.mkdir()
            repeat_film(root / "0.mp4", place / "film.mp4", max(1, length // given.seconds))
            job = importable.Job(
                place / "film.mp4", ("r2plus1d_small@0.2:random", "audio_resnet_small@0.5:random")
            )
            ((_, result),) = run_isolated(importable.peak, [job], workers=1, seconds=7200)
            if not isinstance(result, Done):
                raise SystemExit(f"{job}: {result}")
            seconds, before, most, count = result.value
            growth.append(
                {"film, s": length, "rows": count, "seconds": round(seconds, 1)}
                | {"MB before": round(before), "MB at most": round(most)}
            )
        Console(width=160).print(
            "\none process that reads and computes, by the length of the film", table(growth)
        )


if __name__ == "__main__":
    main()
