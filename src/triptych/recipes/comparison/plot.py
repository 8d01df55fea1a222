"""The picture of a comparison: a panel for each probe and target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from triptych.evaluate.evaluate import PROBES
from triptych.explore.intervals import Point, draw
from triptych.recipes.comparison.plan import Row

DOUBLING = ("clustering.k", "clips")  # axes that are read in doublings


def draw_table(out: Path, rows: Sequence[Row], table: Sequence[Mapping[str, Any]]) -> str | None:
    """Write plot.png and plot.svg; None where no row has a figure."""
    axis = _numeric_axis(rows)
    by_name = {row.name: row for row in rows}
    panels: dict[str, list[Point]] = {}
    for line in table:
        if line["value"] is None:
            continue
        row = by_name[line["row"]]
        figure = line["value"], line["low"], line["high"]
        point = Point(row.name, *figure)
        if axis and axis in row.values:
            point = Point(row.name, *figure, row.without(axis), row.values[axis])
        measure = " accuracy" if line["probe"] in PROBES else ""
        panels.setdefault(f"{line['target']}, {line['probe']}{measure}", []).append(point)
    if not panels:
        return None
    draw(panels, out / "plot", axis=axis, doubling=axis in DOUBLING)
    return str(out / "plot.png")


def _numeric_axis(rows: Sequence[Row]) -> str | None:
    """The first axis of numbers with two values or more: it lies across the plot."""
    for key in next(row for row in rows if row.kind == "method").values:
        found = {row.values[key] for row in rows if key in row.values}
        numbers = all(isinstance(x, int | float) and not isinstance(x, bool) for x in found)
        if numbers and len(found) > 1:
            return key
    return None
