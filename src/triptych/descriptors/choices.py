"""What may be chosen about trajectories, by name."""

from __future__ import annotations

from typing import Any, Literal, cast, get_args

from triptych.errors import UsageError

Keypoints = Literal["sift", "sift-full", "none"]
Format = Literal["parquet", "idt"]
Level = Literal["video", "clip"]


def keypoints(word: str) -> Keypoints:
    """How keypoints are found; UsageError where ``word`` is no such way."""
    return cast("Keypoints", _one_of(word, "keypoints", Keypoints))


def format(word: str) -> Format:
    """The format of a file of rows; UsageError where ``word`` is none."""
    return cast("Format", _one_of(word, "format", Format))


def _one_of(word: str, what: str, choices: Any) -> str:
    if word not in get_args(choices):
        raise UsageError(f"{what} {word!r}: must be one of {', '.join(get_args(choices))}")
    return word
