"""Tracked points of many videos and all levels in one table: the rules of ``tracks``, batched.

Wang and Schmid, ICCV 2013, section 3; Wang et al., IJCV 2013, section 3.1.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from triptych.descriptors.batched.fused import fused
from triptych.descriptors.batched.histograms import FIRST, Cells, gathered
from triptych.descriptors.histograms import BINS, ROWS, WIDTH
from triptych.descriptors.pyramid import PATCH, Pyramid
from triptych.descriptors.tracks import (
    LEAST_SPREAD,
    LEAST_STEP,
    LENGTH,
    LONGEST_SHARE,
    LONGEST_STEP,
    MOST_SPREAD,
    PLACE,
    QUALITY,
    SPACING,
    THIRDS,
)


class Points:
    """The live points of so many ``lanes``, a video in each, oldest first.

    A point keeps its row in the tables from its birth to its end; ``live`` lists the rows. How many
    are born and end in a step is asked of the device once each, for all lanes and levels.
    """

    def __init__(self, pyramid: Pyramid, lanes: int, device: torch.device) -> None:
        self._cells = Cells(pyramid, device)
        self._device = device

        def table(values: Sequence[object]) -> Tensor:
            return torch.tensor(values, device=device)

        self._sizes = table(pyramid.sizes)  # (levels, 2: h, w)
        self._scales = table([float(scale) for scale in pyramid.scales])
        self._places = table(self._cells.sizes)
        self._grids = tuple((h // SPACING, w // SPACING) for h, w in pyramid.sizes)
        births = [self._births(level, lanes) for level in range(len(self._grids))]
        self._born_lane, self._born_level, self._born_at = (
            torch.cat(parts) for parts in zip(*births, strict=True)
        )
        self._grid = table(self._grids)
        self._firsts = _after(lanes * self._grid.prod(1))
        self.live = self._none()
        self._free = self._none()
        self._lane, self._level, self._age = self._none(), self._none(), self._none()
        self._path = torch.empty((0, LENGTH + 1, 2), device=device)
        self._steps = torch.empty((0, LENGTH, 2), device=device)
        self._sums = torch.empty((0, THIRDS, WIDTH), device=device)

    def _none(self) -> Tensor:
        return torch.empty(0, dtype=torch.int64, device=self._device)

    def _births(self, level: int, lanes: int) -> tuple[Tensor, Tensor, Tensor]:
        """Lane, level and place of the point in each cell of a level, by lane, row and column."""
        rows, columns = self._grids[level]
        every = torch.arange(lanes * rows * columns, device=self._device)
        x, y = every % columns, every // columns % rows
        at = torch.stack([x, y], 1) * SPACING + SPACING // 2
        return every // (rows * columns), torch.full_like(every, level), at.float()

    def sample(self, textured: Sequence[Tensor]) -> None:
        """Begin a point in every free cell where ``textured`` is true, (lanes, rows, columns) each.

        Those are of each level, as ``textured`` of this module makes them.
        """
        wanted = torch.cat([level.flatten() for level in textured] + [self._no_cell()])
        age, level = self._age[self.live], self._level[self.live]
        at = self._path[self.live, age].int().long() // SPACING
        grid = self._grid[level]
        cell = (self._lane[self.live] * grid[:, 0] + at[:, 1]) * grid[:, 1] + at[:, 0]
        within = (at[:, 1] < grid[:, 0]) & (at[:, 0] < grid[:, 1])
        wanted[torch.where(within, self._firsts[level] + cell, len(wanted) - 1)] = False
        cells = wanted.nonzero()[:, 0]
        born = self._take(len(cells))
        self._lane[born], self._level[born] = self._born_lane[cells], self._born_level[cells]
        self._path[born, 0] = self._born_at[cells]
        self._age[born] = 0
        self._sums[born] = 0
        self.live = torch.cat([self.live, born])

    def _no_cell(self) -> Tensor:
        return torch.zeros(1, dtype=torch.bool, device=self._device)

    def follow(
        self,
        greys: Sequence[Tensor],
        flow: Sequence[Tensor],
        steady: Sequence[Tensor],
        pairs: Tensor,
    ) -> None:
        """Move every point by ``flow`` and describe where it was in ``greys``.

        Of the pairs of frames of this step there are, at each level, greys of the first frame
        (n, h, w), flow (2, n, h, w) and the flow without the camera's motion, of that shape.
        ``pairs`` (lanes,) says which pair each lane has, -1 where its video has ended. Points that
        leave their picture end, and those of videos that have.
        """
        frames = len(greys[0])
        slots, age = self.live, self._age[self.live]
        level, pair = self._level[slots], pairs[self._lane[slots]]
        size, here = self._sizes[level], self._path[slots, age]
        most = size.flip(1) - 1
        middle = here.round().long()
        pixel = torch.minimum(middle.clamp(min=0), most)
        plane = frames * size[:, 0] * size[:, 1]
        starts = _after(2 * frames * self._sizes.prod(1))[level]
        at = starts + (pair.clamp(min=0) * size[:, 0] + pixel[:, 1]) * size[:, 1]
        at = torch.stack([at + pixel[:, 0], at + plane + pixel[:, 0]], 1)
        there = here + _flat(flow)[at]
        self._path[slots, age + 1] = there
        self._steps[slots, age] = _flat(steady)[at]
        stays = ((there > 0) & (there < most + 1)).all(1) & (pair >= 0)
        self._end(slots, stays)
        corner = torch.minimum((middle - PATCH // 2).clamp(min=0), size.flip(1) - PATCH)
        level, pair, corner = level[stays], pair[stays], corner[stays]
        places = self._places[level]
        starts = _after(frames * ROWS * self._places.prod(1))[level]
        rows = (pair * places[:, 0] + corner[:, 1]) * ROWS
        at = starts + rows * places[:, 1] + corner[:, 0]
        patches = gathered(self._cells.sums(list(greys), list(steady)), at, places[:, 1])
        third = self._age[self.live] // (LENGTH // THIRDS)
        self._sums[self.live, third] += patches
        self._age[self.live] += 1

    def finished(self) -> tuple[Tensor, Tensor]:
        """The points that have gone 15 steps, which end here: those worth keeping.

        Their lanes (n,), and rows (n, 436) as those of ``Tracks.finished``, by lane and scale.
        """
        done = self._age[self.live] == LENGTH
        slots = self.live[done]
        self._end(self.live, ~done)
        scale = self._scales[self._level[slots]]
        rows, kept = _rows(self._path[slots], self._steps[slots], self._sums[slots], scale)
        lanes, order = self._lane[slots][kept].sort(stable=True)
        return lanes, rows[kept][order]

    def leave(self, lane: int) -> None:
        """End all points of a lane."""
        self._end(self.live, self._lane[self.live] != lane)

    def _end(self, slots: Tensor, stays: Tensor) -> None:
        self._free = torch.cat([self._free, slots[~stays]])
        self.live = slots[stays]

    def _take(self, count: int) -> Tensor:
        """So many free rows; the tables grow by half where there are fewer."""
        if count > len(self._free):
            size = len(self._age)
            more = max(count - len(self._free), size // 2)
            new = torch.arange(size, size + more, device=self._device)
            self._free = torch.cat([self._free, new])
            for name in ("_lane", "_level", "_age", "_path", "_steps", "_sums"):
                table = getattr(self, name)
                setattr(self, name, torch.cat([table, table.new_zeros(more, *table.shape[1:])]))
        taken, self._free = self._free[:count], self._free[count:]
        return taken


def _flat(levels: Sequence[Tensor]) -> Tensor:
    return torch.cat([level.flatten() for level in levels])


def _after(sizes: Tensor) -> Tensor:
    """Where each of some parts begins that lie one after another."""
    return sizes.cumsum(0) - sizes


@fused
def textured(grey: Tensor) -> Tensor:
    """Which cells of 5x5 pixels of frames (n, h, w), uint8, are not flat, (n, rows, columns).

    The lesser eigenvalue of the gradients' products over 3x3 pixels, Shi and Tomasi's, is looked at
    in the middle of a cell, against the greatest of the frame. Borders are mirrored.
    """
    pad = torch.nn.functional.pad
    wide = pad(grey.float()[:, None], (1, 1, 1, 1), "reflect")[:, 0]
    across = wide[..., :-2] + 2 * wide[..., 1:-1] + wide[..., 2:]
    along = wide[..., 2:] - wide[..., :-2]
    scale = 1 / (4 * 3 * 255)
    down = (across[:, 2:] - across[:, :-2]) * scale
    along = (along[:, :-2] + 2 * along[:, 1:-1] + along[:, 2:]) * scale
    products = torch.stack([along * along, along * down, down * down], 1)
    wide = pad(products, (1, 1, 1, 1), "reflect")
    rows = wide[..., :-2] + wide[..., 1:-1] + wide[..., 2:]
    xx, xy, yy = (rows[..., :-2, :] + rows[..., 1:-1, :] + rows[..., 2:, :]).unbind(1)
    xx, yy = xx * 0.5, yy * 0.5
    lesser = xx + yy - ((xx - yy) * (xx - yy) + xy * xy).sqrt()
    least = lesser.amax((1, 2), keepdim=True) * QUALITY
    half = SPACING // 2
    height, width = (side // SPACING * SPACING for side in grey.shape[1:])
    return lesser[:, half:height:SPACING, half:width:SPACING] > least


@fused
def _rows(path: Tensor, steps: Tensor, sums: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
    """Rows (n, 436) of points that have gone 15 steps, and which are worth keeping (n,)."""
    path, steps = path * scale[:, None, None], steps * scale[:, None, None]
    mean = path.mean(1)
    spread = ((path - mean[:, None]) ** 2).mean(1).sqrt()
    walked = _lengths(path.diff(dim=1))
    length, longest = walked.sum(1), walked.amax(1)
    free = _lengths(steps)
    kept = (spread >= float(LEAST_SPREAD)).any(1) & (spread <= float(MOST_SPREAD)).all(1)
    jumps = (longest > float(LONGEST_STEP)) & (longest > length * float(LONGEST_SHARE))
    kept = kept & ~jumps & (free.amax(1) > float(LEAST_STEP))
    shares = (steps / free.sum(1).clamp(min=1e-30)[:, None, None]).flatten(1)
    means = sums / (LENGTH // THIRDS)
    parts = [means[:, :, 4 * at : 4 * (at + n)] for at, n in zip(FIRST, BINS, strict=True)]
    empty = torch.zeros((len(path), PLACE), device=path.device)
    rows = torch.cat([empty, shares, *(part.flatten(1) for part in parts)], 1)
    rows[:, 1:3], rows[:, 3:5], rows[:, 5], rows[:, 6] = mean, spread, length, scale
    return rows, kept


def _lengths(steps: Tensor) -> Tensor:
    return (steps[..., 0] * steps[..., 0] + steps[..., 1] * steps[..., 1]).sqrt()
