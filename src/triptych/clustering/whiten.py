"""PCA-whitening and L2 normalisation, fitted once and kept, so that a new clip can be placed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from triptych.errors import UserError

Floats = NDArray[np.float32]
ROWS = 8192


@dataclass(frozen=True)
class Whitening:
    """x -> (x - mean) components, and each row to unit length where ``l2``."""

    mean: Floats  # [D]
    components: Floats  # [D, d], each principal axis divided by its standard deviation
    l2: bool

    @classmethod
    def fit(cls, x: Floats | Tensor, dim: int | None = None, l2: bool = True) -> Whitening:
        """Fit to ``x`` [N, D]; keep ``dim`` components, or all that the features really have.

        Directions without variance beyond float32's rounding are left out: whitened, they would
        be noise as loud as the signal. So fewer than ``dim`` components may remain. Raises
        UserError where no direction has variance or a value is not finite.
        """
        if dim is not None and dim < 1:
            raise ValueError(f"dim={dim}: at least one component")
        x = _host(x)
        mean, covariance = moments(x)
        if not np.isfinite(covariance).all():
            raise UserError(
                "whitening: the features hold NaN or infinity, so training has diverged or an "
                "input is broken; lower the learning rate, or start from an earlier checkpoint"
            )
        values, axes = np.linalg.eigh(covariance)
        values, axes = values[::-1], axes[:, ::-1]
        # Rounding of float32 features leaves this much variance where there is none.
        floor = np.finfo(np.float32).eps ** 2 * x.shape[1] * (values[0] + mean @ mean)
        rank = int(np.count_nonzero(values > floor))
        if rank == 0:
            raise UserError(
                f"whitening: all {len(x)} feature vectors are the same: the encoder has collapsed "
                "or its input is constant; lower the learning rate or check the clips"
            )
        kept = rank if dim is None else min(dim, rank)
        scaled = axes[:, :kept] / np.sqrt(values[:kept])
        return cls(mean.astype(np.float32), np.ascontiguousarray(scaled, dtype=np.float32), l2)

    @classmethod
    def none(cls, dim: int, l2: bool = True) -> Whitening:
        """Leave features of ``dim`` numbers as they are, but for their length where ``l2``."""
        return cls(np.zeros(dim, np.float32), np.eye(dim, dtype=np.float32), l2)

    def apply(self, x: Floats | Tensor) -> Floats:
        """Transform ``x`` [N, D] to float32 [N, d]."""
        x = _host(x)
        out = np.empty((len(x), self.components.shape[1]), dtype=np.float32)
        for start in range(0, len(x), ROWS):
            rows = np.asarray((x[start : start + ROWS] - self.mean) @ self.components, np.float32)
            out[start : start + ROWS] = unit(rows) if self.l2 else rows
        return out

    def tensors(self) -> dict[str, Tensor]:
        """What a checkpoint has to hold."""
        return {
            "mean": torch.from_numpy(self.mean),
            "components": torch.from_numpy(self.components),
            "l2": torch.tensor(self.l2),
        }

    @classmethod
    def from_tensors(cls, tensors: dict[str, Tensor]) -> Whitening:
        """The inverse of ``tensors``."""
        return cls(
            tensors["mean"].cpu().numpy(),
            tensors["components"].cpu().numpy(),
            bool(tensors["l2"]),
        )


def unit(x: Floats) -> Floats:
    """Vectors [..., D] at unit length; zeros stay zeros."""
    lengths = np.linalg.norm(x, axis=-1, keepdims=True)
    scaled: Floats = np.divide(x, lengths, out=np.zeros(x.shape, np.float32), where=lengths > 0)
    return scaled


def _host(x: Floats | Tensor) -> Floats:
    return np.asarray(x.detach().cpu() if isinstance(x, Tensor) else x, dtype=np.float32)


def moments(x: Floats) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean [D] and covariance [D, D], over N, of ``x`` [N, D]: float64, summed block by block."""
    mean = x.mean(axis=0, dtype=np.float64)
    total = np.zeros((x.shape[1], x.shape[1]))
    for start in range(0, len(x), ROWS):
        rows = x[start : start + ROWS].astype(np.float64) - mean
        total += rows.T @ rows
    return mean, total / len(x)
