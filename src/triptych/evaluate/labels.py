"""Labels from a CSV, joined to clips by path or clip_id; whatever does not fit is counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from triptych.errors import UserError
from triptych.evaluate.csv_rows import Paths, read_rows, some
from triptych.evaluate.folds import Strings

NEEDS = "a column path or clip_id and a label column"
PATH_COLUMNS = ("path", "file", "filename")
OTHER_COLUMNS = ("fold", "group", "split")


@dataclass(frozen=True)
class Line:
    """One row of a labels file; ``fold``, ``group`` and ``split`` are "" where it has none."""

    number: int
    key: str
    label: str
    fold: str
    group: str
    split: str


@dataclass(frozen=True)
class LabelFile:
    """A labels file that has been read and found consistent."""

    name: str
    by_clip: bool  # keys are clip ids, else paths
    target: str
    columns: frozenset[str]  # which of fold, group and split it has
    lines: list[Line]
    blank: int  # rows whose label is empty


@dataclass(frozen=True)
class Joined:
    """Labelled clips: columns are [M], in the order of ``rows``."""

    rows: NDArray[np.int64]  # of the embedding table
    labels: Strings
    groups: Strings  # the path where the file has no column group
    folds: Strings | None
    split: Strings | None
    unlabelled: int  # clips without a label
    unknown: list[str]  # keys of the file that name no clip


def read_labels(path: Path, target: str | None = None) -> LabelFile:
    """Read a CSV with a column ``path``, ``file``, ``filename`` or ``clip_id`` and label columns.

    ``target`` names the label column; without it the column ``label``, or the only one there is.
    Optional columns: ``fold``, ``group``, ``split`` (train or test). Raises UserError in one line.
    """
    header, rows = read_rows(path, NEEDS)
    if "clip_id" in header:
        key = "clip_id"
    else:
        keys = [name for name in PATH_COLUMNS if name in header]
        if not keys:
            raise UserError(
                f"{path}: no column 'path' or 'clip_id' among {', '.join(header)}; "
                "name the column that says which file a label is for"
            )
        key = keys[0]
    target = _target(path, header, target)
    columns = frozenset(OTHER_COLUMNS) & set(header) - {target}
    lines: dict[str, Line] = {}
    blank = 0
    for number, cells in rows:
        row = dict(zip(header, cells, strict=True))
        fold, group, split = (row[name] if name in columns else "" for name in OTHER_COLUMNS)
        line = Line(number, row[key], row[target], fold, group, split.lower())
        if not line.label:
            blank += 1
            continue
        _check(path, line, key, columns)
        _agree(path, lines.setdefault(line.key, line), line, line.key)
    if not lines:
        raise UserError(f"{path}: the column {target!r} is empty in all {blank} rows")
    return LabelFile(str(path), key == "clip_id", target, columns, list(lines.values()), blank)


def label_columns(path: Path) -> list[str]:
    """The columns of a CSV that may hold labels. Raises UserError in one line."""
    return _label_columns(read_rows(path, NEEDS)[0])


def join(labels: LabelFile, clip_ids: Sequence[str], paths: Sequence[str], root: Path) -> Joined:
    """Give each clip its label; a label of a path goes to all clips of that file.

    Paths are relative to ``root``; a labels file may write them absolute, with more or fewer
    leading folders, or as bare names where that is unambiguous.
    """
    keys: Sequence[str] = clip_ids if labels.by_clip else paths
    known = set(keys)
    paths_meant = Paths(known, [line.key for line in labels.lines], root)
    found: dict[str, Line] = {}
    unknown = []
    for line in labels.lines:
        if labels.by_clip:
            place = line.key if line.key in known else None
        else:
            place = paths_meant.by(line.key)
        if place is None:
            unknown.append(line.key)
        else:
            _agree(Path(labels.name), found.setdefault(place, line), line, place)
    if not found:
        raise UserError(
            f"{labels.name}: none of its {len(unknown)} keys names a clip of the embeddings; "
            f"it says {some(unknown)}, the embeddings say {some(sorted(known))}"
        )
    rows = np.array([row for row, key in enumerate(keys) if key in found], dtype=np.int64)
    lines = [found[keys[row]] for row in rows]
    groups = [line.group or paths[row] for row, line in zip(rows, lines, strict=True)]
    return Joined(
        rows,
        np.array([line.label for line in lines]),
        np.array(groups),
        np.array([line.fold for line in lines]) if "fold" in labels.columns else None,
        np.array([line.split for line in lines]) if "split" in labels.columns else None,
        len(keys) - len(rows),
        unknown,
    )


def describe(labels: LabelFile, joined: Joined, of: str = "in the embeddings") -> list[str]:
    """What was left out, a line for each kind, for the reader of the terminal.

    ``of`` says where the clips are that the labels were looked up for.
    """
    lines = []
    if joined.unknown:
        lines.append(
            f"{labels.name}: {len(joined.unknown)} of {len(labels.lines)} labelled "
            f"{'clips' if labels.by_clip else 'files'} are not {of} and are left out: "
            f"{some(joined.unknown)}"
        )
    if joined.unlabelled:
        total = joined.unlabelled + len(joined.rows)
        lines.append(
            f"{labels.name}: {joined.unlabelled} of {total} clips have no label and are left out"
        )
    if labels.blank:
        lines.append(f"{labels.name}: {labels.blank} rows have an empty {labels.target!r}")
    return lines


def _label_columns(header: list[str]) -> list[str]:
    reserved = {"clip_id", *PATH_COLUMNS, *OTHER_COLUMNS}
    return [name for name in header if name not in reserved]


def _target(path: Path, header: list[str], target: str | None) -> str:
    labels = _label_columns(header)
    if target is not None:
        if target not in header:
            raise UserError(
                f"{path}: no column {target!r}; the label columns are {', '.join(labels) or 'none'}"
            )
        return target
    if "label" in labels:
        return "label"
    if len(labels) != 1:
        found = (
            f"{len(labels)} columns may be it: {', '.join(labels)}" if labels else "none is left"
        )
        raise UserError(f"{path}: which column holds the label? {found}; name it with --target")
    return labels[0]


def _check(path: Path, line: Line, key: str, columns: frozenset[str]) -> None:
    if not line.key:
        raise UserError(f"{path}: line {line.number} has an empty {key!r}")
    if "fold" in columns and not line.fold:
        raise UserError(f"{path}: line {line.number} has no fold; give every row one, or none")
    if "split" in columns and line.split not in {"train", "test"}:
        raise UserError(
            f"{path}: line {line.number} has the split {line.split!r}; only train and test are "
            "known: rename it, or leave the row out"
        )


def _agree(path: Path, first: Line, second: Line, key: str) -> None:
    for what in ("label", "fold", "group", "split"):
        one, other = getattr(first, what), getattr(second, what)
        if one != other:
            raise UserError(
                f"{path}: {key!r} has the {what} {one!r} in line {first.number} and {other!r} in "
                f"line {second.number}; keep one"
            )
