"""Pictures of the tools, each held by a hand whose sleeve runs out of the frame."""

from __future__ import annotations

import colorsys
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from triptych.demo.kitchen import ACTIONS, Action

RGB = tuple[int, int, int]

# Drawn in a box of 0.7 by 1.9 frame heights, this many times too large, then averaged down.
WIDTH, HEIGHT, TIP = 0.7, 1.9, 0.32
OVERSAMPLING = 3
OUTLINE: RGB = (38, 34, 36)


@dataclass(frozen=True)
class Sprite:
    """An RGBA picture of a held tool, head up, and the pixel of its tip's middle."""

    image: Image.Image
    x: float
    y: float


@dataclass(frozen=True)
class Cook:
    """The colours of one video's cook and tools."""

    sleeve: RGB
    skin: RGB
    handle: RGB
    shade: float  # how light the heads are, about 1


def cook(draw: np.random.Generator) -> Cook:
    """Somebody to hold the tools."""
    skin = hsv(draw.uniform(0.04, 0.09), draw.uniform(0.3, 0.65), draw.uniform(0.45, 0.97))
    return Cook(
        sleeve=hsv(draw.random(), draw.uniform(0.1, 0.5), draw.uniform(0.25, 0.8)),
        skin=skin,
        handle=hsv(draw.random(), draw.uniform(0.0, 0.4), draw.uniform(0.15, 0.5)),
        shade=float(draw.uniform(0.88, 1.1)),
    )


def sprite(action: Action, who: Cook, height: int, *, marked: bool) -> Sprite:
    """The tool of ``action`` in the hand of ``who``, for frames ``height`` pixels high.

    ``marked``: the handle has the action's own colour instead of the cook's.
    """
    unit = height * OVERSAMPLING
    canvas = Image.new("RGBA", (round(WIDTH * unit), round(HEIGHT * unit)), (*who.sleeve, 0))
    pen = _Pen(ImageDraw.Draw(canvas), unit, who.shade)
    handle = own_colour(action) if marked else who.handle
    _arm(pen, who)
    _HEADS[action.tool](pen, handle)
    _fingers(pen, who)
    size = (round(WIDTH * height), round(HEIGHT * height))
    small = canvas.resize(size, Image.Resampling.BOX)
    return Sprite(small, WIDTH * height / 2, TIP * height)


def own_colour(action: Action) -> RGB:
    """The handle colour that belongs to this action alone."""
    place = ACTIONS.index(action)
    return hsv(place / len(ACTIONS), 0.95, 0.95 if place % 2 else 0.6)


def hsv(hue: float, saturation: float, value: float) -> RGB:
    """Red, green, blue in 0 to 255 of a colour given by three numbers in 0 to 1."""
    red, green, blue = colorsys.hsv_to_rgb(hue % 1.0, saturation, value)
    return round(red * 255), round(green * 255), round(blue * 255)


class _Pen:
    """Draws in frame heights about the middle of the tool's tip, y downwards."""

    def __init__(self, draw: ImageDraw.ImageDraw, unit: int, shade: float) -> None:
        self.draw, self.unit, self.shade = draw, unit, shade

    def at(self, x: float, y: float) -> tuple[float, float]:
        return (WIDTH / 2 + x) * self.unit, (TIP + y) * self.unit

    def paint(self, colour: RGB) -> RGB:
        red, green, blue = (min(255, round(part * self.shade)) for part in colour)
        return red, green, blue

    def polygon(self, points: list[tuple[float, float]], colour: RGB) -> None:
        corners = [self.at(x, y) for x, y in points]
        self.draw.polygon(corners, self.paint(colour), OUTLINE, round(0.012 * self.unit))

    def oval(self, x: float, y: float, wide: float, high: float, colour: RGB | None) -> None:
        box = [*self.at(x - wide / 2, y - high / 2), *self.at(x + wide / 2, y + high / 2)]
        fill = None if colour is None else self.paint(colour)
        self.draw.ellipse(box, fill, OUTLINE, round(0.012 * self.unit))

    def bar(self, x: float, top: float, bottom: float, wide: float, colour: RGB) -> None:
        box = [*self.at(x - wide / 2, top), *self.at(x + wide / 2, bottom)]
        line = round(0.01 * self.unit)
        self.draw.rounded_rectangle(box, wide * self.unit / 3, self.paint(colour), OUTLINE, line)

    def line(self, points: list[tuple[float, float]], wide: float, colour: RGB) -> None:
        corners = [self.at(x, y) for x, y in points]
        self.draw.line(corners, self.paint(colour), round(wide * self.unit), "curve")


def _arm(pen: _Pen, who: Cook) -> None:
    pen.polygon([(-0.11, 0.78), (0.11, 0.78), (0.2, 1.6), (-0.2, 1.6)], who.sleeve)
    pen.bar(0, 0.74, 0.82, 0.26, who.sleeve)
    pen.oval(0, 0.66, 0.19, 0.26, who.skin)


def _fingers(pen: _Pen, who: Cook) -> None:
    for finger in range(3):
        pen.oval(0.015, 0.575 + 0.06 * finger, 0.16, 0.065, who.skin)


def _spoon(pen: _Pen, handle: RGB) -> None:
    wood, bowl = (238, 142, 44), (188, 92, 20)
    pen.bar(0, 0.1, 0.5, 0.05, wood)
    pen.bar(0, 0.42, 0.76, 0.07, handle)
    pen.oval(0, 0, 0.26, 0.34, wood)
    pen.oval(0, -0.01, 0.17, 0.24, bowl)


def _whisk(pen: _Pen, handle: RGB) -> None:
    steel = (250, 250, 252)
    for wide in (0.34, 0.2, 0.07):
        loop = np.linspace(0, 2 * np.pi, 40)
        points = [
            (wide / 2 * np.sin(a) * (1 - 0.35 * np.cos(a)) * 0.9, -0.26 * np.cos(a) + 0.05)
            for a in loop
        ]
        pen.line(points, 0.05, OUTLINE)
        pen.line(points, 0.028, steel)
    pen.bar(0, 0.26, 0.4, 0.07, steel)
    pen.bar(0, 0.36, 0.76, 0.09, handle)


def _knife(pen: _Pen, handle: RGB) -> None:
    steel, edge = (96, 170, 238), (190, 226, 252)
    pen.polygon([(0.06, -0.3), (0.06, 0.42), (-0.12, 0.42), (-0.12, -0.08)], steel)
    pen.polygon([(-0.12, -0.08), (-0.08, -0.1), (-0.08, 0.42), (-0.12, 0.42)], edge)
    pen.bar(0.01, 0.4, 0.78, 0.1, handle)


def _spatula(pen: _Pen, handle: RGB) -> None:
    silicone = (222, 40, 58)
    pen.bar(0, 0.12, 0.5, 0.05, (150, 154, 160))
    pen.bar(0, 0.42, 0.76, 0.08, handle)
    pen.polygon([(-0.15, -0.22), (0.15, -0.22), (0.13, 0.14), (-0.13, 0.14)], silicone)
    for slot in (-0.07, 0.0, 0.07):
        pen.bar(slot, -0.15, 0.06, 0.03, (110, 16, 28))


def _brush(pen: _Pen, handle: RGB) -> None:
    bristle, ferrule = (252, 222, 72), (150, 130, 60)
    pen.bar(0, 0.1, 0.76, 0.08, handle)
    pen.polygon([(-0.15, -0.2), (0.15, -0.2), (0.12, 0.04), (-0.12, 0.04)], bristle)
    for hair in (-0.08, -0.03, 0.03, 0.08):
        pen.line([(hair * 1.25, -0.19), (hair, 0.03)], 0.012, (170, 140, 60))
    pen.polygon([(-0.12, 0.02), (0.12, 0.02), (0.07, 0.16), (-0.07, 0.16)], ferrule)


def _fork(pen: _Pen, handle: RGB) -> None:
    steel = (40, 44, 52)
    for tine in (-0.1, -0.033, 0.033, 0.1):
        pen.bar(tine, -0.26, 0.05, 0.036, steel)
    pen.polygon([(-0.12, 0.0), (0.12, 0.0), (0.035, 0.16), (-0.035, 0.16)], steel)
    pen.bar(0, 0.14, 0.5, 0.05, steel)
    pen.bar(0, 0.42, 0.76, 0.08, handle)


_HEADS: dict[str, Callable[[_Pen, RGB], None]] = {
    "spoon": _spoon,
    "whisk": _whisk,
    "knife": _knife,
    "spatula": _spatula,
    "brush": _brush,
    "fork": _fork,
}
