"""A frozen network on a device: windows of many files in batches, rows of half precision out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from triptych.state.backbone import Backbone, rows_of

Halves = npt.NDArray[np.float16]
BATCH = {"cpu": 8, "cuda": 64}


class Network:
    """Collects windows until there is a batch, whichever files they are of.

    Every batch has the same shape, the last one is filled up: what a window becomes does not depend
    on its neighbours. ``cut`` counts numbers beyond half precision, which are cut to its largest.
    """

    def __init__(self, backbone: Backbone, device: torch.device, batch: int | None = None) -> None:
        self.device = device
        self.batch = batch or BATCH[device.type]
        self.cut = 0
        self._encoder = backbone.encoder.to(device)
        self._waiting: list[tuple[int, npt.NDArray[Any]]] = []  # file, windows
        self._count = 0

    def add(self, file: int, windows: npt.NDArray[Any]) -> Iterator[tuple[int, Halves]]:
        """Take windows (n, ...) of a file; yield rows that are done, with whose file they are of.

        The rows of a file come in the order of its windows.
        """
        self._waiting.append((file, windows))
        self._count += len(windows)
        while self._count >= self.batch:
            yield from self._run(self.batch)

    def finish(self) -> Iterator[tuple[int, Halves]]:
        """The rows of what is still waiting."""
        if self._count:
            yield from self._run(self._count)

    def _run(self, count: int) -> Iterator[tuple[int, Halves]]:
        taken: list[tuple[int, npt.NDArray[Any]]] = []
        left = count
        while left:
            file, windows = self._waiting.pop(0)
            if len(windows) > left:
                self._waiting.insert(0, (file, windows[left:]))
                windows = windows[:left]
            taken.append((file, windows))
            left -= len(windows)
        self._count -= count
        first = taken[0][1]
        whole = np.zeros((self.batch, *first.shape[1:]), first.dtype)
        np.concatenate([windows for _, windows in taken], out=whole[:count])
        rows = self._forward(whole)[:count]
        for file, windows in taken:
            yield file, rows[: len(windows)]
            rows = rows[len(windows) :]

    def _forward(self, windows: npt.NDArray[Any]) -> Halves:
        rows, cut = rows_of(self._encoder, windows, self.device)
        self.cut += cut
        return rows
