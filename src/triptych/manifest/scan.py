"""From a folder of videos to its manifest, and to a row for each thing that is not plainly good."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import pyarrow as pa

from triptych.errors import UsageError
from triptych.manifest.caption_files import assign
from triptych.manifest.listing import list_folder
from triptych.manifest.one_file import FileClips, Job, read_file
from triptych.manifest.probe import Check
from triptych.manifest.problems import Problem, write_problems
from triptych.manifest.schema import SCHEMA, Manifest
from triptych.progress import track
from triptych.workers import Crashed, Done, Result, TimedOut, available_cores, run_isolated

WINDOW = 4.0
SHORTEST_WINDOW = 0.1  # seconds; a film of two hours in shorter ones would be past counting
SHORTEST = 4.0
SECONDS_PER_FILE = 60.0
# A large file gets more time: decoding is rarely slower than this.
BYTES_PER_SECOND = 1_000_000


@dataclass(frozen=True)
class Scan:
    """What ``scan`` gives: the clips, and what is not plainly good about the files, by path."""

    manifest: Manifest
    problems: list[Problem]

    def write(self, folder: Path) -> None:
        """Write ``manifest.parquet`` and ``problems.parquet`` into ``folder``."""
        self.manifest.write(folder / "manifest.parquet")
        write_problems(folder / "problems.parquet", self.problems)


def scan(
    folder: Path | str,
    out: Path | str | None = None,
    *,
    window: float = WINDOW,
    min_caption: float = SHORTEST,
    whole: bool = False,
    hop: float | None = None,
    check: Check = "sample",
    leave_out: Path | None = None,
    workers: int | None = None,
    seconds_per_file: float = SECONDS_PER_FILE,
    read: Callable[[Job], FileClips] = read_file,
) -> Scan:
    """Cut every video and sound below ``folder`` into clips.

    A video with captions is cut by them, neighbours merged until they last ``min_caption``
    seconds; anything else into windows of ``window`` seconds. With ``whole`` each file is one clip
    with all its captions, see ``Clip.segments``. With ``hop`` each file becomes a time line:
    windows of ``window`` seconds every ``hop`` seconds, which captions do not cut.
    ``check="full"`` decodes every frame, ``"sample"`` the beginning, middle and end of long
    videos, and everything where those show damage. Each file is read in one of ``workers``
    processes (default: one per core; 0: in this one) within ``seconds_per_file`` seconds and one
    more per megabyte. With ``out``, writes ``manifest.parquet`` and ``problems.parquet`` there.
    ``leave_out`` is a folder not to look into, by default ``out``. ``read`` reads one file.

    Raises UserError if there is no such folder or nothing in it; whatever is wrong with single
    files is in the problems instead.
    """
    _check_hop(hop, window, whole)
    _check_arguments(window, min_caption, check, seconds_per_file, workers)
    root = Path(folder).expanduser().absolute()
    into = Path(out).expanduser() if out is not None else None
    listing = list_folder(root, leave_out=leave_out or into)
    words = assign(root, listing.media, listing.captions)
    jobs = [
        Job(
            root=root,
            path=path,
            size=size,
            captions=tuple(words.files.get(path, ())),
            columns=words.columns.get(path),
            window=window,
            shortest=min_caption,
            whole=whole,
            hop=hop,
            check=check,
        )
        for path, size in listing.media.items()
    ]
    workers = min(len(jobs), available_cores()) if workers is None else workers
    read_files = _read_all(jobs, read, workers, seconds_per_file)
    rows = [row for file in read_files for row in file.rows]
    problems = listing.problems + words.problems
    problems += [problem for file in read_files for problem in file.problems]
    problems.sort(key=lambda problem: problem.path)
    result = Scan(Manifest(root, pa.Table.from_pylist(rows, SCHEMA)), problems)
    if into is not None:
        result.write(into)
    return result


def _check_hop(hop: float | None, window: float, whole: bool) -> None:
    if hop is None:
        return
    if whole:
        raise UsageError(
            f"hop={hop}: cuts files into windows, and whole leaves them whole; keep one"
        )
    if not SHORTEST_WINDOW <= hop <= window:
        raise UsageError(
            f"hop={hop}: must be from {SHORTEST_WINDOW} seconds to those of a window, {window}, so "
            "that no second is left out"
        )


def _check_arguments(
    window: float, min_caption: float, check: str, seconds_per_file: float, workers: int | None
) -> None:
    positive = {
        "window": window,
        "min_caption": min_caption,
        "seconds_per_file": seconds_per_file,
    }
    for name, value in positive.items():
        if not 0 < value < float("inf"):
            raise UsageError(f"{name}={value}: must be a number of seconds above 0")
    if window < SHORTEST_WINDOW:
        raise UsageError(f"window={window}: must be at least {SHORTEST_WINDOW} seconds")
    if workers is not None and workers < 0:
        raise UsageError(f"workers={workers}: must be 0 or more")
    if check not in get_args(Check):
        raise UsageError(f"check={check!r}: must be one of {', '.join(get_args(Check))}")


def _read_all(
    jobs: list[Job], read: Callable[[Job], FileClips], workers: int, seconds: float
) -> list[FileClips]:
    """The clips of all files, in the order of ``jobs`` whichever was ready first."""
    results = run_isolated(
        read, jobs, workers=workers, seconds=lambda job: seconds + job.size / BYTES_PER_SECOND
    )
    found: dict[int, FileClips] = {}
    for index, result in track(results, len(jobs), "scan"):
        found[index] = _clips_of(jobs[index], result)
    return [found[index] for index in range(len(jobs))]


def _clips_of(job: Job, result: Result[FileClips]) -> FileClips:
    if isinstance(result, Done):
        return result.value
    if isinstance(result, Crashed):
        kind, reason = "crashed", f"it brings the decoder down: {result.reason}"
    elif isinstance(result, TimedOut):
        kind, reason = "timeout", f"not read within {result.seconds:.0f} s"
    else:
        kind, reason = "unreadable", result.error
    return FileClips(problems=[Problem(job.path, kind, reason, "skipped")])
