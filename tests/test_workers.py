import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from triptych.errors import UserError
from triptych.workers import (
    Crashed,
    Done,
    Failed,
    Part,
    Result,
    TimedOut,
    run_isolated,
    stream_isolated,
)


def act(order: tuple[str, int]) -> int:
    """A stand-in for a decoder: squares numbers, or does what bad files make decoders do."""
    what, number = order
    if what == "segfault":
        os.kill(os.getpid(), signal.SIGSEGV)
    if what == "leave":
        os._exit(3)
    if what == "hang":
        time.sleep(60)
    if what == "hang holding the signals":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        time.sleep(60)
    if what == "raise":
        raise ValueError("line one\nline two")
    if what == "fill":
        raise OSError(28, "No space left on device", "a.parquet")
    if what == "refuse":
        raise UserError("a.mp4: empty; remove it")
    if what == "print":
        print("noise on standard output")
    return number * number


def unpicklable(number: int) -> object:
    return lambda: number


def big(number: int) -> bytes:
    return bytes(number)


def collect(
    orders: list[tuple[str, int]], workers: int, seconds: float = 30.0
) -> list[Result[int]]:
    results = dict(run_isolated(act, orders, workers=workers, seconds=seconds))
    assert sorted(results) == list(range(len(orders)))
    return [results[index] for index in range(len(orders))]


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_every_item_gets_its_own_result(workers: int) -> None:
    orders = [("square", number) for number in range(20)]
    assert collect(orders, workers) == [Done(number**2) for number in range(20)]


def test_a_crash_costs_that_item_only() -> None:
    orders = [("square", 2), ("segfault", 0), ("leave", 0), ("square", 3), ("segfault", 1)]
    killed = Crashed("the process was killed by SIGSEGV")
    left = Crashed("the process left with status 3")
    assert collect(orders, 2) == [Done(4), killed, left, Done(9), killed]


def test_a_hang_costs_that_item_only_and_no_more_than_its_time() -> None:
    orders = [("hang", 0), ("square", 2), ("hang holding the signals", 0), ("square", 3)]
    start = time.monotonic()
    assert collect(orders, 2, seconds=0.5) == [TimedOut(0.5), Done(4), TimedOut(0.5), Done(9)]
    assert time.monotonic() - start < 20


def test_the_time_allowed_may_depend_on_the_item() -> None:
    results = dict(
        run_isolated(
            act,
            [("hang", 1), ("hang", 2)],
            workers=2,
            seconds=lambda order: order[1] / 4,  # type: ignore[no-any-return]
        )
    )
    assert results == {0: TimedOut(0.25), 1: TimedOut(0.5)}


@pytest.mark.parametrize("workers", [0, 1])
def test_an_exception_is_one_line(workers: int) -> None:
    assert collect([("raise", 0), ("fill", 0), ("refuse", 0), ("square", 5)], workers) == [
        Failed("ValueError: line one line two"),
        Failed("a.parquet: No space left on device"),
        Failed("a.mp4: empty; remove it"),
        Done(25),
    ]


def test_a_result_that_cannot_be_sent_is_a_failure_and_large_ones_arrive() -> None:
    ((_, result),) = run_isolated(unpicklable, [1], workers=1, seconds=30)
    assert isinstance(result, Failed)
    assert "cannot be sent" in result.error
    ((_, sent),) = run_isolated(big, [5_000_000], workers=1, seconds=30)
    assert sent == Done(bytes(5_000_000))


def test_items_are_taken_as_workers_become_free() -> None:
    taken = 0

    def endless() -> Iterator[tuple[str, int]]:
        nonlocal taken
        while True:
            taken += 1
            yield "square", taken

    results = run_isolated(act, endless(), workers=2, seconds=30)
    for _ in range(4):
        next(results)
    assert taken <= 6
    results.close()  # type: ignore[attr-defined]


def children() -> set[str]:
    return set(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split())


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="looks into /proc")
def test_no_process_is_left_behind() -> None:
    before = children()
    results = run_isolated(act, [("square", 1), ("hang", 0)], workers=2, seconds=30)
    assert next(results) == (0, Done(1))
    assert len(children() - before) == 2
    results.close()  # type: ignore[attr-defined]
    assert children() == before


def test_a_script_without_a_main_guard_can_call_it_and_standard_output_stays_clean(
    tmp_path: Path,
) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        f"import sys; sys.path.insert(0, {str(Path(__file__).parents[1])!r})\n"
        "from tests.test_workers import act\n"
        "from triptych.workers import run_isolated\n"
        "print('once', list(run_isolated(act, [('print', 3)], workers=1, seconds=60)))\n"
    )
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout == "once [(0, Done(value=9))]\n"
    assert "noise" in done.stderr


def count(order: tuple[str, int]) -> Iterator[int]:
    """Parts 0, 1, 2 and then what ``act`` does, and one more."""
    yield from range(3)
    yield act(order)
    yield 4


def lambdas(number: int) -> Iterator[object]:
    yield number
    yield lambda: number
    yield number


def streamed(
    orders: list[tuple[str, int]], workers: int, seconds: float = 30.0
) -> list[list[object]]:
    found: list[list[object]] = [[] for _ in orders]
    for index, result in stream_isolated(count, orders, workers=workers, seconds=seconds):
        found[index].append(result)
    return found


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_parts_come_in_their_order_and_end(workers: int) -> None:
    begun = [Part(0), Part(1), Part(2)]
    found = streamed([("square", 5), ("raise", 0), ("square", 6)], workers)
    assert found[0] == [*begun, Part(25), Part(4), Done(None)]
    assert found[1] == [*begun, Failed("ValueError: line one line two")]
    assert found[2] == [*begun, Part(36), Part(4), Done(None)]


def test_what_cuts_an_item_short_costs_its_rest_only() -> None:
    begun = [Part(0), Part(1), Part(2)]
    found = streamed([("segfault", 0), ("hang", 0), ("square", 2)], 2, seconds=0.5)
    assert found[0] == [*begun, Crashed("the process was killed by SIGSEGV")]
    assert found[1] == [*begun, TimedOut(0.5)]
    assert found[2] == [*begun, Part(4), Part(4), Done(None)]


def test_the_time_is_that_of_a_part_and_not_of_who_takes_it() -> None:
    """Six parts of .3 s each, taken after .3 s each, within .8 s allowed."""
    taken = []
    for _, result in stream_isolated(slow, [0], workers=1, seconds=0.8):
        time.sleep(0.3)
        taken.append(result)
    assert taken == [*(Part(number) for number in range(6)), Done(None)]


def slow(_: int) -> Iterator[int]:
    for number in range(6):
        time.sleep(0.3)
        yield number


def test_a_part_that_cannot_be_sent_ends_the_item_and_the_process_goes_on() -> None:
    found: list[list[object]] = [[], []]
    for index, result in stream_isolated(lambdas, [7, 8], workers=1, seconds=30.0):
        found[index].append(result)
    for number, results in enumerate(found, 7):
        assert results[0] == Part(number)
        assert isinstance(results[1], Failed)
        assert "cannot be sent" in results[1].error
        assert len(results) == 2
