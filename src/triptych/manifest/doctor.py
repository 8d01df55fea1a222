"""What is wrong with the files of a folder: every frame and sample decoded, nothing written."""

from __future__ import annotations

from pathlib import Path

from triptych.manifest.problems import Problem
from triptych.manifest.scan import SECONDS_PER_FILE, scan


def doctor(
    folder: Path | str,
    *,
    workers: int | None = None,
    seconds_per_file: float = SECONDS_PER_FILE,
) -> list[Problem]:
    """A row for each thing that is not plainly good about the files below ``folder``, by path.

    Arguments and errors are those of ``scan``, which it runs with ``check="full"``.
    """
    return scan(folder, check="full", workers=workers, seconds_per_file=seconds_per_file).problems
