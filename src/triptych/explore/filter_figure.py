"""The picture of the first layers' filters: a column a checkpoint, a block a layer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from triptych.atomic import whole_file
from triptych.errors import UsageError
from triptych.explore.filters import Filters, Floats, Layer, facing, facts, profile

SUFFIXES = (".png", ".svg", ".pdf")
WIDE = 8.0  # cells of a block side by side
INCH = 0.92  # of a cell
MOST = 64  # filters that are drawn of a layer
MOST_STRIPS = 24  # of those that need several frames each
CAPTION = 0.42  # height below a cell, for its numbers
TOP, BOTTOM, MARGIN = 0.5, 0.6, 0.28  # inches
HEAD = 0.95  # height above a block, for its title
GREY, INK, SOFT, LINE = "#c4c1ba", "#23221f", "#5f5c55", "#b0413e"
TITLES = {
    "space": "what it sees: filters over space",
    "time": "what it sees: filters over time, a line for each input",
    "space-time": "what it sees: filters over space and time, frame by frame",
    "mel-time": "what it hears: filters over mel bands (upwards) and time (to the right)",
}
NOTE = (
    "#: the channel. %: its share of the layer's squared weights; the strongest on the left come "
    "first, the others face the same channels.\n"
    "Each filter is scaled by its own largest weight, so a faint one looks as strong: read the %. "
    "Grey, white or the thin line is zero.\n"
    "sep: the share of it that is a profile in time (of sound: over the bands) times a pattern; "
    "red is that profile."
)


def draw(panels: Sequence[Filters], path: Path) -> None:
    """Write the picture of ``panels`` side by side, whole or not at all.

    Raises UsageError where ``path`` is not called .png, .svg or .pdf.
    """
    check(path)
    figure = compose(panels)
    with whole_file(path) as beside:
        figure.savefig(beside, format=path.suffix[1:].lower(), dpi=150, facecolor="white")


def check(path: Path) -> None:
    """Refuse a picture of a kind that cannot be written."""
    if path.suffix.lower() not in SUFFIXES:
        raise UsageError(f"{path}: a picture is written as {', '.join(SUFFIXES)}; name it so")


def compose(panels: Sequence[Filters]) -> Any:
    """The picture as a matplotlib figure."""
    tallest = max(sum(map(_height, panel.layers)) for panel in panels)
    column = INCH * (WIDE + 0.6)
    width, height = column * len(panels), INCH * tallest + TOP + BOTTOM
    figure = Figure(figsize=(width, height))
    for place, panel in enumerate(panels):
        left, below = place * column + MARGIN, height - TOP
        at = (left / width, 1 - 0.32 / height)
        figure.text(*at, _cut(panel.title, 54), fontsize=13, weight="bold", color=INK)
        for layer in panel.layers:
            tall = _height(layer)
            below -= tall * INCH
            box = (left / width, below / height, WIDE * INCH / width, tall * INCH / height)
            axes = figure.add_axes(box, xlim=(0, WIDE), ylim=(tall, 0))
            axes.axis("off")
            _heading(axes, layer, facts(layer, panels[0] if place else None))
            _block(axes, layer, facing(layer, panels[0]))
    figure.text(MARGIN / width, 0.15 / height, NOTE, fontsize=7.5, color=SOFT)
    return figure


def _cell(layer: Layer) -> tuple[float, float, int]:
    """Width and height of a filter's cell, and how many are drawn."""
    if layer.kind == "space-time":
        wide = WIDE / 2
        return wide, min((wide - 0.3) / (layer.weights.shape[2] + 1), 1.0) + CAPTION, MOST_STRIPS
    return 1.0, (0.75 if layer.kind == "time" else 0.9) + CAPTION, MOST


def _height(layer: Layer) -> float:
    wide, tall, most = _cell(layer)
    across = int(WIDE / wide)
    return float(HEAD + tall * -(-min(len(layer.weights), most) // across))


def _heading(axes: Any, layer: Layer, about: dict[str, Any]) -> None:
    count, most = about["filters"], _cell(layer)[2]
    some = f"the strongest {most} of {count}" if count > most else f"all {count}"
    parts = []
    if "separable" in about:
        parts.append(f"sep {about['separable']:.2f} on average, of noise {about['by_chance']:.2f}")
    if about.get("like_first") is not None:
        parts.append(f"cosine of all to those on the left {about['like_first']:.3f}")
    axes.text(0, 0.32, TITLES[layer.kind], fontsize=10.5, color=INK, weight="bold")
    what = f"{layer.name}: {some} filters of {about['kernel']}"
    axes.text(0, 0.54, _cut(what, 100), fontsize=8, color=SOFT)
    axes.text(0, 0.73, "; ".join(parts), fontsize=8, color=SOFT)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _block(axes: Any, layer: Layer, order: Sequence[int]) -> None:
    wide, tall, most = _cell(layer)
    across = int(WIDE / wide)
    separable, energy = layer.separable(), layer.energy
    for place, at in enumerate(order[:most]):
        left, top = (place % across) * wide, HEAD + (place // across) * tall
        inner = tall - CAPTION
        if layer.kind == "space-time":
            _strip(axes, layer, at, left, top, inner)
        elif layer.kind == "time":
            _curves(axes, layer, at, (left, top, 0.88, inner))
        else:
            shown = _rgb(layer.weights[at]) if layer.kind == "space" else layer.weights[at].mean(0)
            _tile(axes, shown, (left, top, 0.88, inner))
        numbers = f"#{at}  {100 * energy[at]:.1f}%"
        axes.text(left, top + inner + 0.15, numbers, fontsize=7.5, color=INK)
        if separable is not None:
            below = top + inner + 0.3
            axes.text(left, below, f"sep {separable[at]:.2f}", fontsize=7.5, color=SOFT)


def _rgb(weights: Floats) -> Floats:
    """(3, height, width) as a picture (height, width, 3); grey is zero."""
    largest = np.abs(weights).max() or 1.0
    return np.asarray(np.moveaxis(weights, 0, -1) / (2 * largest) + 0.5)


def _tile(axes: Any, picture: Floats, box: tuple[float, float, float, float]) -> None:
    left, top, wide, tall = box
    options: dict[str, Any] = {}
    if picture.ndim == 2:  # low bands at the bottom
        largest = np.abs(picture).max() or 1.0
        options = {"cmap": "RdBu_r", "vmin": -largest, "vmax": largest}
        picture = picture[::-1]
    extent = (left, left + wide, top + tall, top)
    axes.imshow(picture, extent=extent, interpolation="nearest", aspect="auto", **options)


def _strip(axes: Any, layer: Layer, at: int, left: float, top: float, side: float) -> None:
    """The frames of one filter, scaled alike, and its profile in time behind them."""
    frames = _rgb(layer.weights[at].reshape(layer.weights.shape[1], -1, layer.weights.shape[-1]))
    tall = layer.weights.shape[-2]
    for frame in range(layer.weights.shape[2]):
        part = frames[frame * tall : (frame + 1) * tall]
        _tile(axes, part, (left + frame * side, top, 0.94 * side, side))
    _curves(axes, layer, at, (left + layer.weights.shape[2] * side + 0.05, top, side * 0.9, side))


def _curves(axes: Any, layer: Layer, at: int, box: tuple[float, float, float, float]) -> None:
    """Weights over time: each input's thin where there are inputs to tell, the profile thick."""
    left, top, wide, tall = box
    matrix = layer.matrix(at)
    assert matrix is not None
    x = left + wide * (np.arange(len(matrix)) + 0.5) / len(matrix)

    def height(values: Floats) -> Floats:
        return top + tall / 2 - 0.45 * tall * values

    axes.plot([left, left + wide], [top + tall / 2] * 2, color=GREY, linewidth=0.6)
    if layer.kind == "time":
        largest = np.abs(matrix).max() or 1.0
        faint = min(0.7, 10 / matrix.shape[1])  # of 64 lines none is seen by itself
        axes.plot(x, height(matrix / largest), color="#8a8f98", linewidth=0.6, alpha=faint)
    found = profile(matrix)
    found = found / (np.abs(found).max() or 1.0)
    axes.plot(x, height(found), color=LINE, linewidth=1.8, marker="o", markersize=2.5)
