"""Progress of long work: a bar on a terminal, a plain line every few seconds elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")
SECONDS_BETWEEN_LINES = 10.0  # at first; each pause is twice the one before
LONGEST_PAUSE = 300.0


def say(line: str) -> None:
    """Print a line for the reader of the terminal; standard output is kept for results."""
    print(line, file=sys.stderr, flush=True)


def track(items: Iterable[T], total: int, what: str) -> Iterator[T]:
    """Yield ``items`` and show how many of ``total`` are done and the time left."""
    if sys.stderr.isatty():
        yield from _bar(items, total, what)
    else:
        yield from _lines(items, total, what)


def _bar(items: Iterable[T], total: int, what: str) -> Iterator[T]:
    from rich.console import Console
    from rich.progress import track as rich_track

    yield from rich_track(items, what, total=total, console=Console(stderr=True), transient=True)


def _lines(items: Iterable[T], total: int, what: str) -> Iterator[T]:
    start = said = time.monotonic()
    pause = SECONDS_BETWEEN_LINES
    for done, item in enumerate(items, 1):
        yield item
        now = time.monotonic()
        if now - said >= pause and done < total:
            left = (now - start) / done * (total - done)
            say(f"{what}: {done} of {total}, {left:.0f} s left")
            said, pause = now, min(2 * pause, LONGEST_PAUSE)
