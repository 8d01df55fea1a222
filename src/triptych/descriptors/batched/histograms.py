"""HOG, HOF, MBHx and MBHy of many frames at once: the rules of ``histograms``, batched.

Wang and Schmid, ICCV 2013, section 4. Each of the 33 bins has a plane of votes; their sums over
16x16 pixels are made for each place where a cell can begin.
"""

from __future__ import annotations

import torch
from torch import Tensor

from triptych.descriptors.batched.fused import fused
from triptych.descriptors.histograms import ARCTAN, BINS, CELL, DIRECTIONS, FLOOR, ROWS, STILL
from triptych.descriptors.pyramid import Pyramid

SOURCES = len(BINS)
FIRST = tuple(sum(BINS[:source]) for source in range(SOURCES))  # the first bin of each
SPANS = (1, 2, 4, 8)  # that make sums over CELL
FLOW = 1  # whose ninth bin is for what stands still


class Cells:
    """Sums over cells of every level, one after another in one row of numbers.

    Level ``l`` has ``sizes[l]`` = (rows, columns) places where a cell can begin; in order of frame,
    row, bin and column its numbers begin at ``starts(frames)[l]``.
    """

    def __init__(self, pyramid: Pyramid, device: torch.device) -> None:
        self.sizes = tuple((h - CELL + 1, w - CELL + 1) for h, w in pyramid.sizes)
        self._device = device

    def starts(self, frames: int) -> list[int]:
        """Where each level begins, and the end of the last."""
        out = [0]
        for height, width in self.sizes:
            out.append(out[-1] + frames * height * ROWS * width)
        return out

    def sums(self, greys: list[Tensor], flows: list[Tensor]) -> Tensor:
        """Of frames' greys (n, h, w), uint8, and flows (2, n, h, w) at each level."""
        frames = len(greys[0])
        starts = self.starts(frames)
        out = torch.empty(starts[-1], device=self._device)
        for level, (grey, flow) in enumerate(zip(greys, flows, strict=True)):
            height, width = self.sizes[level]
            target = out[starts[level] : starts[level + 1]].view(frames, height, ROWS, width)
            _down(_across(_planes(*votes(flow, grey))), target)
        return out


@fused
def votes(flow: Tensor, grey: Tensor) -> tuple[Tensor, Tensor]:
    """The two bins that each pixel of each source votes for, and what they get.

    Both are (n, h, 8, w): the lower bins of HOG, HOF, MBHx and MBHy, then the upper ones; bins are
    counted through all sources. In HOF a pixel whose vector is no longer than 0.4 gives one vote to
    the ninth bin.
    """
    x, y = flow.unbind(0)
    grey_x, grey_y = _slopes(grey.float())
    slopes_x, slopes_y = _slopes(flow)
    along = torch.stack([grey_x, x, slopes_x[0], slopes_x[1]], 2)
    down = torch.stack([grey_y, y, slopes_y[0], slopes_y[1]], 2)
    size = (along * along + down * down).sqrt()
    lower, upper = _directions(along, down)
    more = upper * size
    source = torch.arange(SOURCES, device=flow.device)[:, None]
    first = source * DIRECTIONS + (source > FLOW).long()  # HOF has one bin more than the others
    rests = (source == FLOW) & (size <= float(STILL))
    low = torch.where(rests, DIRECTIONS, lower)
    high = torch.where(rests, 0, (lower + 1) % DIRECTIONS)
    less = torch.where(rests, 1.0, size - more)
    return (
        torch.cat([first + low, first + high], 2),
        torch.cat([less, torch.where(rests, 0.0, more)], 2),
    )


def _slopes(pictures: Tensor) -> tuple[Tensor, Tensor]:
    """Differences of the two neighbours along x and along y, (..., h, w); 0 at the borders."""
    pad = torch.nn.functional.pad
    along = pad(pictures[..., 2:] - pictures[..., :-2], (1, 1))
    return along, pad(pictures[..., 2:, :] - pictures[..., :-2, :], (0, 0, 1, 1))


def _directions(along: Tensor, down: Tensor) -> tuple[Tensor, Tensor]:
    """The direction below each vector's, 0 to 7, and how far it lies towards the next."""
    x, y = along.abs(), down.abs()
    ratio = torch.minimum(x, y) / torch.maximum(x, y).clamp(min=1e-30)
    square = ratio * ratio
    a, b, c, d = (float(part) for part in ARCTAN)
    turn = ratio * (a + square * (b + square * (c + square * d)))
    turn = torch.where(y > x, 2 - turn, turn)
    turn = torch.where(along < 0, 4 - turn, turn)
    turn = torch.where(down < 0, 8 - turn, turn)
    turn = torch.where(turn >= 8, turn - 8, turn)
    lower = turn.floor()
    return lower.long(), turn - lower


def _planes(bins: Tensor, shares: Tensor) -> Tensor:
    """A plane for each bin, (n, h, 33, w)."""
    size = (*bins.shape[:2], ROWS, bins.shape[3])
    return torch.zeros(size, device=bins.device).scatter_(2, bins, shares)


@fused
def _across(planes: Tensor) -> Tensor:
    """Sums over 16 columns from each on, (n, h, 33, w - 15): of 2, of 4, of 8, of 16."""
    for span in SPANS:
        planes = planes[..., :-span] + planes[..., span:]
    return planes


@fused
def _down(planes: Tensor, out: Tensor) -> None:
    """Sums over 16 rows from each on, to ``out`` (n, h - 15, 33, w)."""
    for span in SPANS[:-1]:
        planes = planes[:, :-span] + planes[:, span:]
    out.copy_(planes[:, : -SPANS[-1]] + planes[:, SPANS[-1] :])


@fused
def gathered(sums: Tensor, at: Tensor, columns: Tensor) -> Tensor:
    """The 132 numbers of patches, (n, 132): of each histogram, cells x by x and y by y, then bins.

    ``at`` (n,) is where in ``sums`` the first bin of a patch's upper left cell lies, in a level of
    so many ``columns`` (n,). Each histogram is lifted by 0.05, scaled to sum 1 over the four cells,
    and its roots taken.
    """
    device = sums.device
    cells = torch.arange(4, device=device)
    across, down = cells // 2 * CELL, cells % 2 * (CELL * ROWS)
    bins = torch.arange(ROWS, device=device)
    steps = (down[:, None] + bins) * columns[:, None, None] + across[:, None]
    lifted = sums[at[:, None, None] + steps] + float(FLOOR)
    parts = []
    for first, count in zip(FIRST, BINS, strict=True):
        part = lifted[:, :, first : first + count].flatten(1)
        parts.append((part / part.sum(1, keepdim=True)).sqrt())
    return torch.cat(parts, 1)
