"""Rows of a CSV that somebody wrote by hand, and the files of a collection that it means."""

from __future__ import annotations

import csv
import io
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

from triptych.errors import UserError

DELIMITERS = ",;\t"
EXAMPLES = 3


def read_rows(path: Path, needs: str) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Header and rows of a CSV with their line numbers, stripped of blanks around cells.

    Commas, semicolons or tabs part the cells. Raises UserError, which says what such a file
    ``needs``.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path}: not UTF-8 text (byte {error.start} is 0x{error.object[error.start]:02x}); "
            "save it as CSV in UTF-8"
        ) from None
    first = text.lstrip().split("\n", 1)[0]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=max(DELIMITERS, key=first.count))
    try:
        rows = [(reader.line_num, [cell.strip() for cell in row]) for row in reader]
    except csv.Error as error:
        raise UserError(f"{path}: line {reader.line_num} is not CSV ({error})") from None
    rows = [(number, row) for number, row in rows if any(row)]
    if len(rows) < 2:
        what = "has a header but no rows" if rows else "is empty"
        raise UserError(f"{path}: {what}; it needs {needs}")
    header = rows[0][1]
    if len(set(header)) < len(header):
        twice = next(name for name in header if header.count(name) > 1)
        raise UserError(f"{path}: two columns are called {twice!r}; rename one")
    for number, row in rows[1:]:
        if len(row) != len(header):
            raise UserError(
                f"{path}: line {number} has {len(row)} cells, the header {len(header)}; put quotes "
                "around cells that hold the delimiter"
            )
    return header, rows[1:]


class Paths:
    """Finds the path of the table that a path of a CSV means; ``keys`` are all that the CSV has."""

    def __init__(self, known: set[str], keys: Iterable[str], root: Path) -> None:
        self.root = root.resolve().as_posix() + "/"
        self.by_name: dict[str, list[str]] = {}
        for path in known:
            self.by_name.setdefault(PurePosixPath(path).name, []).append(path)
        self.written: dict[str, int] = {}
        for key in keys:
            name = PurePosixPath(self._plain(key)).name
            self.written[name] = self.written.get(name, 0) + 1

    def by(self, key: str) -> str | None:
        """The path of the table, or None; UserError where it may be any of several."""
        wanted = self._plain(key)
        name = PurePosixPath(wanted).name
        candidates = self.by_name.get(name, [])
        if wanted in candidates:
            return wanted
        # One is the end of the other: a folder in front was written or left away.
        ends = [
            path
            for path in candidates
            if f"/{path}".endswith(f"/{wanted}") or f"/{wanted}".endswith(f"/{path}")
        ]
        if len(ends) > 1:
            raise UserError(
                f"{key!r} may be any of {len(ends)} files: {some(sorted(ends))}; write "
                "paths relative to the collection's folder"
            )
        if ends:
            return ends[0]
        # Folders differ: only a name that is met once on both sides can be meant.
        alone = len(candidates) == 1 and self.written[name] == 1
        return candidates[0] if alone else None

    def _plain(self, key: str) -> str:
        path = unicodedata.normalize("NFC", key).replace("\\", "/")
        return path.removeprefix(self.root).removeprefix("./")


def some(names: Sequence[str]) -> str:
    """The first few of ``names``, and how many more there are."""
    shown = ", ".join(repr(name) for name in names[:EXAMPLES])
    return shown + (f" and {len(names) - EXAMPLES} more" if len(names) > EXAMPLES else "")
