"""Many videos through a device at once, each with its own speed and length."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

import cv2
import numpy as np
import torch

from triptych.descriptors.batched.crew import Crew
from triptych.descriptors.batched.device import PIXELS, Device
from triptych.descriptors.batched.lanes import Film, Lane
from triptych.descriptors.pyramid import Floats, Pyramid
from triptych.descriptors.tracks import COLUMNS
from triptych.errors import UserError
from triptych.workers import available_cores

LANES = 16  # videos at once

Event = Floats | Exception | None


class Together:
    """Takes ``films`` through ``device``, those of one size side by side, 16 at most."""

    def __init__(self, films: Sequence[Film], device: Device) -> None:
        self._films = films
        self._device = device.torch
        self._frames = device.frames
        self._crews: list[Crew] = []
        self._open = 0

    def events(self) -> Iterator[tuple[int, Event]]:
        """The number of a film, and the trajectories (n, 436) that end in its next frame.

        Instead of these None after the last frame, or what was raised where a film cannot be read:
        that ends this film and no other.
        """
        cv2.setNumThreads(1)  # the threads are ours
        torch.set_float32_matmul_precision("highest")  # less moves points by whole pixels
        waiting = list(enumerate(self._films))[::-1]
        with ThreadPoolExecutor(available_cores()) as pool:
            opening: dict[Future[Lane], int] = {}
            while waiting or opening or self._open:
                while waiting and self._open + len(opening) < LANES:
                    number, film = waiting.pop()
                    opening[pool.submit(Lane, number, film, pool)] = number
                timeout = 0 if self._open else None
                for done in wait(opening, timeout, return_when=FIRST_COMPLETED).done:
                    yield from self._join(opening.pop(done), done, pool)
                for crew in list(self._crews):
                    yield from self._round(crew)

    def _join(
        self, number: int, opened: Future[Lane], pool: ThreadPoolExecutor
    ) -> Iterator[tuple[int, Event]]:
        try:
            lane = opened.result()
        except Exception as error:
            yield number, error
            return
        for crew in self._crews:
            if crew.room and crew.pyramid == lane.pyramid:
                break
        else:
            crew = self._crew(lane.pyramid, pool)
            self._crews.append(crew)
        crew.join(lane)
        self._open += 1
        yield number, np.empty((0, COLUMNS), np.float32)  # none ends in the first frame

    def _crew(self, pyramid: Pyramid, pool: ThreadPoolExecutor) -> Crew:
        room = max(1, self._frames * PIXELS // (pyramid.height * pyramid.width))
        lanes = min(LANES, room, len(self._films))
        return Crew(pyramid, lanes, room // lanes, self._device, pool)

    def _round(self, crew: Crew) -> Iterator[tuple[int, Event]]:
        try:
            found = list(crew.round())
        except torch.OutOfMemoryError:
            raise UserError(
                f"device {self._device}: its memory is too small for {self._frames} frames at "
                f"once; give fewer, as --frames {max(1, self._frames // 2)}"
            ) from None
        for lane, blocks in found:
            if isinstance(blocks, Exception):
                yield lane.number, blocks
            else:
                yield from ((lane.number, block) for block in blocks)
                if lane not in crew.lanes:
                    yield lane.number, None
        self._open -= sum(lane not in crew.lanes for lane, _ in found)
        if not any(crew.lanes):
            self._crews.remove(crew)
