"""Tasks over videos in worker processes: a video each, or several side by side on a device."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from triptych.atomic import whole_file
from triptych.descriptors.batched.device import Device
from triptych.descriptors.batched.lanes import Film
from triptych.descriptors.batched.together import Together
from triptych.descriptors.rows import Waiting
from triptych.descriptors.videos import Encode, Sample, Video, or_problem, people_of
from triptych.errors import UserError
from triptych.manifest.problems import Problem
from triptych.workers import Crashed, Done, Failed, TimedOut, available_cores, run_isolated

Task = Sample | Encode

# A time after which a video hangs rather than is slow: on a GPU the first call compiles, and a
# pixel of a frame takes about a microsecond.
SECONDS, SECONDS_PER_PIXEL = 600.0, 20e-6
SECONDS_PER_LOOK = 20.0  # for people: a large network takes a few
GROUP = 64  # videos that one process takes through a device before it goes on with their rows


def one_by_one(
    task: Task, videos: Sequence[Video], workers: int | None
) -> Iterator[Problem | None]:
    """Call ``task`` for every video, each in a process, one a core if ``workers`` is None."""
    if workers is None:
        workers = max(1, min(len(videos), available_cores()))
    for index, result in run_isolated(task, videos, workers=workers, seconds=_seconds):
        yield result.value if isinstance(result, Done) else _problem(videos[index], result)


def side_by_side(
    task: Task, videos: Sequence[Video], workers: int | None, device: Device
) -> Iterator[Problem | None]:
    """The same, but that a device makes the rows of groups of videos; one process if not said.

    Where a process crashes or hangs, those of its group are tried one by one.
    """
    groups = [tuple(videos[at : at + GROUP]) for at in range(0, len(videos), GROUP)]
    group = Group(task, device)
    alone: list[tuple[Video, ...]] = []
    count = 1 if workers is None else workers
    for index, result in run_isolated(group, groups, workers=count, seconds=_seconds_of_all):
        if isinstance(result, Done):
            yield from result.value
        elif isinstance(result, Crashed | TimedOut) and len(groups[index]) > 1:
            alone += [(video,) for video in groups[index]]
        else:
            yield _problem(groups[index][0], result)
    for index, result in run_isolated(group, alone, workers=count, seconds=_seconds_of_all):
        yield from result.value if isinstance(result, Done) else [_problem(alone[index][0], result)]


@dataclass(frozen=True)
class Group:
    """Makes the rows of some videos on a device, then calls a task for each; in a worker."""

    task: Task
    device: Device

    def __call__(self, videos: Sequence[Video]) -> list[Problem | None]:
        """For each video None where that went well."""
        left = [video for video in videos if not self.task.done(video)]
        rowless = [video for video in left if not self.task.store.has_rows_of(video)]
        problems = self._keep_rows(rowless)
        for video in left:
            if video.path not in problems:
                problems[video.path] = self.task(video)
        return [problems.get(video.path) for video in videos]

    def _keep_rows(self, videos: Sequence[Video]) -> dict[str, Problem | None]:
        problems: dict[str, Problem | None] = {}
        films: dict[Video, Film] = {}

        def open_film(video: Video) -> None:
            people = people_of(video, self.task.store) or {}
            films[video] = Film(video.root / video.path, video.how.keypoints, people)

        for video in videos:
            if problem := or_problem(video, open_film):
                problems[video.path] = problem
        store, order = self.task.store, list(films)
        store.rows.mkdir(parents=True, exist_ok=True)
        with ExitStack() as stack:
            waiting = [stack.enter_context(Waiting(store.rows)) for _ in order]
            for number, event in Together(list(films.values()), self.device).events():
                video = order[number]
                if isinstance(event, Exception):
                    problems[video.path] = or_problem(video, _raising(event))
                elif event is not None:
                    waiting[number].add(event)
                else:
                    with whole_file(store.rows_of(video)) as beside, waiting[number] as rows:
                        rows.write_table(beside, video.facts)
        return problems


def _raising(error: Exception) -> Callable[[Video], None]:
    def make(_: Video) -> None:
        raise error

    return make


def _seconds(video: Video) -> float:
    people = video.how.people
    looks = video.frames / people.every if people else 0
    return SECONDS + SECONDS_PER_PIXEL * video.pixels + SECONDS_PER_LOOK * looks


def _seconds_of_all(videos: Sequence[Video]) -> float:
    return sum(map(_seconds, videos))


def _problem(video: Video, result: Crashed | TimedOut | Failed) -> Problem:
    if isinstance(result, Crashed):
        kind, reason = "crashed", f"it brings the decoder down: {result.reason}"
    elif isinstance(result, TimedOut):
        kind, reason = "timeout", f"not described within {result.seconds:.0f} s"
    else:
        raise UserError(result.error)  # of the disk, or of the program: of no one video
    return Problem(video.path, kind, reason, "not described; the same command tries it again")
