"""Figures with their intervals as a picture: against an axis of numbers, or a dot for each row."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from triptych.atomic import whole_file

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe and Ito's colours, told apart by colour-blind readers too; grey is for what has no axis.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = "osD^vPX"
LEVELS = ("--", ":", "-.", "-")
GREY = "#777777"
ACROSS = 3  # panels
INCHES_A_LETTER = 0.08
NOTE = "means over seeds; bars: 95 % intervals over groups of the tested examples"
LONGEST = 34  # characters of a row's name that are shown


@dataclass(frozen=True)
class Point:
    """One figure with its interval; with ``x`` it is part of the line ``series``."""

    row: str
    value: float
    low: float
    high: float
    series: str = ""
    x: float | None = None


def draw(
    panels: Mapping[str, Sequence[Point]], path: Path, *, axis: str | None, doubling: bool
) -> None:
    """Write ``path``.png and ``path``.svg, each whole: one panel for each title.

    With ``axis``, points that have an ``x`` are lines against it, in doublings if asked, and the
    others are levels across the panel. Without, every row is a dot.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    # The same figures give the same bytes.
    with rc_context({"svg.hashsalt": "triptych", "svg.fonttype": "none", "font.size": 9}):
        across = 2 if len(panels) == 4 else min(ACROSS, len(panels))
        down = math.ceil(len(panels) / across)
        most = max(len(points) for points in panels.values())
        height = 3.2 if axis else 0.9 + 0.3 * most
        width = 3.6 if axis else 3.2
        figure = Figure(figsize=(width * across + (0 if axis else 1.6), height * down + 0.6))
        figure.set_layout_engine("constrained")
        grid = figure.subplots(down, across, squeeze=False, sharey=not axis)
        for place, (title, points) in zip(grid.flat, panels.items(), strict=False):
            place.set_title(_shown(title), fontsize=9, loc="left")
            if axis:
                _against(place, points, axis, doubling)
            else:
                _dots(place, points)
            for side in ("top", "right"):
                place.spines[side].set_visible(False)
        for place in grid.flat[len(panels) :]:
            place.set_visible(False)
        figure.suptitle(NOTE, fontsize=8, color=GREY, x=0.01, ha="left")
        handles, labels = grid.flat[0].get_legend_handles_labels()
        if axis:
            entry = 0.7 + INCHES_A_LETTER * max(map(len, labels))
            columns = max(1, min(len(labels), int(figure.get_figwidth() / entry)))
            figure.legend(handles, labels, loc="outside lower center", ncols=columns, frameon=False)
        for kind in ("png", "svg"):
            about = {"Date": None} if kind == "svg" else {}
            with whole_file(path.with_suffix(f".{kind}")) as beside:
                figure.savefig(beside, format=kind, dpi=150, metadata=about, bbox_inches="tight")


def _against(place: Axes, points: Sequence[Point], axis: str, doubling: bool) -> None:
    lines: dict[str, list[Point]] = {}
    for point in points:
        lines.setdefault(point.series if point.x is not None else point.row, []).append(point)
    levels = [found[0] for found in lines.values() if found[0].x is None]
    series = [found for found in lines.values() if found[0].x is not None]
    numbers = sorted({_x(point) for found in series for point in found})
    for number, found in enumerate(series):
        aside = number - (len(series) - 1) / 2  # so that intervals do not hide each other
        place.errorbar(
            [_moved(_x(point), aside, numbers, doubling) for point in sorted(found, key=_x)],
            [point.value for point in sorted(found, key=_x)],
            _whiskers(sorted(found, key=_x)),
            color=COLOURS[number % len(COLOURS)], marker=MARKERS[number % len(MARKERS)],
            ms=4, lw=1.3, capsize=2, label=_shown(found[0].series),
        )  # fmt: skip
    for number, level in enumerate(levels):
        style = LEVELS[number % len(LEVELS)]
        place.axhline(level.value, color=GREY, ls=style, lw=1, label=_shown(level.row))
        # Their intervals stand beside the panel, where none can be taken for another's.
        place.errorbar(
            [1.03 + 0.035 * number], [level.value], _whiskers([level]), fmt="none", ecolor=GREY,
            capsize=2, lw=1, clip_on=False, transform=place.get_yaxis_transform(),
        )[-1][0].set_linestyle(style)  # fmt: skip
    if doubling:
        place.set_xscale("log", base=2)
    place.set_xticks(numbers, [f"{number:g}" for number in numbers], minor=False)
    place.minorticks_off()
    place.set_xlabel(axis)
    place.grid(axis="y", lw=0.4, alpha=0.6)


def _dots(place: Axes, points: Sequence[Point]) -> None:
    places = range(len(points))
    place.errorbar(
        [point.value for point in points],
        places,
        xerr=_whiskers(points),
        fmt="o", ms=4.5, lw=1.3, capsize=2.5, color=COLOURS[0],
    )  # fmt: skip
    place.set_yticks(places, [_shown(point.row) for point in points])
    place.set_ylim(len(points) - 0.5, -0.5)
    place.grid(axis="x", lw=0.4, alpha=0.6)


def _moved(x: float, steps: float, numbers: Sequence[float], doubling: bool) -> float:
    """``x``, some steps of a hundredth of the axis aside."""
    if doubling:
        return float(x * (numbers[-1] / numbers[0]) ** (0.012 * steps))
    return x + 0.012 * steps * (numbers[-1] - numbers[0])


def _x(point: Point) -> float:
    return math.nan if point.x is None else point.x


def _whiskers(points: Sequence[Point]) -> list[list[Any]]:
    """How far the interval reaches below and above; a value at its own end has none there."""
    return [
        [max(0.0, point.value - point.low) for point in points],
        [max(0.0, point.high - point.value) for point in points],
    ]


def _shown(name: str) -> str:
    short = name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…"
    return short.replace("$", r"\$")  # else what is between two of them is set as a formula
