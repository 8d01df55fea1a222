"""A Gaussian mixture with diagonal covariances, and what rows sum up to under it.

The sums are all that fitting needs of a sample and all that a Fisher vector needs of a video, and
those of two blocks may be added: neither has to hold its rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from triptych.descriptors.sample import ROWS

Doubles = NDArray[np.float64]


@dataclass(frozen=True)
class Mixture:
    """K components over D numbers: p(x) = sum over k of w_k N(x; mean_k, diag(variance_k))."""

    weights: Doubles  # [K], above zero, sum 1
    means: Doubles  # [K, D]
    variances: Doubles  # [K, D], above zero

    def on(self, device: str | torch.device) -> Posterior:
        """The same, ready for tensors of ``device``."""
        return Posterior(self, device)


@dataclass(frozen=True)
class Moments:
    """Sums over rows x, with q_k the posterior of component k; + joins those of two blocks."""

    rows: int
    q: Doubles  # [K], sum of q_k
    qx: Doubles  # [K, D], sum of q_k x
    qxx: Doubles  # [K, D], sum of q_k x^2
    likelihood: float  # sum of log p(x)

    def __add__(self, other: Moments) -> Moments:
        return Moments(
            self.rows + other.rows,
            self.q + other.q,
            self.qx + other.qx,
            self.qxx + other.qxx,
            self.likelihood + other.likelihood,
        )

    @classmethod
    def none(cls, components: int, width: int) -> Moments:
        """Of no rows."""
        empty = np.zeros((components, width))
        return cls(0, np.zeros(components), empty, empty, 0.0)


class Posterior:
    """Posteriors under a mixture on one device, as two matrix products for each block.

    In float32, as log w_k N(x) = c_k + [x, x^2] [mean/variance, -1/(2 variance)]^T: rows are meant
    to be centred, as a projection leaves them, so that no large numbers cancel. Sums of a block go
    to float64.
    """

    def __init__(self, mixture: Mixture, device: str | torch.device) -> None:
        precisions = 1 / mixture.variances
        self._shape = mixture.means.shape
        linear = np.concatenate([mixture.means * precisions, -precisions / 2], axis=1)
        constant = np.log(mixture.weights) - 0.5 * (
            np.log(2 * np.pi * mixture.variances) + mixture.means**2 * precisions
        ).sum(axis=1)
        self._linear = torch.tensor(linear.T.astype(np.float32, order="C"), device=device)
        self._constant = torch.tensor(constant.astype(np.float32), device=device)

    def moments(self, x: Tensor) -> Moments:
        """The sums over the rows of ``x``, float32 [n, D]."""
        total = Moments.none(*self._shape)
        for start in range(0, len(x), ROWS):
            total += self._block(x[start : start + ROWS])
        return total

    def _block(self, x: Tensor) -> Moments:
        powers = torch.cat([x, x.square()], dim=1)
        scores = torch.addmm(self._constant, powers, self._linear)
        q = scores.softmax(dim=1)
        # log p(x); torch's logsumexp would take longer than both products.
        likelihood = scores.amax(dim=1) - q.amax(dim=1).log()
        sums = (q.T @ powers).double().cpu().numpy()
        width = x.shape[1]
        return Moments(
            len(x),
            q.sum(dim=0, dtype=torch.float64).cpu().numpy(),
            sums[:, :width],
            sums[:, width:],
            float(likelihood.sum(dtype=torch.float64)),
        )
