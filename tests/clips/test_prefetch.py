import threading
import time
from collections.abc import Iterator

import pytest

from triptych.clips.prefetch import Prefetch


def test_items_come_in_their_order() -> None:
    assert list(Prefetch(range(100), 3)) == list(range(100))


def test_it_works_ahead_but_not_further_than_its_depth() -> None:
    made: list[int] = []

    def items() -> Iterator[int]:
        for number in range(50):
            made.append(number)
            yield number

    ready = iter(Prefetch(items(), 3))
    assert next(ready) == 0
    deadline = time.monotonic() + 5
    while len(made) < 4 and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.15)
    assert 4 <= len(made) <= 5  # three wait, one is at hand
    assert list(ready) == list(range(1, 50))


def test_an_error_reaches_the_reader_after_what_came_before_it() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise ValueError("broken")

    ready = iter(Prefetch(items(), 3))
    assert next(ready) == 1
    with pytest.raises(ValueError, match="broken"):
        next(ready)


def test_a_reader_that_stops_early_stops_the_thread_and_closes_the_items() -> None:
    closed = threading.Event()

    def items() -> Iterator[int]:
        try:
            yield from range(1000)
        finally:
            closed.set()

    ready = iter(Prefetch(items(), 2))
    assert next(ready) == 0
    ready.close()  # type: ignore[attr-defined]
    assert closed.is_set()
    assert not any(thread.name == "prefetch" for thread in threading.enumerate())
