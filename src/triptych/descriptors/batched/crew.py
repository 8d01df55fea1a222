"""Videos of one size, some frames of each at a time, through a device.

Wang and Schmid, Action Recognition with Improved Trajectories, ICCV 2013.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from concurrent.futures import Executor

import numpy as np
import torch
from torch import Tensor

from triptych.descriptors.batched.camera import carried, steady
from triptych.descriptors.batched.flow import Flow
from triptych.descriptors.batched.lanes import Lane, Sight
from triptych.descriptors.batched.models import Expansion
from triptych.descriptors.batched.points import Points, textured
from triptych.descriptors.pyramid import Floats, Pyramid
from triptych.descriptors.trajectories import place

Levels = list[Tensor]


class Crew:
    """Room for ``lanes`` videos of the size of ``pyramid``, ``steps`` frames of each in a round."""

    def __init__(
        self, pyramid: Pyramid, lanes: int, steps: int, device: torch.device, pool: Executor
    ) -> None:
        self.pyramid = pyramid
        self.lanes: list[Lane | None] = [None] * lanes
        self._new: set[int] = set()
        self._steps = steps
        self._device = device
        self._pool = pool
        self._expansion = Expansion(pyramid, device)
        self._flow = Flow(pyramid, device)
        self._points = Points(pyramid, lanes, device)

    @property
    def room(self) -> bool:
        """Whether another video can join."""
        return None in self.lanes

    def join(self, lane: Lane) -> None:
        """Take in a video; ``room`` must be there."""
        at = self.lanes.index(None)
        self.lanes[at] = lane
        self._new.add(at)
        lane.ask(self._steps)

    def round(self) -> Iterator[tuple[Lane, list[Floats] | Exception]]:
        """The next frames of each video: their trajectories, (n, 436) for each frame.

        A video's last frames are fewer than ``steps`` or none, and it leaves; so does one that
        cannot be read on, with what was raised.
        """
        sights: dict[int, list[Sight]] = {}
        for at, lane in enumerate(self.lanes):
            if lane is None:
                continue
            try:
                sights[at] = lane.take()
            except Exception as error:
                self._leave(at)
                yield lane, error
                continue
            if len(sights[at]) == self._steps:
                lane.ask(self._steps)
        found = self._trajectories(sights)
        for at, few in sights.items():
            lane = self.lanes[at]
            assert lane is not None
            if few:
                lane.last = few[-1]
            if len(few) < self._steps:
                self._leave(at)
            yield lane, found[at]

    def _leave(self, at: int) -> None:
        self.lanes[at] = None
        self._new.discard(at)
        self._points.leave(at)

    def _trajectories(self, sights: dict[int, list[Sight]]) -> dict[int, list[Floats]]:
        """By lane, the rows of each of its new frames."""
        order = Order(
            {at: len(few) for at, few in sights.items()}, self._new & sights.keys(), len(self.lanes)
        )
        self._new.clear()
        if not order.pairs:
            return {at: [] for at in sights}
        greys = self._greys(sights, order)
        grained = [textured(level) for level in greys]
        flow, still = self._flows(sights, order, greys)
        pairs, seen = self._places(order.before), self._places(order.seen)
        before = [level[pairs] for level in greys]
        self._points.sample(_chosen(grained, seen[0]))
        ended: list[tuple[Tensor, Tensor]] = []
        for span, frames in zip(order.spans, seen[1:], strict=True):
            self._points.follow(
                [level[span] for level in before],
                [level[:, span] for level in flow],
                [level[:, span] for level in still],
                torch.where(frames < 0, -1, frames - order.first - span.start),
            )
            ended.append(self._points.finished())
            self._points.sample(_chosen(grained, frames))
        return self._placed(sights, ended)

    def _places(self, numbers: object) -> Tensor:
        return torch.tensor(numbers, dtype=torch.int64, device=self._device)

    def _greys(self, sights: dict[int, list[Sight]], order: Order) -> Levels:
        """At each level all frames, (f, h, w): each lane's last one, then the new ones by step."""
        frames = [lane.last.levels for at, lane in enumerate(self.lanes) if lane and at in sights]
        frames += [sights[at][step].levels for step, at in order.pairs]
        levels = zip(*frames, strict=True)
        return [torch.from_numpy(np.stack(level)).to(self._device) for level in levels]

    def _flows(
        self, sights: dict[int, list[Sight]], order: Order, greys: Levels
    ) -> tuple[Levels, Levels]:
        """Of each pair of frames the flow, and that without the camera's motion, by level."""
        frames = greys[0]
        models = self._expansion.models(frames)
        before = self._places(order.before)
        here = [level.index_select(1, before) for level in models]
        raw = self._flow.flows(here, [level[:, order.first :] for level in models])
        del models
        pairs = [sights[at][step] for step, at in order.pairs]
        ends = carried(raw[0], [sight.pixels for sight in pairs])
        cameras = list(self._pool.map(Sight.camera, pairs, ends))
        moved = torch.from_numpy(np.array(cameras)).to(self._device)
        still = steady(frames[before], frames[order.first :], moved)
        return raw, self._flow.flows(here, self._expansion.models(still))

    def _placed(
        self, sights: dict[int, list[Sight]], ended: list[tuple[Tensor, Tensor]]
    ) -> dict[int, list[Floats]]:
        found: dict[int, list[Floats]] = {at: [] for at in sights}
        for step, (lanes, rows) in enumerate(ended):
            whose, numbers = lanes.cpu().numpy(), rows.cpu().numpy()
            for at, few in sights.items():
                lane = self.lanes[at]
                if lane is not None and step < len(few):
                    mine = numbers[whose == at]
                    place(mine, lane.taken - len(few) + step + 1, self.pyramid)
                    found[at].append(mine)
        return found


class Order:
    """How the frames of a round lie in a batch.

    First comes the last frame that each lane took before, then the new ones, all lanes' first ones
    before all lanes' second ones. Each new frame makes a pair with its lane's frame before it.
    """

    def __init__(self, counts: Mapping[int, int], new: Set[int], lanes: int) -> None:
        """``counts`` are new frames by lane; ``new`` the lanes whose last one began their video."""
        held = {at: number for number, at in enumerate(sorted(counts))}
        self.first = len(held)  # of the new frames
        self.pairs: list[tuple[int, int]] = []  # step and lane
        self.before: list[int] = []  # each pair's first frame
        self.spans: list[slice] = []  # each step's pairs
        # By step and lane the frame just seen, -1 for none; before all steps those of new lanes.
        self.seen = [[held[at] if at in new else -1 for at in range(lanes)]]
        for step in range(max(counts.values(), default=0)):
            some = [at for at in sorted(counts) if counts[at] > step]
            start = len(self.pairs)
            self.before += [held[at] for at in some]
            self.pairs += [(step, at) for at in some]
            self.spans.append(slice(start, len(self.pairs)))
            held.update({at: self.first + start + number for number, at in enumerate(some)})
            self.seen.append([held[at] if at in some else -1 for at in range(lanes)])


def _chosen(grained: Levels, frames: Tensor) -> Levels:
    """What is textured in the frame of each lane (lanes,), nothing where that is -1."""
    there = (frames >= 0)[:, None, None]
    return [level[frames.clamp(min=0)] & there for level in grained]
