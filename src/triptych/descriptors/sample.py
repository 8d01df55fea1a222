"""Rows of local descriptors: which can be reckoned with, and a fair sample of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from triptych.errors import UserError
from triptych.seeds import derive

Floats = NDArray[np.float32]
Block = NDArray[np.floating[Any]]  # [n, C], a row for each trajectory; float16 upwards

ROWS = 4096  # of a block: its posteriors of 256 components stay in the caches of a CPU

# Descriptors of trajectories lie within [-1, 1]. Beyond this length their squares, divided by a
# small variance, would leave float32.
LONGEST = 1e6


def usable(block: Block, width: int) -> tuple[Floats, int]:
    """The rows of ``block`` [n, width] as float32, and how many were dropped.

    A row with NaN, with infinity, or longer than 1e6 is dropped. Raises UserError where rows have
    another width.
    """
    rows, kept = _judged(block, width)
    dropped = len(block) - int(np.count_nonzero(kept))
    return rows[kept] if dropped else rows, dropped


class Sampled:
    """The rows of a sample's videos in blocks, as often as they are asked for; none is held.

    ``sample`` may read a video's rows [n, C] whenever it is asked for them. Blocks are float32, of
    4096 rows but for a video's last, by path; rows that ``usable`` drops are counted in
    ``dropped``, the others in ``rows``.
    """

    def __init__(self, sample: Mapping[str, Block]) -> None:
        self._sample = sample
        self.width = min((block.shape[1] for block in self._filled()), default=0)
        self.rows = self.dropped = 0
        for block in self._filled():
            kept = len(usable(block, self.width)[0])
            self.rows, self.dropped = self.rows + kept, self.dropped + len(block) - kept

    def __iter__(self) -> Iterator[Floats]:
        for block in self._filled():
            for start in range(0, len(block), ROWS):
                yield usable(block[start : start + ROWS], self.width)[0]

    def _filled(self) -> Iterator[Block]:
        found = (self._sample[path] for path in sorted(self._sample))
        return (block for block in found if len(block))


def chosen(paths: Iterable[str], count: int, seed: int) -> list[str]:
    """At most ``count`` of the videos, sorted; what is drawn does not depend on their order."""
    drawn = sorted(set(paths), key=lambda path: (derive(seed, "descriptor video", path), path))
    return sorted(drawn[:count])


class Reservoir:
    """A uniform sample, without replacement, of at most ``size`` rows of one video.

    What is drawn depends on the seed, the video's path and its rows, not on how they come in
    blocks. Rows that ``usable`` drops are never drawn.
    """

    def __init__(self, size: int, width: int, seed: int, path: str) -> None:
        self._size, self._width = size, width
        self._random = np.random.default_rng(derive(seed, "descriptor rows", path))
        self._keys = np.empty(0)
        self._places = np.empty(0, np.int64)
        self._held: Block = np.empty((0, width), np.float32)
        self._seen = 0
        self.dropped = 0

    def add(self, block: Block) -> None:
        """Consider the rows of ``block`` [n, width]: those of the lowest keys so far are held."""
        _, kept = _judged(block, self._width)
        self.dropped += len(block) - int(np.count_nonzero(kept))
        rows = block[kept]
        keys = np.concatenate([self._keys, self._random.random(len(rows))])
        places = np.concatenate([self._places, self._seen + np.arange(len(rows))])
        self._seen += len(rows)
        lowest = np.argsort(keys, kind="stable")[: self._size]
        before = len(self._held)
        held = [self._held[lowest[lowest < before]], rows[lowest[lowest >= before] - before]]
        # The first rows decide the type, so that float16 stays float16.
        self._held = np.concatenate(held if before else held[1:])
        lowest = np.concatenate([lowest[lowest < before], lowest[lowest >= before]])
        self._keys, self._places = keys[lowest], places[lowest]

    def rows(self) -> Block:
        """The sample [at most size, width], in the order in which its rows came."""
        return self._held[np.argsort(self._places)]


def _judged(block: Block, width: int) -> tuple[Floats, NDArray[np.bool_]]:
    """The rows as float32, and which of them can be reckoned with."""
    if block.ndim != 2 or block.shape[1] != width:
        found = block.shape[1] if block.ndim == 2 else f"{block.ndim} axes"
        raise UserError(
            f"descriptor rows: {found} columns, where {width} are wanted; "
            "describe the videos with the settings that the model was fitted with"
        )
    with np.errstate(over="ignore", invalid="ignore"):
        rows = np.asarray(block, np.float32)
        squares = np.einsum("nc,nc->n", rows, rows)
    return rows, squares <= LONGEST**2  # false for NaN
