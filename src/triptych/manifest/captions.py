"""Captions: what is said when, read from SRT, WebVTT, JSON and CSV text, and made orderly."""

from __future__ import annotations

import csv
import html
import io
import json
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any, NamedTuple

# Captions nearer than this follow each other without a pause; rolling captions do.
ADJACENT_SECONDS = 0.15
# With at least this share of cues repeating the one before, the file rolls.
ROLLING_SHARE = 0.3
# Less than this beyond the end, or over the next one's start, is rounding.
LATE_SECONDS = 1.0
OVERLAP_SECONDS = 0.05

_TIME = r"(-?)(?:(\d+):)?(\d{1,2}):(\d{1,2}(?:[.,]\d{1,6})?)"
_ARROW = re.compile(rf"^\s*{_TIME}\s*-+>\s*{_TIME}")
_TAG = re.compile(r"</?[A-Za-z0-9][^<>]*>|\{\\[^{}]*\}")
_CUE = re.compile(r"\[[^\[\]]*\]|[♪♫♬]+|\((?:[A-Z\s]+|music|applause|laughter|laughs)\)")
_SPEAKER = re.compile(r"^(?:>>+|-+(?=\s))\s*")


@dataclass(frozen=True)
class Caption:
    """Words on screen from ``start`` to ``end``, in seconds of the player's clock."""

    start: float
    end: float
    text: str


class Remark(NamedTuple):
    """Something odd about captions, and what is done about it."""

    reason: str
    action: str


@dataclass(frozen=True)
class Reading:
    """Captions in the order of time, and what had to be done to make them so."""

    captions: tuple[Caption, ...] = ()
    remarks: tuple[Remark, ...] = ()


@dataclass
class _Cues:
    """Cues as they stand in a file, a line of text each a string, and how many were unreadable."""

    found: list[tuple[float, float, list[str]]] = field(default_factory=list)
    unreadable: int = 0


def parse(text: str, suffix: str) -> Reading:
    """Read the text of a ``.srt``, ``.vtt``, ``.json`` or ``.csv`` caption file.

    JSON is ``{"start": [...], "end": [...], "text": [...]}`` and CSV has the columns start, end,
    text, both in seconds, as HowTo100M gives them (Miech et al. 2019). Raises ValueError when
    JSON or CSV is not that.
    """
    if suffix == ".json":
        return from_columns(json.loads(text))
    if suffix == ".csv":
        return from_columns(_csv_columns(text))
    return orderly(_subtitles(text))


def from_columns(columns: Any) -> Reading:
    """Read HowTo100M's parallel lists start, end and text. Raises ValueError if it is not that."""
    if not is_columns(columns):
        raise ValueError("not the three lists start, end and text, equally long")
    cues = _Cues()
    for start, end, words in zip(columns["start"], columns["end"], columns["text"], strict=True):
        times = _number(start), _number(end)
        if times[0] is None or times[1] is None or not isinstance(words, str):
            cues.unreadable += 1
        else:
            cues.found.append((times[0], times[1], [words]))
    return orderly(cues)


def is_columns(value: Any) -> bool:
    """Whether ``value`` is HowTo100M's dictionary of three equally long lists."""
    if not isinstance(value, dict) or not {"start", "end", "text"} <= value.keys():
        return False
    lists = [value[name] for name in ("start", "end", "text")]
    return all(isinstance(one, list) for one in lists) and len({len(one) for one in lists}) == 1


def from_cues(cues: Iterable[tuple[float, float, str]]) -> Reading:
    """Captions from (start, end, text) as a subtitle stream gives them."""
    return orderly(_Cues([(start, end, text.split("\n")) for start, end, text in cues]))


def orderly(cues: _Cues) -> Reading:
    """Sort by time, mend reversed times, take out markup, cues like [Music], and repeated lines."""
    remarks = []
    if cues.unreadable:
        remarks.append(Remark(f"{_some(cues.unreadable)} no readable times", "left out"))
    reversed_times = sum(end < start for start, end, _ in cues.found)
    if reversed_times:
        reason = f"{reversed_times} of {_captions(len(cues.found))} end before they start"
        remarks.append(Remark(reason, "start and end exchanged"))
    found = [(min(a, b), max(a, b), _clean(lines)) for a, b, lines in cues.found]
    if any(later[0] < earlier[0] for earlier, later in pairwise(found)):
        remarks.append(Remark("captions are not in the order of time", "sorted"))
    found.sort(key=lambda cue: cue[:2])
    captions, rolled = _unroll(found)
    if rolled:
        reason = f"{rolled} of {_captions(len(found))} repeat words of the one before"
        remarks.append(Remark(reason, "each word is taken once"))
    return Reading(tuple(captions), tuple(remarks))


def fit_to(reading: Reading, duration: float) -> Reading:
    """Keep what lies within [0, duration] and remark on what does not, and on overlaps."""
    remarks = list(reading.remarks)
    count = _captions(len(reading.captions))
    inside = [c for c in reading.captions if c.end > 0 and c.start < duration]
    outside = len(reading.captions) - len(inside)
    if outside:
        reason = f"{outside} of {count} lie outside the {duration:.1f} s of the file"
        remarks.append(Remark(reason, "left out"))
    over = sum(c.start < 0 or c.end > duration + LATE_SECONDS for c in inside)
    if over:
        remarks.append(Remark(f"{over} of {count} reach beyond the file's ends", "cut there"))
    kept = [replace(c, start=max(0.0, c.start), end=min(c.end, duration)) for c in inside]
    overlaps = sum(a.end > b.start + OVERLAP_SECONDS for a, b in pairwise(kept))
    if overlaps:
        action = "words taken in the order of their starts"
        remarks.append(Remark(f"{overlaps} of {count} overlap the next", action))
    return replace(reading, captions=tuple(kept), remarks=tuple(remarks))


def _captions(count: int) -> str:
    return f"{count} caption{'s' * (count != 1)}"


def _some(count: int) -> str:
    return f"{_captions(count)} {'have' if count != 1 else 'has'}"


def _subtitles(text: str) -> _Cues:
    """SRT and WebVTT: what differs (header, commas, settings, NOTE blocks) needs no telling."""
    cues = _Cues()
    lines: list[str] | None = None
    blank: int | None = None  # how many lines the cue had when its first blank line came
    for line in text.splitlines():
        times = _ARROW.match(line)
        if times:
            if lines and blank is not None and len(lines) > blank:
                lines.pop()  # the number or name that stands above the times
            start, end = _seconds(times.groups()[:4]), _seconds(times.groups()[4:])
            lines, blank = [], None
            cues.found.append((start, end, lines))
        elif "-->" in line:
            cues.unreadable += 1
            lines = None
        elif not line.strip():
            blank = len(lines) if lines and blank is None else blank
        elif blank is not None and re.match(r"(NOTE|STYLE|REGION)\b", line):
            lines = None
        elif lines is not None:
            lines.append(line)
    return cues


def _seconds(parts: Sequence[str | None]) -> float:
    sign, hours, minutes, seconds = parts
    total = int(hours or 0) * 3600 + int(minutes or 0) * 60
    total_seconds = total + float((seconds or "0").replace(",", "."))
    return -total_seconds if sign else total_seconds


def _number(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def _csv_columns(text: str) -> dict[str, list[str]]:
    rows = csv.DictReader(io.StringIO(text, newline=""), restval="", skipinitialspace=True)
    names = {(name or "").strip().lower(): name for name in rows.fieldnames or ()}
    if not {"start", "end", "text"} <= names.keys():
        raise ValueError("no columns start, end, text")
    columns: dict[str, list[str]] = {"start": [], "end": [], "text": []}
    try:
        for row in rows:
            for name, values in columns.items():
                values.append(row[names[name]])
    except csv.Error as error:
        raise ValueError(str(error)) from None
    return columns


def _clean(lines: Iterable[str]) -> list[str]:
    cleaned = []
    for line in lines:
        plain = html.unescape(_TAG.sub("", line)).replace("\\N", " ").replace("\u200b", "")
        plain = _SPEAKER.sub("", " ".join(_CUE.sub(" ", plain).split()))
        if plain:
            cleaned.append(plain)
    return cleaned


def _unroll(found: list[tuple[float, float, list[str]]]) -> tuple[list[Caption], int]:
    """Cut from each cue what the one before has said, where the file's captions roll.

    YouTube's automatic captions show each line twice, once while it is spoken and once above the
    next; live captions grow a line word by word.
    """
    cues = [cue for cue in found if cue[2]]
    repeats = [0] + [_repeated(a, b) for a, b in pairwise(cues)]
    rolled = sum(repeat > 0 for repeat in repeats)
    if rolled < max(2, ROLLING_SHARE * (len(cues) - 1)):
        return [Caption(start, end, " ".join(lines)) for start, end, lines in cues], 0
    captions = []
    for (start, end, lines), repeat in zip(cues, repeats, strict=True):
        words = " ".join(" ".join(lines).split()[repeat:])
        if words:
            captions.append(Caption(start, end, words))
    return captions, rolled


def _repeated(before: tuple[float, float, list[str]], cue: tuple[float, float, list[str]]) -> int:
    """How many words at the beginning of ``cue`` are those that ``before`` still showed."""
    if cue[0] - before[1] > ADJACENT_SECONDS:
        return 0
    for lines in range(min(len(before[2]), len(cue[2])), 0, -1):
        if before[2][-lines:] == cue[2][:lines]:
            return len(" ".join(cue[2][:lines]).split())
    said, saying = " ".join(before[2]).split(), " ".join(cue[2]).split()
    return len(said) if saying[: len(said)] == said else 0
