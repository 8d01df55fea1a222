"""Results for the eye: tables on the terminal, from the same rows that --json prints."""

from __future__ import annotations

import sys
from typing import Any, Literal

from rich.console import Console
from rich.table import Table
from rich.text import Text

MEASURE = ("value", "low", "high")
SHOWN = 3  # labels and exemplars of a cluster in a table
SHORT = 24  # characters; a column of such cells is never broken
# Of a terminal Rich knows the width; in a file or a pipe a line may be longer than its 80.
WIDTH = 120
WIDEST = 1000
LAST = ("training, clips", "failed", "lacks")  # columns of `compare`
HEADINGS = {
    ("demo", "table"): "Video features, scored on videos that training has not seen",
    ("demo", "hits"): "“{query}” looked for in what is seen of them",
    ("demo", "search"): "The words of every action looked for",
    ("concepts", "clusterings"): "Clusterings",
    ("concepts", "purest"): "Purest clusters",
    ("concepts", "least_pure"): "Least pure of those that are ranked",
    ("concepts", "largest"): "Largest clusters",
    ("concepts", "smallest"): "Smallest of those that are ranked",
    ("search", "steps"): "Where each step is",
    ("wall", "agreement"): "Agreement: adjusted mutual information, 0 by chance",
    ("wall", "clusters"): "Clusters",
    ("filters", "filters"): "First layers",
    ("recipes", "recipes"): (
        "Published: accuracy in %; fc: a linear classifier on frozen features, 5-shot: of five "
        "videos of each class; all: the whole encoder tuned"
    ),
    ("recipes", "steps"): "What it takes, command by command",
}
# What --json has as numbers and another value says in words.
IN_WORDS = {
    "recipes": (
        "scores", "parameters", "gigaflops_a_clip", "gibibytes", "hours_on_one_core",
    ),
}  # fmt: skip
NOTHING = {
    ("doctor", "files"): "all decode, nothing to remark",
    ("scan", "files"): "nothing to remark",
    ("describe", "files"): "all are described",
}


def render(name: str, result: dict[str, Any]) -> None:
    """Print what the verb ``name`` returned: its tables, then its single values."""
    console = Console(highlight=False, width=None if sys.stdout.isatty() else WIDTH)
    for key, value in result.items():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            if heading := HEADINGS.get((name, key)):
                console.print(Text("\n" + heading.format(**result), style="bold"))
            rows = table(_rows(name, key, value))
            # Short cells do not break: where they need more room, the terminal breaks the line.
            least = Console(width=WIDEST).measure(rows).minimum
            Console(width=max(console.width, least)).print(rows)
    for key, value in result.items():
        if key in IN_WORDS.get(name, ()) or value is None:
            continue
        if isinstance(value, list):
            if not value:
                console.print(f"{key}: {NOTHING.get((name, key), 'none')}")
        else:
            text = _text(value)
            several = "\n" in text  # commands, to be copied line by line
            shown = f"{key.replace('_', ' ')}:{chr(10) if several else ' '}{text}"
            console.print(Text(shown), soft_wrap=several)


def table(rows: list[dict[str, Any]]) -> Table:
    """Flat rows as a table; every row's keys become columns, in order of first appearance."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    out = Table(box=None, header_style="bold", pad_edge=False)
    for column in columns:
        numeric = all(isinstance(row.get(column), int | float | None) for row in rows)
        lines = [line for row in rows for line in _text(row.get(column)).split("\n")]
        longest = max(map(len, lines), default=0)
        justify: Literal["left", "right"] = "right" if numeric else "left"
        short = longest <= SHORT
        least = max(longest, len(column)) if short else None
        out.add_column(column, justify=justify, overflow="fold", no_wrap=short, min_width=least)
    for row in rows:
        # Text, not str: file names and captions may hold what Rich takes for markup.
        out.add_row(*(Text(_text(row.get(column))) for column in columns))
    return out


def _rows(name: str, key: str, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    if name == "search":
        return [_moment(row) for row in rows]
    if name == "compare":
        shown = [_compared(row) for row in rows]
        found = dict.fromkeys(column for row in shown for column in row)
        columns = sorted(found, key=LAST.__contains__)
        return [{column: row.get(column) for column in columns} for row in shown]
    if name == "concepts" and key != "clusterings":
        return [_concept(row) for row in rows]
    if name == "wall" and key == "clusters":
        columns = ["source", "cluster", "size", "films", "why", "says"]
        return [{column: row[column] for column in columns} for row in rows]
    if name == "wall" and key == "agreement":
        from triptych.explore.sharing.told import EACH_OTHER

        both = {True: "1 and 2", False: "1 less 2"}
        return [
            _measured({**row, "source": row["source"] or both[row["with"] == EACH_OTHER]})
            for row in rows
        ]
    if name == "filters":
        return [{key: part for key, part in row.items() if key != "energy"} for row in rows]
    if name == "recipes" and key == "steps":  # the commands are below, whole, to be copied
        hours = ("hours_on_one_gpu", "gibibytes", "hours_on_one_core")
        return [
            {"leaves": row["leaves"], **{key: f"{row[key]:.3g}" for key in hours}} for row in rows
        ]
    if name == "recipes":  # the source is in --json, and with the recipe's name
        shown = [{key: row[key] for key in row if key not in ("source", "clips")} for row in rows]
        return [{**row, "hours_on_one_gpu": f"{row['hours_on_one_gpu']:.2g}"} for row in shown]
    return [_measured(row) for row in rows]


def _concept(row: dict[str, Any]) -> dict[str, Any]:
    """A cluster: its labels with shares and counts, else its words; clips as search takes them."""
    alike = ("clustering", "rank", "cluster", "size", "videos")
    shown = {key: row[key] for key in alike}
    if row["labels"]:
        shown |= {key: row[key] for key in ("purity", "chance", "entropy")}
        some = row["labels"][:SHOWN]
        parts = [f"{one['label']} {one['share']:.2f} ({one['count']})" for one in some]
        shown["labels"] = "\n".join(parts)
    else:
        shown["words"] = ", ".join(row["words"])
    clips = row["exemplars"][:SHOWN]
    parts = [f"{clip['path']}#{clip['start']:.1f}-{clip['end']:.1f}" for clip in clips]
    return {**shown, "exemplars": "\n".join(parts)}


def _moment(row: dict[str, Any]) -> dict[str, Any]:
    """A hit, or a step of one: its file with what opens it there, and its times on the clock."""
    from triptych.explore.query import moment

    if row["start"] is None:
        return {**row, "path": row["path"], "start": "no place", "end": ""}
    start, end = row["start"], row["end"]
    return {
        **row,
        "path": moment(row["path"], start, end),
        "start": clock(start),
        "end": clock(end),
    }


def _compared(row: dict[str, Any]) -> dict[str, Any]:
    """A row of `compare`; its place on the axes is in its name."""
    shown = {key: row[key] for key in ("row", "probe", "target")}
    if row["value"] is not None:
        shown["value [95 %]"] = _measured(row)["value [95 %]"]
    if "chance" in row:
        shown["chance"] = f"{row['chance']:.3f}"
    shown["of each seed"] = " ".join(f"{value:.3f}" for value in row.get("of_each_seed", ()))
    for key in [key for key in row if f"{key}_low" in row]:
        value, low, high = (row[name] for name in (key, f"{key}_low", f"{key}_high"))
        heading = f"{key.replace('over_', 'over ')} [95 %]"
        shown[heading] = f"{value:+z.3f} [{low:+z.3f} {high:+z.3f}]"
    if "training_seconds" in row:
        pace = f"{row['clips_per_second']:.0f}/s"
        shown["training, clips"] = f"{row['training_seconds']:.0f} s, {pace}"
    for key in ("failed", "lacks"):
        if key in row:
            shown[key] = row[key]
    return shown


def _measured(row: dict[str, Any]) -> dict[str, Any]:
    """``value``, ``low`` and ``high`` in one cell: 0.61 [0.58 0.64]."""
    if not all(key in row for key in MEASURE):
        return row
    rest = {key: value for key, value in row.items() if key not in MEASURE}
    spread = "" if row["low"] is None else f" [{row['low']:z.3f} {row['high']:z.3f}]"
    return {**rest, "value [95 %]": f"{row['value']:z.3f}{spread}"}


def clock(seconds: float) -> str:
    """Seconds as a player shows them: 1:02:03.4."""
    minutes, rest = divmod(round(seconds, 1), 60)
    hours, minutes = divmod(int(minutes), 60)
    return f"{hours}:{minutes:02d}:{rest:04.1f}" if hours else f"{minutes}:{rest:04.1f}"


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:z.3f}"
    if isinstance(value, list):
        return ", ".join(map(_text, value))
    if isinstance(value, dict):
        return ", ".join(f"{key} {_text(part)}" for key, part in value.items())
    return str(value)
