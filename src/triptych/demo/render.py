"""The pictures of a video: table, dish, hand and tool, camera shake and changing light."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from triptych.demo import scenes, tools
from triptych.demo.kitchen import Plan, Step
from triptych.demo.knobs import Knobs
from triptych.demo.motions import path
from triptych.seeds import derive

Frame = npt.NDArray[np.uint8]
SHAKE = 0.025  # of the frame's height
GRAIN = 2.5  # standard deviation of the sensor's noise, of 255
GRAINS = 6  # pictures of noise, shown in turn


@dataclass(frozen=True)
class _Camera:
    """Shake and light over a video, from a few slow sines."""

    rates: npt.NDArray[np.float64]
    phases: npt.NDArray[np.float64]
    tint: npt.NDArray[np.float64]
    grain: npt.NDArray[np.int16]

    def shift(self, seconds: float) -> tuple[float, float]:
        sway = np.sin(2 * np.pi * (self.rates[:4] * seconds + self.phases[:4]))
        return float(sway[0] + sway[1]) / 2, float(sway[2] + sway[3]) / 2

    def light(self, seconds: float) -> npt.NDArray[np.float64]:
        flicker = 1 + 0.07 * np.sin(2 * np.pi * (self.rates[4] * seconds + self.phases[4]))
        return np.asarray(self.tint * flicker)


def frames(plan: Plan, knobs: Knobs) -> Iterator[Frame]:
    """The frames of the video in turn, uint8 RGB of shape (height, width, 3)."""
    draw = np.random.default_rng(derive(plan.seed, "look"))
    top = scenes.table_top(plan.scene, knobs.width, knobs.height)
    who = tools.cook(draw)
    camera = _camera(knobs, draw)
    shots = [_shot(top, step, who, knobs, draw) for step in plan.steps]
    for number in range(round(plan.seconds * knobs.frame_rate)):
        seconds = number / knobs.frame_rate
        shot = shots[_current(plan, seconds)]
        picture = shot.take(seconds, camera.shift(seconds))
        lit = np.asarray(picture) * camera.light(seconds) + camera.grain[number % GRAINS]
        yield np.clip(lit, 0, 255).astype(np.uint8)


def _current(plan: Plan, seconds: float) -> int:
    """The step under way, or before the first and between two, the one to come."""
    ends = [step.end for step in plan.steps]
    return min(int(np.searchsorted(ends, seconds, side="right")), len(ends) - 1)


def _camera(knobs: Knobs, draw: np.random.Generator) -> _Camera:
    warmth = draw.uniform(-0.1, 0.1)
    tint = draw.uniform(0.8, 1.12) * np.array([1 + warmth, 1.0, 1 - warmth])
    noise = draw.normal(0, GRAIN, (GRAINS, knobs.height, knobs.width, 1))
    return _Camera(draw.uniform(0.1, 0.7, 5), draw.random(5), tint, noise.astype(np.int16))


@dataclass(frozen=True)
class _Shot:
    """One step's view: the table with its dish, and the tool over it."""

    stage: Image.Image
    corner: tuple[float, float]  # of the view on the stage, pixels
    sprite: tools.Sprite
    step: Step
    tip: tuple[float, float]  # where the tool rests in the view, pixels
    lean: float  # of the arm from upright, radians
    zoom: float
    size: tuple[int, int]

    def take(self, seconds: float, shift: tuple[float, float]) -> Image.Image:
        width, height = self.size
        left = round(self.corner[0] + SHAKE * height * shift[0])
        top = round(self.corner[1] + SHAKE * height * shift[1])
        picture = self.stage.crop((left, top, left + width, top + height))
        if self.step.start <= seconds < self.step.end:
            at = path(self.step.gesture, np.array([seconds - self.step.start]))
            x = self.tip[0] + height * float(at.x[0]) + self.corner[0] - left
            y = self.tip[1] + height * float(at.y[0]) + self.corner[1] - top
            angle, size = self.lean + float(at.angle[0]), self.zoom * float(at.size[0])
            _hold(picture, self.sprite, x, y, angle, size)
        return picture


def _shot(
    top: Image.Image, step: Step, who: tools.Cook, knobs: Knobs, draw: np.random.Generator
) -> _Shot:
    width, height = knobs.width, knobs.height
    margin = 2 * SHAKE * height
    corner = (
        float(draw.uniform(margin, top.width - width - margin)),
        float(draw.uniform(margin, top.height - height - margin)),
    )
    centre = (width * draw.uniform(0.42, 0.58), height * draw.uniform(0.42, 0.54))
    stage = top.copy()
    place = (corner[0] + centre[0], corner[1] + centre[1])
    scenes.dish(stage, place, height * draw.uniform(0.6, 0.9), draw)
    tip = (
        float(centre[0] + height * draw.uniform(-0.05, 0.05)),
        float(centre[1] + height * draw.uniform(-0.08, 0.02)),
    )
    sprite = tools.sprite(step.action, who, height, marked=step.marked)
    lean, zoom = float(draw.uniform(-0.4, 0.4)), float(draw.uniform(0.95, 1.15))
    return _Shot(stage, corner, sprite, step, tip, lean, zoom, (width, height))


def _hold(
    picture: Image.Image, sprite: tools.Sprite, x: float, y: float, angle: float, size: float
) -> None:
    """Draw the held tool with its tip at (x, y) pixels, leaning clockwise by ``angle``."""
    cosine, sine = np.cos(angle) / size, np.sin(angle) / size
    inverse = (
        cosine, sine, sprite.x - cosine * x - sine * y,
        -sine, cosine, sprite.y + sine * x - cosine * y,
    )  # fmt: skip
    layer = sprite.image.transform(
        picture.size, Image.Transform.AFFINE, inverse, Image.Resampling.BILINEAR
    )
    alpha = layer.getchannel("A")
    drop = max(1, round(0.03 * picture.height))
    picture.paste((0, 0, 0), (drop, drop), alpha.point(lambda value: value * 0.35))
    picture.paste(layer, (0, 0), alpha)
