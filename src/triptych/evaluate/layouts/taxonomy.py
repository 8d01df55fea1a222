"""COIN's taxonomy: 778 steps of 180 tasks, from the authors' spreadsheet or a CSV of it."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

from triptych.errors import UserError
from triptych.evaluate.layouts.files import cells

COLUMNS = ("Target Id", "Target Label", "Action Id", "Action Label")
LARGEST = 64 << 20  # bytes of a sheet; COIN's are below one million
_CELL = re.compile(r"([A-Z]+)\d+")
_SPACE = {"m": "http://schemas.openxmlformats.org/spreadsheetml/2006/main"}


class Step(NamedTuple):
    """A step of a task, by the numbers that the annotations use."""

    task: int
    task_name: str
    number: int
    words: str


def read(path: Path) -> list[Step]:
    """The steps in the order of the file: of each task in the order in which they are done.

    The sheet that has the columns Target Id, Target Label, Action Id, Action Label. Raises
    UserError in one line where there is none, or a step has no number.
    """
    sheets = [[row for _, row in cells(path)]] if path.suffix == ".csv" else _sheets(path)
    wanted = [name.lower() for name in COLUMNS]
    for sheet in sheets:
        for at, row in enumerate(sheet):
            header = [cell.strip().lower() for cell in row]
            if set(wanted) <= set(header):
                places = [header.index(name) for name in wanted]
                return _steps(path, sheet[at + 1 :], places)
    raise UserError(f"{path}: no sheet with the columns {', '.join(COLUMNS)}")


def _steps(path: Path, sheet: Iterable[list[str]], places: list[int]) -> list[Step]:
    found: dict[int, Step] = {}
    for row in sheet:
        cells_of = [row[place].strip() if place < len(row) else "" for place in places]
        if not any(cells_of):
            continue
        task, task_name, number, words = cells_of
        try:
            one = Step(int(float(task)), task_name, int(float(number)), words)
        except ValueError:
            raise UserError(
                f"{path}: step {words!r} has the numbers {task!r}, {number!r}"
            ) from None
        if found.setdefault(one.number, one) != one:
            raise UserError(f"{path}: two steps have the number {one.number}")
    if not found:
        raise UserError(f"{path}: no step in it")
    return list(found.values())


def _sheets(path: Path) -> list[list[list[str]]]:
    """The cells of every sheet of an .xlsx as text, which is all that a taxonomy needs of one."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = sorted(name for name in archive.namelist() if "worksheets/sheet" in name)
            shared: list[str] = []
            if "xl/sharedStrings.xml" in archive.namelist():
                items = _parsed(archive, "xl/sharedStrings.xml").findall("m:si", _SPACE)
                shared = ["".join(part.text or "" for part in _texts(item)) for item in items]
            return [_rows(_parsed(archive, name), shared) for name in names]
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror or error})") from None
    except (zipfile.BadZipFile, ElementTree.ParseError, ValueError, IndexError) as error:
        raise UserError(
            f"{path}: not an .xlsx ({error}); save its sheet target_action_mapping as taxonomy.csv"
        ) from None


def _parsed(archive: zipfile.ZipFile, name: str) -> ElementTree.Element:
    if archive.getinfo(name).file_size > LARGEST:
        raise ValueError(f"{name} is too large")
    raw = archive.read(name)
    if b"<!DOCTYPE" in raw:  # entities of which could grow without end
        raise ValueError(f"{name} declares a document type")
    return ElementTree.fromstring(raw)


def _texts(item: ElementTree.Element) -> list[ElementTree.Element]:
    return [part for part in item.iter() if part.tag.endswith("}t")]


def _rows(sheet: ElementTree.Element, shared: list[str]) -> list[list[str]]:
    rows = []
    for row in sheet.iterfind(".//m:row", _SPACE):
        cells_of: list[str] = []
        for cell in row.findall("m:c", _SPACE):
            match = _CELL.fullmatch(cell.get("r", ""))
            place = _column(match[1]) if match else len(cells_of)
            value = cell.find("m:v", _SPACE)
            text = value.text or "" if value is not None else ""
            if cell.get("t") == "s":
                text = shared[int(text)]
            elif cell.get("t") == "inlineStr":
                text = "".join(part.text or "" for part in _texts(cell))
            cells_of += [""] * (min(place, 1000) - len(cells_of)) + [text]
        rows.append(cells_of)
    return rows


def _column(letters: str) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - ord("A") + 1
    return number - 1
