"""Boxes around people, whose motion is not the camera's: two formats of files.

``.bb``, that of improved dense trajectories: one line a frame, in order: the frame's number, then
five numbers a person, left, top, right, bottom and confidence. ``.csv``: a header and one row a
person, with columns ``frame``, ``left``, ``top``, ``right`` and ``bottom``; frames without people
have no row. Numbers of frames begin at 0, and edges are in pixels.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Sequence
from pathlib import Path

from triptych.atomic import whole_file
from triptych.errors import UserError

Box = tuple[float, float, float, float]
Boxes = dict[int, list[Box]]
COLUMNS = ("frame", "left", "top", "right", "bottom")


class BoxesError(UserError):
    """Boxes of people that cannot be used, or that are of another video."""


def read_boxes(path: Path) -> Boxes:
    """The boxes of the frames that have some, by the frame's number.

    Raises BoxesError that names the line that is not as it should be.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "not a text"
        raise BoxesError(f"{path}: cannot be read as boxes of people ({why})") from None
    try:
        return _table(path, text) if path.suffix.lower() == ".csv" else _lines(path, text)
    except csv.Error as error:
        raise BoxesError(f"{path}: cannot be read as a table of boxes ({error})") from None


def write_boxes(path: Path, frames: Iterable[Sequence[Box]]) -> tuple[int, int]:
    """Write the boxes of each frame as a ``.csv``; returns how many frames, and in how many some.

    Raises UserError where ``path`` does not end so: the ending tells what a file of boxes is.
    """
    if path.suffix.lower() != ".csv":
        raise UserError(f"{path}: boxes are written as a table; give a name that ends in .csv")
    number = peopled = 0
    with whole_file(path) as at, at.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(COLUMNS)
        for boxes in frames:
            table.writerows((number, *(f"{edge:.10g}" for edge in box)) for box in boxes)
            number, peopled = number + 1, peopled + bool(boxes)
    return number, peopled


def beside(folder: Path, video: str) -> Path | None:
    """The file of ``folder`` with the boxes of ``video``, a path below another folder, or None.

    For ``a/b.mp4`` that is ``a/b.bb``, ``a/b.csv``, ``a/b.mp4.bb`` or ``a/b.mp4.csv``.
    """
    at = folder / video
    names = (at.stem, at.name)
    files = [at.with_name(name + ending) for name in names for ending in (".bb", ".csv")]
    return next((file for file in files if file.is_file()), None)


def check_boxes(video: Path, people: Boxes, frames: int) -> None:
    """Raise BoxesError where there are boxes in frames that a ``video`` of so many has not."""
    beyond = [frame for frame in people if frame >= frames]
    if beyond:
        raise BoxesError(
            f"{video}: has {frames} frames, and there are boxes for frame {min(beyond)}; "
            "are they of another video, or counted from 1?"
        )


def _lines(path: Path, text: str) -> Boxes:
    """The first line is of the first frame, as the original has it, whatever its number is."""
    frames: Boxes = {}
    expected = -math.inf
    for line, words in enumerate(map(str.split, text.splitlines()), start=1):
        if not words:
            continue
        numbers = _numbers(path, line, words)
        if len(numbers) % 5 != 1:
            raise BoxesError(
                f"{path}: line {line} has {len(numbers)} numbers; it should have the frame's and "
                "five for each person: left, top, right, bottom, confidence"
            )
        if numbers[0] != expected and frames:
            raise BoxesError(
                f"{path}: line {line} is of frame {words[0]}, the line before of {expected - 1:g}; "
                "write a line for every frame, with its number alone where nobody is"
            )
        expected = numbers[0] + 1
        people = [numbers[at : at + 4] for at in range(1, len(numbers), 5)]
        frames[len(frames)] = [_box(path, line, person) for person in people]
    return frames


def _table(path: Path, text: str) -> Boxes:
    rows = csv.DictReader(text.splitlines())
    missing = [name for name in COLUMNS if name not in (rows.fieldnames or ())]
    if missing:
        raise BoxesError(
            f"{path}: has no column {', '.join(missing)}; a table of boxes has {', '.join(COLUMNS)}"
        )
    frames: Boxes = {}
    for line, row in enumerate(rows, start=2):
        numbers = _numbers(path, line, [row[name] or "" for name in COLUMNS])
        frame = int(numbers[0])
        if frame != numbers[0] or frame < 0:
            raise BoxesError(f"{path}: line {line}: frame {row['frame']} is no number from 0 on")
        frames.setdefault(frame, []).append(_box(path, line, numbers[1:]))
    return frames


def _numbers(path: Path, line: int, words: Sequence[str]) -> list[float]:
    try:
        numbers = [float(word) for word in words]
    except ValueError:
        raise BoxesError(f"{path}: line {line} holds something that is no number") from None
    if not all(map(math.isfinite, numbers)):
        raise BoxesError(f"{path}: line {line} holds a number that is not finite")
    return numbers


def _box(path: Path, line: int, edges: Sequence[float]) -> Box:
    left, top, right, bottom = edges
    if right < left or bottom < top:
        raise BoxesError(
            f"{path}: line {line}: a box from ({left:g}, {top:g}) to ({right:g}, {bottom:g}) ends "
            "before it begins; edges are left, top, right, bottom"
        )
    return left, top, right, bottom
