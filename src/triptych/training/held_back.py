"""Clips that only tell when the labels have been learned: the loss on them, and its plateau."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

FALL = 0.01  # of the least loss so far; less is a plateau


def held_back(paths: npt.NDArray[np.object_], share: float, seed: int) -> npt.NDArray[np.bool_]:
    """Which clips, (clips,), are kept from training: all of ``share`` of the files ``paths``.

    Clips of one file are alike, so they stay together; a single file is split by clips. At least
    one file, or clip, is held back, and one is left.
    """
    names, which = np.unique(paths.astype(str), return_inverse=True)
    if len(names) == 1:
        which = np.arange(len(paths))
    count = int(which.max()) + 1
    taken = min(max(1, round(share * count)), count - 1)
    chosen = np.random.default_rng(seed).permutation(count)[:taken]
    return np.isin(which, chosen)


def stopped_falling(losses: Sequence[float], patience: int) -> bool:
    """Whether none of the last ``patience`` losses is lower, by ``FALL``, than the least before."""
    if len(losses) <= patience:
        return False
    before, last = losses[:-patience], losses[-patience:]
    return min(last) > min(before) * (1 - FALL)
