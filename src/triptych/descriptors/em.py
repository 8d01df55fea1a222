"""Fitting a Gaussian mixture: k-means++, k-means, then expectation-maximisation over blocks.

scikit-learn's GaussianMixture holds the posteriors of all rows at once, several times over: 1.7 GiB
each in float32 for the paper's sample of 1.75 million rows. Here those of a block are held.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from triptych.clustering.kmeans import kmeans
from triptych.descriptors.mixture import Doubles, Mixture, Moments
from triptych.descriptors.sample import ROWS, Floats
from triptych.errors import UserError

DYING = 0.01  # of an even share of the rows: a component with less is given half of another's


@dataclass(frozen=True)
class Fit:
    """A mixture and how it was reached."""

    mixture: Mixture
    history: tuple[float, ...]  # mean log-likelihood of a row, before each step
    revived: int  # dying components that were given rows, over all steps


def fit(
    x: Floats,
    components: int,
    *,
    seed: int,
    starts: int,
    floor: float,
    start_iterations: int,
    iterations: int,
    tolerance: float,
    device: str | torch.device = "cpu",
) -> Fit:
    """Fit ``components`` Gaussians to the rows of ``x`` [N, D], centred and finite.

    It begins from k-means of ``start_iterations``, the tightest of ``starts`` that k-means++
    draws; then at most ``iterations`` steps, until the mean log-likelihood of a row gains less
    than ``tolerance`` (as scikit-learn counts). The same seed, rows and threads give the same
    bits on the CPU.

    No variance falls below ``floor`` times that of the column; with the floor too, a step never
    lowers the likelihood. A component of less than a hundredth of an even share of the rows takes
    half of the heaviest one's, beside it along its widest column; only that may lower it.

    Raises UserError where the rows are too few, or too few of them differ.
    """
    if len(x) < components:
        raise UserError(
            f"Gaussian mixture: {len(x)} rows cannot make {components} components; sample more "
            f"videos, or ask for fewer components"
        )
    least = floor * _variances(x)
    if not least.min() > 0:
        raise ValueError("a column has no variance; a projection leaves such columns out")
    rows = torch.from_numpy(x).to(device)
    begin = _start(x, components, seed, starts, start_iterations, device)
    mixture, split = _maximise(begin, least)
    revived, history = split, list[float]()
    for _ in range(iterations):
        moments = mixture.on(device).moments(rows)
        history.append(moments.likelihood / len(x))
        if len(history) > 1 and not split and history[-1] - history[-2] < tolerance:
            break
        mixture, split = _maximise(moments, least)
        revived += split
    return Fit(mixture, tuple(history), revived)


def _variances(x: Floats) -> Doubles:
    """Of each column; NumPy's own would hold a float64 copy of all."""
    mean = x.mean(axis=0, dtype=np.float64)
    total = np.zeros_like(mean)
    for start in range(0, len(x), ROWS):
        total += np.square(x[start : start + ROWS] - mean).sum(axis=0)
    variances: Doubles = total / len(x)
    return variances


def _start(
    x: Floats,
    components: int,
    seed: int,
    starts: int,
    iterations: int,
    device: str | torch.device,
) -> Moments:
    """The sums under the clusters of a k-means, in which each row is of one component."""
    try:
        found = kmeans(
            x, components, seed=seed, iterations=iterations, starts=starts, device=device
        )
    except UserError as error:
        raise UserError(
            f"Gaussian mixture: the sample has too few rows that differ for {components} "
            "components; sample more videos, or ask for fewer components"
        ) from error
    width = x.shape[1]
    sums = torch.zeros(components, 2 * width, dtype=torch.float64)
    for start in range(0, len(x), ROWS):
        span = slice(start, start + ROWS)
        block = torch.from_numpy(x[span]).double()
        labels = torch.from_numpy(found.labels[span])
        sums.index_add_(0, labels, torch.cat([block, block.square()], dim=1))
    counts = np.bincount(found.labels, minlength=components).astype(np.float64)
    qx, qxx = sums.numpy()[:, :width], sums.numpy()[:, width:]
    return Moments(len(x), counts, qx, qxx, float("-inf"))


def _maximise(moments: Moments, least: Doubles) -> tuple[Mixture, int]:
    """The likeliest mixture for these sums, and how many dying components were revived."""
    q = moments.q.copy()
    share = np.maximum(q, np.finfo(np.float64).tiny)[:, None]
    means = moments.qx / share
    variances = np.maximum(moments.qxx / share - means**2, least)
    dying = np.flatnonzero(q < DYING * moments.rows / len(q))
    for component in dying:
        q[component] = 0
        heavy = int(q.argmax())
        widest = int(variances[heavy].argmax())
        aside = np.zeros(len(least))
        aside[widest] = 0.5 * np.sqrt(variances[heavy, widest])
        means[component], variances[component] = means[heavy] + aside, variances[heavy]
        means[heavy] -= aside
        q[component] = q[heavy] = q[heavy] / 2
    return Mixture(q / q.sum(), means, variances), len(dying)
