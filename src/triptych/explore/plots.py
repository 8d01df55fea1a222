"""Health of a run as small plots: inline SVG that takes its colours from the page."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup, escape

Row = Mapping[str, Any]
Points = list[tuple[int, float]]

WIDTH, HEIGHT = 320, 150
LEFT, RIGHT, TOP, BOTTOM = 34, 10, 12, 20
MOST_MARKED = 80  # epochs; beyond, points have no tooltip of their own
FIXED = {"video": 0, "audio": 1, "text": 2}  # colours that mean the same all over the page
COLOURS = 6


@dataclass(frozen=True)
class Series:
    """One line: its name, its colour's number, (epochs trained, value), the last value's text."""

    name: str
    colour: int
    points: Points
    last: str


@dataclass(frozen=True)
class Panel:
    """One plot with its title, what to look for, and its legend."""

    title: str
    hint: str
    series: list[Series]
    svg: Markup


@dataclass(frozen=True)
class _Kind:
    title: str
    hint: str
    read: Callable[[Row], Mapping[str, Any]]
    bounds: tuple[float | None, float | None]  # of the axis; None: by the values
    percent: bool = False
    of_epoch: bool = False  # of the whole epoch, where the others are of the moment before it


def _of_clusterings(key: str) -> Callable[[Row], Mapping[str, Any]]:
    return lambda row: {name: item.get(key) for name, item in row.get("clusterings", {}).items()}


def _used(row: Row) -> Mapping[str, Any]:
    return {
        name: item["used"] / item["k"]
        for name, item in row.get("clusterings", {}).items()
        if item.get("k")
    }


KINDS = (
    _Kind("Loss", "Falls while the encoders learn their pseudo-labels; jumps up after each "
          "re-clustering are normal.", lambda row: row.get("loss", {}), (0, None), of_epoch=True),
    _Kind("Agreement between modalities", "NMI of one modality's groups with another's. "
          "Rising: they learn from each other.", lambda row: row.get("agreement", {}), (0, 1)),
    _Kind("Stability between rounds", "NMI of a clustering with the one before it. Rising: the "
          "groups settle.", _of_clusterings("nmi_previous"), (0, 1)),
    _Kind("Clusters in use", "Should stay at 100 %: fewer is the way to collapse.", _used, (0, 1),
          percent=True),
    _Kind("Evenness of cluster sizes", "Entropy of the sizes, 1 when all are alike. Near 0, one "
          "cluster has swallowed the rest.", _of_clusterings("size_entropy"), (0, 1)),
    _Kind("Effective rank of the features", "Directions that the features use. Towards 1, all "
          "clips look alike to the encoder.", lambda row: row.get("effective_rank", {}), (0, None)),
    _Kind("Clips in the memory bank", "Recognised: nearest to themselves, should rise. Close: of a "
          "clip's neighbours, those of its clusters; alone: clips that have none such.",
          lambda row: row.get("noted", {}), (0, 1), percent=True, of_epoch=True),
    _Kind("Waiting for data", "Share of an epoch's time in which training stood still. Above a "
          "fifth, the disk or decoding is the brake.",
          lambda row: {"waiting": row.get("data_wait")}, (0, 1), percent=True, of_epoch=True),
)  # fmt: skip


def panels(rows: Sequence[Row]) -> list[Panel]:
    """The plots that these rows of metrics.jsonl have numbers for."""
    best = best_epoch(rows)
    drawn = []
    for kind in KINDS:
        series = _series(kind, rows)
        if series:
            svg = _draw(kind, series, best, trained(rows))
            drawn.append(Panel(kind.title, kind.hint, series, svg))
    return drawn


def trained(rows: Sequence[Row]) -> int:
    """Epochs of training. The last row may be of the clusters that only judge the last weights."""
    return max((int(row["epoch"]) + ("loss" in row) for row in rows), default=0)


def best_epoch(rows: Sequence[Row]) -> int | None:
    """The epochs of training after which the best checkpoint was saved.

    A row is ``best`` when the last clustering before it was the best so far, and rows repeat what
    a clustering was like until the next: the first row of the last best clustering counts.
    """
    found, before = None, None
    for row in rows:
        now = (row.get("clusterings"), row.get("agreement")) if row.get("best") else None
        if now is not None and now != before:
            found = int(row["epoch"])
        before = now
    return found


def _series(kind: _Kind, rows: Sequence[Row]) -> list[Series]:
    found: dict[str, Points] = {}
    for row in rows:
        for name, value in kind.read(row).items():
            if isinstance(value, int | float) and math.isfinite(value):
                found.setdefault(name, []).append((int(row["epoch"]) + kind.of_epoch, float(value)))
    free = (i for i in range(10**6) if i >= len(FIXED))
    series = []
    for name, points in found.items():
        colour = FIXED[name] if name in FIXED else next(free)
        last = _number(points[-1][1], kind.percent)
        series.append(Series(_readable(name), colour % COLOURS, points, last))
    return series


def _readable(name: str) -> str:
    return name.replace("_teaches_", " → ").replace("~", " and ").replace("_", " ")


def _number(value: float, percent: bool) -> str:
    if percent:
        return f"{value:.0%}"
    return f"{value:.2f}" if abs(value) < 10 else f"{value:.0f}"


def _draw(kind: _Kind, series: Sequence[Series], best: int | None, last: int) -> Markup:
    values = [value for one in series for _, value in one.points]
    low = min(values) if kind.bounds[0] is None else kind.bounds[0]
    high = max(values) * 1.05 if kind.bounds[1] is None else kind.bounds[1]
    high = high if high > low else low + 1

    def x(epoch: float) -> float:
        share = epoch / last if last else 0.5
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    def y(value: float) -> float:
        return HEIGHT - BOTTOM - (value - low) / (high - low) * (HEIGHT - TOP - BOTTOM)

    parts = [*_grid(kind, low, high, y), *_epochs(last, x)]
    if best is not None:
        parts.append(
            f'<path class="best" d="M{x(best):.1f} {TOP - 4}V{HEIGHT - BOTTOM}"/>'
            f'<text class="best-label" x="{min(x(best) + 3, WIDTH - 26):.1f}" y="{TOP}">best</text>'
        )
    for one in series:
        parts += _line(one, x, y, kind.percent, marked=last < MOST_MARKED)
    label = escape(f"{kind.title}: " + "; ".join(_spoken(one, kind.percent) for one in series))
    head = f'<svg class="plot" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{label}">'
    return Markup(head + "".join(parts) + "</svg>")


def _spoken(one: Series, percent: bool) -> str:
    start, end = one.points[0], one.points[-1]
    return (
        f"{one.name} from {_number(start[1], percent)} at epoch {start[0]} "
        f"to {_number(end[1], percent)} at epoch {end[0]}"
    )


def _grid(kind: _Kind, low: float, high: float, y: Callable[[float], float]) -> Iterable[str]:
    for value in (low, (low + high) / 2, high):
        yield f'<path class="grid" d="M{LEFT} {y(value):.1f}H{WIDTH - RIGHT}"/>'
        text = _number(value, kind.percent)
        yield f'<text class="tick" x="{LEFT - 5}" y="{y(value) + 3:.1f}">{text}</text>'


def _epochs(last: int, x: Callable[[float], float]) -> Iterable[str]:
    for epoch, anchor in {0: "start", last: "end"}.items():
        place = f'x="{x(epoch):.1f}" y="{HEIGHT - 5}" text-anchor="{anchor}"'
        yield f'<text class="epoch" {place}>epoch {epoch}</text>'


def _line(
    one: Series,
    x: Callable[[float], float],
    y: Callable[[float], float],
    percent: bool,
    marked: bool,
) -> Iterable[str]:
    path = "L".join(f"{x(epoch):.1f} {y(value):.1f}" for epoch, value in one.points)
    yield f'<path class="line c{one.colour}" d="M{path}"/>'
    epoch, value = one.points[-1]
    yield f'<circle class="dot c{one.colour}" cx="{x(epoch):.1f}" cy="{y(value):.1f}" r="2.5"/>'
    for epoch, value in one.points if marked else ():
        title = escape(f"{one.name}, epoch {epoch}: {_number(value, percent)}")
        place = f'cx="{x(epoch):.1f}" cy="{y(value):.1f}" r="6"'
        yield f'<circle class="hover" {place}><title>{title}</title></circle>'
