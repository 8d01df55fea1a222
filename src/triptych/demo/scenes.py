"""Kitchens: a table top with a texture and clutter, and the dish that a step is done in."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from triptych.demo.kitchen import TASKS, Scene
from triptych.demo.tools import RGB, hsv

Floats = npt.NDArray[np.float64]
OVERSAMPLING = 2
CONTRAST = 0.6  # of the texture's two colours
SPREAD = 1.7  # the table top is this many frames wide and high


def table_top(scene: Scene, width: int, height: int) -> Image.Image:
    """The kitchen seen from above, SPREAD times the frame in each direction; shared by videos."""
    draw = np.random.default_rng(scene.seed)
    hue = (scene.palette + draw.uniform(-0.35, 0.35)) / len(TASKS)
    first = np.array(hsv(hue, draw.uniform(0.15, 0.45), draw.uniform(0.35, 0.75)), float)
    other = hue + draw.normal(0, 0.06)
    second = np.array(hsv(other, draw.uniform(0.1, 0.45), draw.uniform(0.3, 0.8)), float)
    wide, high = round(width * SPREAD), round(height * SPREAD)
    y, x = np.mgrid[0:high, 0:wide] / height
    texture = TEXTURES[int(draw.integers(len(TEXTURES)))](x, y, draw)
    grain = 1 + 0.03 * draw.standard_normal((high, wide))
    mixed = first + CONTRAST * (second - first) * texture[..., None]
    picture = Image.fromarray(np.clip(mixed * grain[..., None], 0, 255).astype(np.uint8))
    for _ in range(int(draw.integers(3, 7))):
        place = (draw.uniform(0, wide), draw.uniform(0, high))
        thing(picture, place, draw.uniform(0.1, 0.3) * height, draw)
    return picture


def thing(
    picture: Image.Image, place: tuple[float, float], size: float, draw: np.random.Generator
) -> None:
    """Put a plate, fruit, box or towel of ``size`` pixels down at ``place``, with its shadow."""
    box = _canvas(size * 2.4)
    pen = ImageDraw.Draw(box)
    middle, radius = box.width / 2, size * OVERSAMPLING / 2
    tall = radius * draw.uniform(0.5, 1.0)
    colour = hsv(draw.random(), draw.uniform(0.1, 0.5), draw.uniform(0.3, 0.8))
    inner = hsv(draw.random(), draw.uniform(0.1, 0.5), draw.uniform(0.3, 0.8))
    shapes = (pen.ellipse, pen.rectangle, _rounded(pen))
    shape = shapes[int(draw.integers(len(shapes)))]
    outer = [middle - radius, middle - tall, middle + radius, middle + tall]
    shape(outer, fill=(*colour, 255), outline=(*_darker(colour), 255), width=OVERSAMPLING)
    share = draw.uniform(0.3, 0.7)
    core = [middle + (edge - middle) * share for edge in outer]
    shape(core, fill=(*inner, 255))
    _put(picture, box.rotate(draw.uniform(0, 360), Image.Resampling.BILINEAR), place)


def dish(
    picture: Image.Image, place: tuple[float, float], size: float, draw: np.random.Generator
) -> None:
    """Put a dish with food, ``size`` pixels across, down at ``place``."""
    box = _canvas(size * 1.3)
    pen = ImageDraw.Draw(box)
    middle, radius = box.width / 2, size * OVERSAMPLING / 2
    tall = radius * draw.uniform(0.75, 1.0)
    outer = [middle - radius, middle - tall, middle + radius, middle + tall]
    rim = hsv(draw.random(), draw.uniform(0.0, 0.4), draw.uniform(0.3, 0.85))
    # Foods are red to green, or purple; hardly ever blue.
    food = hsv(draw.uniform(-0.15, 0.36), draw.uniform(0.2, 0.55), draw.uniform(0.35, 0.75))
    shape = pen.ellipse if draw.random() < 0.6 else _rounded(pen)
    line = max(1, round(0.02 * size * OVERSAMPLING))
    shape(outer, fill=(*rim, 255), outline=(*_darker(rim), 255), width=line)
    inner = [middle + (edge - middle) * 0.84 for edge in outer]
    shape(inner, fill=(*food, 255), outline=(*_darker(food), 255), width=line)
    for _ in range(int(draw.integers(0, 26))):
        _crumb(pen, middle, radius, tall, food, draw)
    _put(picture, box, place)


def _crumb(
    pen: ImageDraw.ImageDraw,
    middle: float,
    radius: float,
    tall: float,
    food: RGB,
    draw: np.random.Generator,
) -> None:
    angle, far = draw.uniform(0, 2 * np.pi), 0.68 * np.sqrt(draw.random())
    x, y = middle + radius * far * np.cos(angle), middle + tall * far * np.sin(angle)
    half = radius * draw.uniform(0.03, 0.08)
    tint = tuple(int(np.clip(part + draw.normal(0, 40), 0, 255)) for part in food)
    pen.ellipse([x - half, y - half, x + half, y + half], fill=(*tint, 255))


def _canvas(size: float) -> Image.Image:
    side = max(4, round(size * OVERSAMPLING))
    return Image.new("RGBA", (side, side), (0, 0, 0, 0))


def _put(picture: Image.Image, box: Image.Image, place: tuple[float, float]) -> None:
    side = max(2, box.width // OVERSAMPLING)
    small = box.resize((side, side), Image.Resampling.BOX)
    left, top = round(place[0] - side / 2), round(place[1] - side / 2)
    shade = small.getchannel("A").point(lambda alpha: alpha * 0.4)
    drop = max(1, side // 24)
    picture.paste((10, 10, 14), (left + drop, top + drop), shade)
    picture.paste(small, (left, top), small)


def _rounded(pen: ImageDraw.ImageDraw) -> Callable[..., None]:
    def shape(box: list[float], **style: object) -> None:
        corner = 0.25 * min(box[2] - box[0], box[3] - box[1])
        pen.rounded_rectangle(box, corner, **style)

    return shape


def _darker(colour: RGB) -> RGB:
    red, green, blue = (round(part * 0.6) for part in colour)
    return red, green, blue


def _turned(x: Floats, y: Floats, draw: np.random.Generator) -> tuple[Floats, Floats]:
    angle = draw.uniform(0, np.pi)
    return x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)


def _planks(x: Floats, y: Floats, draw: np.random.Generator) -> Floats:
    across, along = _turned(x, y, draw)
    width = draw.uniform(0.15, 0.35)
    board = np.floor(across / width).astype(int)
    tone = draw.random(64)[board % 64]
    veins = 0.5 + 0.5 * np.sin(40 * across + 3 * np.sin(5 * along + 9 * tone))
    gap = (across / width) % 1.0 < 0.05
    return np.asarray(np.clip(0.55 * tone + 0.35 * veins + 0.6 * gap, 0, 1))


def _tiles(x: Floats, y: Floats, draw: np.random.Generator) -> Floats:
    across, along = _turned(x, y, draw)
    size = draw.uniform(0.12, 0.3)
    edge = np.minimum((across / size) % 1.0, (along / size) % 1.0) < 0.08
    tone = draw.random((64, 64))
    cell = tone[np.floor(across / size).astype(int) % 64, np.floor(along / size).astype(int) % 64]
    return np.where(edge, 1.0, 0.5 * cell)


def _checks(x: Floats, y: Floats, draw: np.random.Generator) -> Floats:
    across, along = _turned(x, y, draw)
    size = draw.uniform(0.08, 0.22)
    return 0.5 * (((across / size) % 2 < 1).astype(float) + ((along / size) % 2 < 1))


def _stripes(x: Floats, y: Floats, draw: np.random.Generator) -> Floats:
    across, _ = _turned(x, y, draw)
    share = draw.uniform(0.3, 0.7)
    return np.asarray((across / draw.uniform(0.08, 0.25)) % 1.0 < share, float)


def _dots(x: Floats, y: Floats, draw: np.random.Generator) -> Floats:
    across, along = _turned(x, y, draw)
    size = draw.uniform(0.1, 0.24)
    far = np.hypot((across / size) % 1.0 - 0.5, (along / size) % 1.0 - 0.5)
    return np.clip((0.33 - far) * 12, 0, 1)


def _marble(x: Floats, y: Floats, draw: np.random.Generator) -> Floats:
    total = np.zeros_like(x)
    for octave in range(4):
        across, along = _turned(x, y, draw)
        bend = draw.uniform(0, 6, 2)
        total += np.sin(2.5 * 2**octave * across + 2 * np.sin(2 * along + bend[0]) + bend[1]) / (
            1 + octave
        )
    return np.clip(0.5 + 0.35 * total, 0, 1)


TEXTURES = (_planks, _tiles, _checks, _stripes, _dots, _marble)
