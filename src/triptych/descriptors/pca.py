"""The projection of local descriptors on their main axes, by the share of variance kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from triptych.descriptors.mixture import Doubles
from triptych.descriptors.sample import Block, Floats, Sampled
from triptych.errors import UserError


@dataclass(frozen=True)
class Projection:
    """x -> (x - mean) axes. The axes have unit length: nothing is whitened."""

    mean: Floats  # [C]
    axes: Floats  # [C, D], by falling variance
    kept: float  # the share of variance along the axes

    @classmethod
    def fit(cls, blocks: Sequence[Block] | Sampled, share: float) -> Projection:
        """Keep as few axes of rows [N, C] as hold ``share`` of their variance, 0 < share <= 1.

        Tokmakov et al. 2020, section 4.1, keep .9 of all columns together. The covariance is
        summed in float64, in a second pass over the ``blocks``; each axis points where its largest
        number is positive. Raises UserError where all rows are the same.
        """
        rows, mean, covariance = _moments(blocks)
        values, axes = np.linalg.eigh(covariance)
        values, axes = np.maximum(values[::-1], 0), axes[:, ::-1]
        # Rounding of float32 rows leaves this much variance where there is none.
        floor = np.finfo(np.float32).eps ** 2 * len(mean) * (values[0] + mean @ mean)
        rank = int(np.count_nonzero(values > floor))
        if rank == 0:
            raise UserError(
                f"PCA: all {rows} rows of the sample are the same, so there is nothing to keep "
                "apart; sample more videos, or others"
            )
        parts = np.cumsum(values) / values.sum()
        count = min(int(np.searchsorted(parts, share)) + 1, rank)
        axes = axes[:, :count]
        largest = axes[np.abs(axes).argmax(axis=0), np.arange(count)]
        axes = np.ascontiguousarray(axes * np.sign(largest), dtype=np.float32)
        return cls(mean.astype(np.float32), axes, float(parts[count - 1]))

    @property
    def dim(self) -> int:
        """D, how many axes were kept."""
        return int(self.axes.shape[1])

    def on(self, device: str | torch.device) -> Projector:
        """The same, ready for tensors of ``device``."""
        return Projector(self, device)


def _moments(blocks: Sequence[Block] | Sampled) -> tuple[int, Doubles, Doubles]:
    """How many rows there are, their mean [C], and their covariance over N, [C, C]."""
    rows, total = 0, np.float64(0)
    for block in blocks:
        rows, total = rows + len(block), total + block.sum(axis=0, dtype=np.float64)
    mean: Doubles = np.asarray(total) / rows
    squares = np.zeros((len(mean), len(mean)))
    for block in blocks:
        off = block.astype(np.float64) - mean
        squares += off.T @ off
    return rows, mean, squares / rows


class Projector:
    """A projection on one device; its product takes the mean along.

    Products round by where an array begins in memory, on some processors. Tensors that torch
    allocates begin alike everywhere, so that the same rows give the same bits; give it such.
    """

    def __init__(self, projection: Projection, device: str | torch.device) -> None:
        offset = -(projection.mean.astype(np.float64) @ projection.axes)
        self._offset = torch.tensor(offset.astype(np.float32), device=device)
        self._axes = torch.tensor(projection.axes, device=device)

    def __call__(self, x: Tensor) -> Tensor:
        """Float32 [n, C] to [n, D]."""
        return torch.addmm(self._offset, x, self._axes)
