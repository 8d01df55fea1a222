"""Peak memory of `triptych fit`, its worker processes included.

    python -m benchmarks.memory FOLDER [--minutes 2]

Resident memory of the process and all its children, added up, read ten times a second: pages that
several processes share are counted once for each, so the true peak is lower.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
from rich.console import Console

from triptych.manifest.schema import Manifest
from triptych.verbs.render import table

LIMIT = 3 * 1024**3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--minutes", type=float, default=2.0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        command = [sys.executable, "-m", "triptych", "fit", str(given.folder)]
        command += ["--out", f"{scratch}/work", "--minutes", str(given.minutes)]
        began = time.monotonic()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        peak, most = watch(process)
        if process.returncode:
            raise SystemExit(f"fit failed with status {process.returncode}")
        clips = len(Manifest.read(Path(scratch) / "work" / "manifest.parquet"))
        minutes = (time.monotonic() - began) / 60
    row = {
        "clips": clips,
        "peak, GiB": round(peak / 1024**3, 2),
        "limit, GiB": LIMIT / 1024**3,
        "processes": most,
        "minutes": round(minutes, 2),
        "asked for, minutes": given.minutes,
    }
    Console().print("peak memory of fit with its workers", table([row]))


def watch(process: subprocess.Popen[bytes]) -> tuple[int, int]:
    """The largest sum of resident memory, and the most processes at one time."""
    peak = most = 0
    root = psutil.Process(process.pid)
    while process.poll() is None:
        total = count = 0
        try:
            family = [root, *root.children(recursive=True)]
        except psutil.NoSuchProcess:
            break
        for member in family:
            try:
                total += member.memory_info().rss
                count += 1
            except psutil.NoSuchProcess:
                continue
        peak, most = max(peak, total), max(most, count)
        time.sleep(0.1)
    process.wait()
    return peak, most


if __name__ == "__main__":
    main()
