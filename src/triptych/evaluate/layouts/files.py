"""The files of a layout: which of them are there, what the others are, and their rows."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from triptych.errors import UserError
from triptych.manifest.caption_files import decode

SHOWN = 3  # names that a line shows before it counts the rest


@dataclass(frozen=True)
class Wanted:
    """A file or folder of a layout: the names it goes by, what it holds, who gives it out."""

    names: tuple[str, ...]
    what: str
    whence: str

    def here(self, folder: Path) -> Path | None:
        """Where it is in ``folder``; None where it is not."""
        return next((folder / name for name in self.names if (folder / name).exists()), None)


def require(folder: Path, wanted: Sequence[Wanted], layout: str) -> list[Path]:
    """Where each of ``wanted`` is in ``folder``.

    Raises UserError in one line that says of everything missing what it is and who gives it out.
    """
    if not folder.is_dir():
        what = "a file" if folder.exists() else "no such folder"
        raise UserError(f"{folder}: {what}; name the folder that holds {layout}")
    found = [one.here(folder) for one in wanted]
    missing = [one for one, path in zip(wanted, found, strict=True) if path is None]
    if missing:
        lines = [f"{' or '.join(one.names)} ({one.what}; from {one.whence})" for one in missing]
        raise UserError(
            f"{folder}: of {layout}, {len(missing)} of {len(wanted)} needed are missing: "
            f"{', '.join(lines)}"
        )
    return [path for path in found if path is not None]


def text(path: Path) -> str:
    """The text of a file, in whichever Unicode; a byte order mark is left out."""
    try:
        return decode(path.read_bytes())[0]
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None


def rows(path: Path, columns: Sequence[str]) -> list[dict[str, str]]:
    """The rows of a CSV by its header, which must have ``columns``; blank rows are left out.

    Raises UserError in one line where a column is missing, a row has other cells, or none is there.
    """
    table = cells(path)
    header = table[0][1] if table else []
    missing = [name for name in columns if name not in header]
    if missing:
        raise UserError(
            f"{path}: no column {', '.join(missing)}; it has {', '.join(header) or 'nothing'}"
        )
    found = []
    for number, row in table[1:]:
        if len(row) != len(header):
            raise UserError(f"{path}: line {number} has {len(row)} cells, the header {len(header)}")
        found.append(dict(zip(header, row, strict=True)))
    if not found:
        raise UserError(f"{path}: a header and no rows")
    return found


def cells(path: Path, width: int = 0) -> list[tuple[int, list[str]]]:
    """The rows of a CSV with the numbers of their lines; blank ones are left out.

    Raises UserError in one line where a row does not have ``width`` cells, if that is given.
    """
    reader = csv.reader(io.StringIO(text(path), newline=""))
    try:
        found = [(reader.line_num, [cell.strip() for cell in row]) for row in reader]
    except csv.Error as error:
        raise UserError(f"{path}: line {reader.line_num} is not CSV ({error})") from None
    found = [(number, row) for number, row in found if any(row)]
    for number, row in found:
        if width and len(row) != width:
            raise UserError(f"{path}: line {number} has {len(row)} cells; {width} are expected")
    return found


def numbers(path: Path, line: int, written: Iterable[str]) -> list[float]:
    """Seconds of a line, finite and not negative; raises UserError in one line."""
    found = []
    for one in written:
        try:
            value = float(one)
        except ValueError:
            value = -1.0
        if not 0 <= value < float("inf"):
            raise UserError(f"{path}: line {line}: {one!r} is no time in seconds")
        found.append(value)
    return found


def parsed(path: Path) -> Any:
    """What a JSON file holds; raises UserError in one line."""
    try:
        return json.loads(text(path))
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: not JSON ({error})") from None


def some(names: Iterable[str]) -> str:
    """The first names of a list, and how many more there are."""
    listed = list(names)
    more = f" and {len(listed) - SHOWN} more" if len(listed) > SHOWN else ""
    return ", ".join(listed[:SHOWN]) + more
