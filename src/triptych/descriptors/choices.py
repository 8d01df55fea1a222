"""What may be chosen about trajectories, by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, cast, get_args

from triptych.errors import UsageError

Keypoints = Literal["sift", "sift-full", "none"]
Format = Literal["parquet", "idt"]
Level = Literal["video", "clip"]
TEXT = (".csv", ".gz", ".txt")  # how names of text end, which would hide a Parquet table


def keypoints(word: str) -> Keypoints:
    """How keypoints are found; UsageError where ``word`` is no such way."""
    return cast("Keypoints", _one_of(word, "keypoints", Keypoints))


def format(word: str, out: Path) -> Format:
    """The format of the file of rows ``out``; UsageError where ``word`` is none, or not its."""
    found = cast("Format", _one_of(word, "format", Format))
    if found == "parquet" and out.suffix.lower() in TEXT:
        raise UsageError(
            f"{out}: a Parquet table under a name of text; call it {out.with_suffix('.parquet')}, "
            "or say --format idt"
        )
    return found


def _one_of(word: str, what: str, choices: Any) -> str:
    if word not in get_args(choices):
        raise UsageError(f"{what} {word!r}: must be one of {', '.join(get_args(choices))}")
    return word
