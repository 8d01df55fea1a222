"""Optical flow of many pairs of frames at once: the rules of ``displacement``, batched.

Farneback, SCIA 2003, sections 4 and 5; Wang and Schmid, ICCV 2013, for the window, the border and
the median.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from triptych.descriptors.batched.fused import fused
from triptych.descriptors.batched.linear import resizing
from triptych.descriptors.displacement import BORDER, HALF, REGULAR, TAPS
from triptych.descriptors.pyramid import ITERATIONS, STRIDE, Pyramid


@dataclass(frozen=True)
class _Level:
    """What the flow of one level's size is made with."""

    trust_y: Tensor  # (h, 1)
    trust_x: Tensor  # (w,)
    wider_y: Tensor | None  # from the next coarser level, (h, its h); displacements grow too
    wider_x: Tensor | None


class Flow:
    """``pyramid.flows`` of many pairs of frames of one size."""

    def __init__(self, pyramid: Pyramid, device: torch.device) -> None:
        def matrix(values: object) -> Tensor:
            return torch.as_tensor(values, dtype=torch.float32, device=device)

        self._levels = []
        for level, (height, width) in enumerate(pyramid.sizes):
            coarser = pyramid.sizes[level + 1 : level + 2]
            wider_y = [matrix(float(STRIDE) * resizing(h, height)) for h, _ in coarser]
            wider_x = [matrix(resizing(w, width)) for _, w in coarser]
            self._levels.append(
                _Level(
                    matrix(_trust(height)[:, None]),
                    matrix(_trust(width)),
                    wider_y[0] if wider_y else None,
                    wider_x[0] if wider_x else None,
                )
            )

    def flows(self, here: Sequence[Tensor], there: Sequence[Tensor]) -> list[Tensor]:
        """Displacements at every level, (2: x, y; n, h, w), from both frames' models."""
        found: list[Tensor] = []
        for level, first, second in zip(
            reversed(self._levels), reversed(here), reversed(there), strict=True
        ):
            if found and level.wider_y is not None and level.wider_x is not None:
                flow = _both(level.wider_y, found[-1], level.wider_x)
            else:
                flow = torch.zeros_like(first[:2])
            for _ in range(ITERATIONS):
                flow = _refine(level, first, second, flow)
            found.append(median(flow))
        return found[::-1]


def _trust(size: int) -> Tensor:
    """How much each place along an axis counts, as in ``displacement``."""
    border, out = torch.tensor([float(part) for part in BORDER]), torch.ones(size)
    out[: len(border)] *= border
    out[-len(border) :] *= border.flip(0)
    return out


def _both(left: Tensor, pictures: Tensor, right: Tensor) -> Tensor:
    """Each picture of (k, n, h, w) between two matrices: its rows by ``right``, then columns."""
    along = torch.matmul(pictures.flatten(0, 1), right.T)
    whole = torch.bmm(left.expand(len(along), -1, -1), along)
    return whole.view(*pictures.shape[:2], *whole.shape[1:])


def _refine(level: _Level, here: Tensor, there: Tensor, flow: Tensor) -> Tensor:
    return _solved(_smoothed(_equations(flow, here, there, level.trust_y, level.trust_x)))


@fused
def _equations(
    flow: Tensor, here: Tensor, there: Tensor, trust_y: Tensor, trust_x: Tensor
) -> Tensor:
    """The normal equations of each pixel, unsmoothed (5, n, h, w)."""
    _, count, height, width = here.shape
    rows = torch.arange(height, device=flow.device)[:, None]
    columns = torch.arange(width, device=flow.device)
    to_x, to_y = flow[0] + columns, flow[1] + rows
    left, top = to_x.floor(), to_y.floor()
    right, down = to_x - left, to_y - top
    near_x, near_y = left.clamp(0, width - 2), top.clamp(0, height - 2)
    inside = ((left == near_x) & (top == near_y)).to(flow.dtype)
    pictures = torch.arange(count, device=flow.device)[:, None, None]
    corner = (pictures * height + near_y.long()) * width + near_x.long()
    models = there.flatten(1)
    upper, lower = inside * (1 - down), inside * down
    carried = upper * (1 - right) * models[:, corner]
    carried = carried + upper * right * models[:, corner + 1]
    carried = carried + lower * (1 - right) * models[:, corner + width]
    carried = carried + lower * right * models[:, corner + width + 1]
    share = 1 - 0.5 * inside
    weight = trust_y * trust_x
    dy = (here[0] - carried[0]) * 0.5 * weight
    dx = (here[1] - carried[1]) * 0.5 * weight
    yy = (here[2] * share + carried[2] * 0.5) * weight
    xx = (here[3] * share + carried[3] * 0.5) * weight
    xy = (here[4] * share + carried[4] * 0.5) * 0.5 * weight
    dy = dy + yy * flow[1] + xy * flow[0]
    dx = dx + xy * flow[1] + xx * flow[0]
    mixed = xy * xy
    return torch.stack(
        [yy * yy + mixed, (yy + xx) * xy, xx * xx + mixed, yy * dy + xy * dx, xy * dy + xx * dx]
    )


@fused
def _smoothed(equations: Tensor) -> Tensor:
    """The equations (5, n, h, w) smoothed down the columns; they go on as their border rows."""
    height = equations.shape[2]
    wide = torch.nn.functional.pad(equations, (0, 0, HALF, HALF), "replicate")
    out = wide[:, :, HALF : HALF + height] * float(TAPS[0])
    for step in range(1, HALF + 1):
        above, below = (wide[:, :, HALF + s : HALF + s + height] for s in (-step, step))
        out = out + (above + below) * float(TAPS[step])
    return out


@fused
def _solved(smoothed: Tensor) -> Tensor:
    """Displacements (2, n, h, w) from the equations, smoothed here along the rows too."""
    width = smoothed.shape[3]
    wide = torch.nn.functional.pad(smoothed, (HALF, HALF, 0, 0), "replicate")
    out = wide[..., HALF : HALF + width] * float(TAPS[0])
    for step in range(1, HALF + 1):
        left, right = (wide[..., HALF + s : HALF + s + width] for s in (-step, step))
        out = out + (left + right) * float(TAPS[step])
    yy, xy, xx, dy, dx = out.unbind(0)
    scale = 1 / (yy * xx - xy * xy + float(REGULAR))
    return torch.stack([(yy * dx - xy * dy) * scale, (xx * dy - xy * dx) * scale])


@fused
def median(pictures: Tensor) -> Tensor:
    """The median of 5x5 pixels around each, (..., h, w); pictures go on as their border pixels.

    The columns of five are sorted, then each rank's row of five columns. A number that has at least
    i * j of the 25 not above it, itself among them, and (6 - i) * (6 - j) not below, is the middle
    one only where neither is more than 13; of the 13 places that leaves, the middle is taken.
    """
    height, width = pictures.shape[-2:]
    rows = torch.arange(-2, height + 2, device=pictures.device).clamp(0, height - 1)
    columns = torch.arange(-2, width + 2, device=pictures.device).clamp(0, width - 1)
    wide = pictures[..., rows, :][..., columns]
    ranks = _sorted([wide[..., step : step + height, :] for step in range(5)])
    left = []
    for i, rank in enumerate(ranks, 1):
        across = _sorted([rank[..., step : step + width] for step in range(5)])
        left += [
            value for j, value in enumerate(across, 1) if i * j <= 13 and (6 - i) * (6 - j) <= 13
        ]
    return _middle(left)


def _sorted(values: list[Tensor]) -> list[Tensor]:
    """Five tensors in order, place by place."""
    out = list(values)
    for one, other in ((0, 1), (3, 4), (2, 4), (2, 3), (1, 4), (0, 3), (0, 2), (1, 3), (1, 2)):
        out[one], out[other] = _ordered(out[one], out[other])
    return out


def _middle(values: list[Tensor]) -> Tensor:
    """The middle one of an odd number of tensors, place by place.

    Of more than half of them neither the least nor the greatest is the middle one: both are
    dropped, and another is taken in.
    """
    held, rest = values[: len(values) // 2 + 2], values[len(values) // 2 + 2 :]
    while True:
        last = len(held) - 1
        for at in range(len(held) // 2):
            held[at], held[last - at] = _ordered(held[at], held[last - at])
        for at in range(1, (last + 2) // 2):
            held[0], held[at] = _ordered(held[0], held[at])
        for at in range((last + 1) // 2, last):
            held[at], held[last] = _ordered(held[at], held[last])
        held = held[1:-1]
        if not rest:
            return held[0]
        held.append(rest.pop())


def _ordered(one: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
    return torch.minimum(one, other), torch.maximum(one, other)
