"""The spatial scales of dense trajectories, and optical flow on each.

Wang and Schmid, Action Recognition with Improved Trajectories, ICCV 2013: eight scales at most, a
factor of sqrt(2) apart, none with a side below the 32 pixels of a patch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
import numpy.typing as npt

from triptych.descriptors.displacement import refine, weave
from triptych.descriptors.polynomial import expand
from triptych.errors import UserError

Grey = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]

PATCH = 32
LEVELS = 8
STRIDE = np.float32(np.sqrt(2))
ITERATIONS = 2
MOST_PIXELS = 2**24  # places are counted in float32


class SizeError(UserError):
    """Pictures of a size that cannot be described."""


@dataclass(frozen=True)
class Pyramid:
    """The levels of pictures of one size; ``scales`` say how many pixels one of a level spans."""

    height: int
    width: int

    def __post_init__(self) -> None:
        if min(self.height, self.width) < PATCH:
            raise SizeError(
                f"pictures are {self.width}x{self.height}; dense trajectories describe patches of "
                f"{PATCH}x{PATCH} pixels and need pictures no smaller"
            )
        if self.height * self.width > MOST_PIXELS:
            raise SizeError(
                f"pictures are {self.width}x{self.height}; dense trajectories take pictures of up "
                f"to {MOST_PIXELS} pixels: scale the video down"
            )

    @cached_property
    def scales(self) -> tuple[np.float32, ...]:
        """1, sqrt(2), 2 and so on."""
        scales, side = [np.float32(1)], np.float32(min(self.height, self.width)) / STRIDE
        while side >= PATCH and len(scales) < LEVELS:
            scales.append(scales[-1] * STRIDE)
            side /= STRIDE
        return tuple(scales)

    @cached_property
    def sizes(self) -> tuple[tuple[int, int], ...]:
        """Height and width of each level."""
        return tuple(
            (round(float(self.height / scale)), round(float(self.width / scale)))
            for scale in self.scales
        )

    @cached_property
    def blurs(self) -> tuple[tuple[int, float], ...]:
        """Taps and sigma of the Gaussian that goes before each level's models; 0: OpenCV's own."""
        sigmas = [(float(scale) - 1) / 2 for scale in self.scales]
        return tuple((max(round(sigma * 5) | 1, 3), sigma) for sigma in sigmas)

    def greys(self, picture: Grey) -> list[Grey]:
        """The picture at every level, each made from the one below it, in 8 bits."""
        levels = [picture]
        for height, width in self.sizes[1:]:
            small = cv2.resize(levels[-1], (width, height), interpolation=cv2.INTER_LINEAR)
            levels.append(np.asarray(small, np.uint8))
        return levels

    def models(self, picture: Grey, first: int = 0) -> list[Floats]:
        """The quadratic models of the picture at every level from ``first`` on, (5, h, w) each."""
        full = picture.astype(np.float32)
        models = []
        levels = zip(self.blurs[first:], self.sizes[first:], strict=True)
        for (reach, sigma), (height, width) in levels:
            blurred = cv2.GaussianBlur(full, (reach, reach), sigma)
            level = cv2.resize(blurred, (width, height), interpolation=cv2.INTER_LINEAR)
            models.append(np.empty((5, height, width), np.float32))
            expand(np.asarray(level, np.float32), models[-1])
        return models

    def completed(self, found: list[Floats]) -> list[Floats]:
        """Flows of every level from those of the coarser ones: finer ones are looked up in them."""
        whole = found[:1]
        for size in self.sizes[: len(self.sizes) - len(found)][::-1]:
            whole.insert(0, _magnified(whole[0], size))
        return whole + found[1:]


def _magnified(flow: Floats, size: tuple[int, int]) -> Floats:
    """The flow of the next finer level, of ``size``, by bilinear lookup."""
    height, width = size
    out = np.empty((2, height, width), np.float32)
    for axis in range(2):
        wider = cv2.resize(flow[axis], (width, height), interpolation=cv2.INTER_LINEAR)
        np.multiply(wider, STRIDE, out=out[axis])
    return out


def flows(here: Sequence[Floats], there: Sequence[Floats]) -> list[Floats]:
    """Displacements of every pixel at every level (2: x, y; h, w), in pixels of the level.

    From the coarsest level down; each level's flow goes through a 5x5 median before it starts the
    next, which is what sets these flows apart from OpenCV's.
    """
    found: list[Floats] = []
    for first, second in zip(reversed(here), reversed(there), strict=True):
        _, height, width = first.shape
        flow = np.zeros((2, height, width), np.float32)
        if found:
            flow = _magnified(found[-1], (height, width))
        refined, woven = np.empty_like(flow), weave(second)
        for _ in range(ITERATIONS):
            refine(first, woven, flow, refined)
            flow, refined = refined, flow
        for axis in range(2):
            cv2.medianBlur(flow[axis], 5, dst=refined[axis])
        found.append(refined)
    return found[::-1]
