"""The compiled functions made ready before the first video: once, in one process, and said."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import numpy as np
from numba.core import event

from triptych.descriptors.decimal import lines
from triptych.descriptors.pyramid import Floats, Grey
from triptych.descriptors.rows import DECIMALS
from triptych.descriptors.tracks import LENGTH
from triptych.descriptors.trajectories import Trajectories
from triptych.progress import say

SIDE, BLOB, STEP = 64, 4, 2  # pixels of the made film, of what is in it, and a frame


class Announced(event.Listener):  # type: ignore[misc]
    """Says a line before the first function is compiled; reading it from disk is no such event."""

    def __init__(self) -> None:
        self._said = False

    def on_start(self, event: event.Event) -> None:
        """A function is about to be compiled."""
        del event
        if not self._said:
            say("trajectories: compiling what makes them, once on this machine, up to a minute")
        self._said = True

    def on_end(self, event: event.Event) -> None:
        """It is compiled."""


@cache
def ready() -> Floats:
    """Compile every function that trajectories take, or read it from disk where it is kept.

    Left to the first video, it would be done by every worker process, and the time left that is
    told meanwhile be far too long. Returns the trajectories of a small made film, (n, 436).
    """
    with event.install_listener("numba:compile", Announced()):
        tracker = Trajectories(SIDE, SIDE, "none")
        rows = np.concatenate([tracker.take(grey) for grey in _film()])
        lines(rows, DECIMALS)
    return rows


def _film() -> Iterator[Grey]:
    """Just long enough for trajectories: a band that goes by before what stands still."""
    draw = np.random.default_rng(0)
    wide = SIDE + STEP * LENGTH
    blobs = draw.integers(0, 256, (2, SIDE // BLOB, -(-wide // BLOB)), np.uint8)
    ground, band = np.kron(blobs, np.ones((1, BLOB, BLOB), np.uint8))
    for left in range(0, STEP * LENGTH + 1, STEP):
        picture = ground[:, :SIDE].copy()
        picture[SIDE // 4 : -SIDE // 4] = band[SIDE // 4 : -SIDE // 4, left : left + SIDE]
        yield picture
