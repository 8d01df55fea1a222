"""Annotations of Mining YouTube as files: subtitles whose text is a label, or a label a frame."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from triptych.errors import UserError
from triptych.evaluate.layouts.files import text
from triptych.evaluate.layouts.runs import runs

RATE = 29.97  # frames a second by which the authors made frames of times
BACKGROUND = "background"
_CLOCK = r"(\d+):(\d+):(\d+)[.,](\d+)"
_TIMES = re.compile(rf"\s*{_CLOCK}\s*-->\s*{_CLOCK}")


class Labelled(NamedTuple):
    """A label, and the seconds that it holds."""

    label: str
    start: float
    end: float


def name_of(words: str) -> str:
    """A label as the dictionaries write it: lower case, a low line between words."""
    return "_".join(words.lower().replace("_", " ").split())


def words_of(label: str) -> str:
    """A label as it is said."""
    return label.replace("_", " ")


def subtitles(path: Path) -> list[Labelled]:
    """The labels of a .srt in order of time, without background; with or without a mark in front.

    Raises UserError in one line where no label is in it, or a time runs backwards.
    """
    found: list[Labelled] = []
    times: list[float] | None = None
    said: list[str] = []
    for line in [*text(path).splitlines(), "0:0:0,0 --> 0:0:0,0"]:
        match = _TIMES.match(line)
        if match is None:
            said.append(line.strip())
            continue
        if times is not None:
            found += _cue(path, times, said)
        parts = [int(part) for part in match.groups()]
        clock = (parts[:4], parts[4:])
        digits = (match[4], match[8])
        times = [
            hours * 3600 + minutes * 60 + seconds + int(rest) / 10 ** len(rest)
            for (hours, minutes, seconds, _), rest in zip(clock, digits, strict=True)
        ]
        said = []
    if not found:
        raise UserError(f"{path}: no label with times in it; a .srt of labels is wanted")
    return sorted(found, key=lambda one: (one.start, one.end))


def _cue(path: Path, times: list[float], said: list[str]) -> list[Labelled]:
    # The number of the next cue stands behind the words of this one.
    words = said[:-1] if said and said[-1].isdecimal() else said
    label = name_of(" ".join(words))
    start, end = times
    if end < start:
        raise UserError(f"{path}: {label!r} ends at {end:g} s, before {start:g} s")
    if not label or label == BACKGROUND:
        return []
    return [Labelled(label, start, end)]


def on_frames(one: Labelled) -> Labelled:
    """With the times of the authors' frames, which is how they made labels of frames of a .srt.

    From the frame before the rounded start up to the one before the rounded end.
    """
    first, last = round(one.start * RATE), round(one.end * RATE)
    return Labelled(one.label, max(0, first - 1) / RATE, last / RATE)


def frames(path: Path) -> tuple[list[Labelled], int]:
    """The runs of equal labels of a file with one a frame, without background; and its frames."""
    every = [name_of(line) for line in text(path).splitlines() if line.strip()]
    if not every:
        raise UserError(f"{path}: no label in it; one a frame is wanted")
    found = [
        Labelled(label, first / RATE, last / RATE)
        for label, first, last in runs(every)
        if label != BACKGROUND
    ]
    return found, len(every)


def transcript(path: Path) -> list[str]:
    """The labels of a transcript in order, without background; equal neighbours are one."""
    every = [name_of(one) for one in text(path).split()]
    return [label for label, _, _ in runs([one for one in every if one != BACKGROUND])]


def dictionary(path: Path) -> list[str]:
    """The labels of a dictionary by their numbers: "NUMBER LABEL" a line, or the line is it.

    Raises UserError in one line where numbers are missing or a label is there twice.
    """
    lines = [line.split() for line in text(path).splitlines() if line.strip()]
    numbered = all(len(line) > 1 and line[0].isdecimal() for line in lines)
    if numbered:
        lines = [line[1:] for line in sorted(lines, key=lambda line: int(line[0]))]
    found = [name_of(" ".join(line)) for line in lines]
    if not found or len(set(found)) < len(found):
        twice = next((one for one in found if found.count(one) > 1), "")
        raise UserError(f"{path}: {f'the label {twice!r} is there twice' if twice else 'no label'}")
    return found
