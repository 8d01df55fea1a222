"""The memory bank: for every clip one vector, which follows what the network makes of the clip."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

# Cosines of a batch to the bank that are held at one time: 256 MB, which a batch of 256 and all of
# Kinetics-400 stay below.
MOST_AT_ONCE = 1 << 26


class MemoryBank:
    """One modality's bank (Wu et al., CVPR 2018): unit rows, keyed by the manifest's rows.

    ``values`` float32 (clips, width); ``members`` bool (clips,), the clips that have the modality:
    the others are nobody's neighbour and no noise; ``known`` bool (clips,), the rows that are of
    their clip and not of chance; ``keys`` int64 (clips,), which clip a row is of, whatever its
    place. ``scale`` is the normaliser Z over the number of members, 0 before it is estimated.
    """

    def __init__(self, keys: Tensor, members: Tensor, width: int, seed: int) -> None:
        draw = torch.Generator().manual_seed(seed)
        values = torch.empty(len(keys), width).uniform_(-1, 1, generator=draw)
        self.keys = keys
        self.values = F.normalize(values, dim=1)
        self.members = members
        self.known = torch.zeros(len(keys), dtype=torch.bool)
        self.scale = 0.0
        self._count()

    def to(self, device: torch.device) -> MemoryBank:
        """Keep everything on ``device`` from here on."""
        for name in ("keys", "values", "members", "known"):
            setattr(self, name, getattr(self, name).to(device))
        self._count()
        return self

    def _count(self) -> None:
        self._rows = self.members.nonzero()[:, 0]

    def __len__(self) -> int:
        """How many clips there are to tell apart: the members."""
        return len(self._rows)

    @torch.no_grad()
    def update(self, rows: Tensor, outputs: Tensor, momentum: float) -> None:
        """Row = unit(momentum * row + (1 - momentum) * unit(output)), for the clips of a batch.

        ``rows`` int64 (batch,), ``outputs`` (batch, width). A clip that is in the batch more than
        once counts with the mean of its outputs.
        """
        if not len(rows):
            return
        places, which = torch.unique(rows, return_inverse=True)
        fresh = F.normalize(outputs.detach().float(), dim=1)
        sums = torch.zeros(len(places), fresh.shape[1], device=fresh.device)
        sums = sums.index_add_(0, which, fresh) / torch.bincount(which)[:, None]
        self.values[places] = F.normalize(
            momentum * self.values[places] + (1 - momentum) * sums, dim=1
        )
        self.known[places] = True

    def meet(self, read: Tensor, unread: Tensor) -> None:
        """Clips that could be read are members; those that could not are not, before any could be.

        Both are rows, int64 (any,). A damaged file may be readable in one window and not in
        another: the row of a clip that was read once is of the clip, and stays.
        """
        members = self.members.clone()
        members[unread] &= self.known[unread]
        members[read] = True
        if not torch.equal(members, self.members):
            self.members = members
            self._count()

    def draw(self, count: int, noise: int) -> Tensor:
        """Noise, (count, noise): rows of members, uniform with replacement, by torch's own seed."""
        chosen = torch.randint(len(self), (count, noise), device=self._rows.device)
        return self._rows[chosen]

    @torch.no_grad()
    def nearest(self, queries: Tensor, rows: Tensor, count: int) -> Tensor:
        """The ``count`` members nearest to each query, or all of a small bank, in any order.

        ``queries`` (batch, width) of any length; ``rows`` (batch,), their own rows, which are
        always among the answer (batch, min(count, members)). On one core 4096 of 240,000 x 128 take
        0.67 s for a batch of 128, of which the product takes 0.12 s; faiss' exact search takes 1.4.
        (benchmarks/neighbours.py).
        """
        count = min(count, len(self))
        step = max(count, MOST_AT_ONCE // max(len(rows), 1))
        with torch.autocast(queries.device.type, enabled=False):
            unit = F.normalize(queries.float(), dim=1)
            best, found = unit.new_empty(len(rows), 0), rows.new_empty(len(rows), 0)
            for start in range(0, len(self.values), step):
                part = unit @ self.values[start : start + step].T
                part.masked_fill_(~self.members[start : start + step], -torch.inf)
                own = ((rows >= start) & (rows < start + part.shape[1])).nonzero()[:, 0]
                part[own, rows[own] - start] = torch.inf
                near, where = part.topk(min(count, part.shape[1]), sorted=False)
                best, found = torch.cat([best, near], 1), torch.cat([found, where + start], 1)
                if best.shape[1] > count:
                    best, chosen = best.topk(count, sorted=False)
                    found = found.gather(1, chosen)
        return found

    def take(self, other: dict[str, Tensor]) -> int:
        """Take over the rows of the same clips from another bank's ``tensors``; how many they are.

        Clips are found by their key. Z goes with them: it is of a clip, not of a collection.
        """
        place = {key: row for row, key in enumerate(other["keys"].tolist())}
        known = other["known"]
        pairs = [
            (row, place[key])
            for row, key in enumerate(self.keys.tolist())
            if key in place and known[place[key]]
        ]
        if pairs:
            here, there = torch.tensor(pairs).T
            self.values[here] = other["values"][there].to(self.values.device)
            self.known[here] = True
            self.scale = float(other["scale"])
        return len(pairs)

    def tensors(self) -> dict[str, Tensor]:
        """For safetensors; ``load`` is the way back."""
        named = {name: getattr(self, name) for name in ("keys", "values", "members", "known")}
        return {**named, "scale": torch.tensor(self.scale, dtype=torch.float64)}

    def load(self, tensors: dict[str, Tensor]) -> None:
        """Take over what ``tensors`` gave of the same collection."""
        for name in ("keys", "values", "members", "known"):
            getattr(self, name).copy_(tensors[name])
        self.scale = float(tensors["scale"])
        self._count()


def keys_of(clip_ids: Sequence[str]) -> Tensor:
    """A number for each clip, int64 (clips,), by which its row is found in another run's bank."""
    digests = [hashlib.blake2b(name.encode(), digest_size=8).digest() for name in clip_ids]
    numbers = [int.from_bytes(digest, "little", signed=True) for digest in digests]
    return torch.tensor(numbers, dtype=torch.int64)
