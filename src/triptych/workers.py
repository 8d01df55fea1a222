"""Work in other processes: an item that crashes or hangs its process costs that item only."""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection, Pipe, wait
from typing import Any, Generic, TypeVar

from triptych.errors import UserError, of_system

Item = TypeVar("Item")
Value = TypeVar("Value")
Seconds = float | Callable[[Any], float]

START_UP_SECONDS = 300.0
# The child's own alarm, should the parent be gone when the item's time is up.
ALARM_AFTER_SECONDS = 30.0


@dataclass(frozen=True)
class Done(Generic[Value]):
    """The function returned ``value``."""

    value: Value


@dataclass(frozen=True)
class Part(Generic[Value]):
    """One of the values that the function makes of an item, before the last."""

    value: Value


@dataclass(frozen=True)
class Crashed:
    """The process died: of a signal, or it left by itself."""

    reason: str


@dataclass(frozen=True)
class TimedOut:
    """The item was not finished within ``seconds``; its process was killed."""

    seconds: float


@dataclass(frozen=True)
class Failed:
    """The function raised; ``error`` is one line."""

    error: str


Result = Done[Value] | Crashed | TimedOut | Failed


def available_cores() -> int:
    """Cores this process may run on, at least 1."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_isolated(
    function: Callable[[Item], Value], items: Iterable[Item], *, workers: int, seconds: Seconds
) -> Iterator[tuple[int, Result[Value]]]:
    """Call ``function`` on every item, in up to ``workers`` processes; yield (index, result).

    Results come in the order of completion. ``items`` is consumed as workers become free.
    ``seconds`` is the time allowed for one item, or a function of the item that tells it.
    ``function``, items and values must pickle, and ``function`` must be importable: the children
    do not run the caller's main module. With ``workers=0`` everything runs in this process, for
    debugging: then no crash is survived and no time limit kept.
    """
    if workers == 0:
        for index, item in enumerate(items):
            yield index, _call(function, item)
        return
    pool = _Pool(function, workers, seconds)
    try:
        yield from pool.run(enumerate(items))
    finally:
        pool.close()


def stream_isolated(
    function: Callable[[Item], Iterator[Value]],
    items: Iterable[Item],
    *,
    workers: int,
    seconds: Seconds,
) -> Iterator[tuple[int, Part[Value] | Result[Any]]]:
    """Like ``run_isolated`` of a function that makes many values of an item, one after another.

    Each is a ``Part``; after the last comes ``Done``, or what cut the item short. A process goes
    on when its part has been taken, so that no more than one a process waits. ``seconds`` is the
    time allowed for each part.
    """
    if workers == 0:
        for index, item in enumerate(items):
            made: Iterator[Any] = _made(_call(function, item))
            yield from ((index, result) for result in made)
        return
    pool = _Pool(function, workers, seconds)
    try:
        yield from pool.run(enumerate(items))
    finally:
        pool.close()


def _made(result: Done[Any] | Failed) -> Iterator[Part[Any] | Done[Any] | Failed]:
    """What a call gave; of an iterator each value, and then that it has ended or how it failed."""
    if not (isinstance(result, Done) and isinstance(result.value, Iterator)):
        yield result
        return
    while True:
        one = _call(_following, result.value)
        if isinstance(one, Failed):
            yield one
            return
        if one.value is _OVER:
            yield Done(None)
            return
        yield Part(one.value)


_OVER = object()


def _following(values: Iterator[Any]) -> Any:
    return next(values, _OVER)


def _call(function: Callable[[Any], Any], item: Any) -> Done[Any] | Failed:
    try:
        return Done(function(item))
    except UserError as error:
        return Failed(str(error))
    except Exception as error:
        if isinstance(error, OSError) and (said := of_system(error)):  # a full disk
            return Failed(said)
        text = " ".join(str(error).split())
        return Failed(f"{type(error).__name__}: {text}" if text else type(error).__name__)


class _Pool:
    def __init__(self, function: Callable[[Any], Any], workers: int, seconds: Seconds) -> None:
        self.payload = pickle.dumps(function)
        self.workers = workers
        self.seconds = seconds
        self.idle: list[_Worker] = []
        self.busy: list[_Worker] = []

    def run(self, items: Iterator[tuple[int, Any]]) -> Iterator[tuple[int, Any]]:
        left = True
        while left or self.busy:
            while left and len(self.busy) < self.workers:
                try:
                    index, item = next(items)
                except StopIteration:
                    left = False
                else:
                    self._give(index, item)
            yield from self._collect()

    def _give(self, index: int, item: Any) -> None:
        worker = self.idle.pop() if self.idle else _Worker(self.payload)
        allowed = self.seconds(item) if callable(self.seconds) else self.seconds
        worker.give(index, item, allowed)
        self.busy.append(worker)

    def _collect(self) -> Iterator[tuple[int, Any]]:
        if not self.busy:
            return
        soonest = min(worker.deadline for worker in self.busy)
        wait([worker.pipe for worker in self.busy], max(0.0, soonest - time.monotonic()))
        for worker in list(self.busy):
            result = worker.result()
            if result is None:
                continue
            if not isinstance(result, Part):
                self.busy.remove(worker)
                if worker.alive:
                    self.idle.append(worker)
            yield worker.index, result

    def close(self) -> None:
        for worker in self.idle + self.busy:
            worker.stop()


class _Worker:
    """One child process. Its clock for an item starts when it has imported the function."""

    def __init__(self, payload: bytes) -> None:
        self.pipe, theirs = Pipe()
        code = (
            f"import sys; sys.path[:] = {sys.path!r}; "
            f"from triptych.workers import serve; serve({theirs.fileno()})"
        )
        # A fresh interpreter rather than multiprocessing's spawn: spawn would run the caller's
        # script again, which surprises whoever calls triptych from ten unguarded lines.
        self.process = subprocess.Popen(
            [sys.executable, "-c", code],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=sys.__stderr__.fileno() if sys.__stderr__ else subprocess.DEVNULL,
            env={"OMP_NUM_THREADS": "1", **os.environ},
        )
        theirs.close()
        self.alive = True
        self.ready = False
        self.index = -1
        self.allowed = 0.0
        self.deadline = 0.0
        self.todo: tuple[Any, float] | None = None
        with contextlib.suppress(BrokenPipeError):
            self.pipe.send_bytes(payload)

    def give(self, index: int, item: Any, allowed: float) -> None:
        self.index, self.allowed, self.todo = index, allowed, (item, allowed)
        self.deadline = time.monotonic() + START_UP_SECONDS
        if self.ready:
            self._hand_over()

    def _hand_over(self) -> None:
        self.deadline = time.monotonic() + self.allowed
        # A child that has died in the meantime is found out by result().
        with contextlib.suppress(BrokenPipeError):
            self.pipe.send(self.todo)
        self.todo = None

    def result(self) -> Part[Any] | Result[Any] | None:
        """What became of the item, or a part of it, or None while it is not known."""
        try:
            while self.pipe.poll():
                message = self.pipe.recv()
                if isinstance(message, Part):
                    self.deadline = time.monotonic() + self.allowed
                if isinstance(message, (Part, Done, Failed)):
                    return message
                if message is not None:
                    raise RuntimeError(f"a worker process could not start: {message}")
                self.ready = True
                self._hand_over()
        except (EOFError, ConnectionError):
            return Crashed(self._death())
        if time.monotonic() < self.deadline:
            return None
        self.stop()
        return TimedOut(self.allowed if self.ready else START_UP_SECONDS)

    def _death(self) -> str:
        self.alive = False
        self.pipe.close()
        status = self.process.wait()
        if status >= 0:
            return f"the process left with status {status}"
        try:
            return f"the process was killed by {signal.Signals(-status).name}"
        except ValueError:
            return f"the process was killed by signal {-status}"

    def stop(self) -> None:
        self.alive = False
        self.pipe.close()
        self.process.kill()
        self.process.wait()


def serve(handle: int) -> None:
    """The life of a child process: receive the function, then items, until the pipe closes."""
    # An interrupt at the terminal reaches the children too; the parent decides what follows.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    pipe: Connection[Any, Any] = Connection(handle)
    with contextlib.suppress(EOFError, ConnectionError):
        try:
            function = pickle.loads(pipe.recv_bytes())
        except Exception as error:
            pipe.send(f"{type(error).__name__}: {error}")
            return
        pipe.send(None)
        while True:
            item, allowed = pipe.recv()
            signal.setitimer(signal.ITIMER_REAL, allowed + ALARM_AFTER_SECONDS)
            for result in _made(_call(function, item)):
                # Until the parent takes it, it is the parent's time.
                signal.setitimer(signal.ITIMER_REAL, 0)
                if not _sent(pipe, result):
                    break
                signal.setitimer(signal.ITIMER_REAL, allowed + ALARM_AFTER_SECONDS)
            signal.setitimer(signal.ITIMER_REAL, 0)


def _sent(pipe: Connection[Any, Any], result: Part[Any] | Done[Any] | Failed) -> bool:
    """Send a result, or why it cannot be sent; whether it was."""
    try:
        pipe.send(result)
    except (pickle.PicklingError, TypeError, AttributeError) as error:
        pipe.send(Failed(f"its result cannot be sent: {error}"))
        return False
    return True
