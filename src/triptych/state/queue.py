"""The queue: what the last training steps made of their clips, first in, first out."""

from __future__ import annotations

import torch
from torch import Tensor


class Queue:
    """At most ``size`` vectors, float32 (size, width); the oldest go as new ones come.

    ``rows`` are those that are there, in the order of their places, which is not that of their age.
    """

    def __init__(self, size: int, width: int) -> None:
        self.values = torch.zeros(size, width)
        self.filled = 0  # how many are there
        self.next = 0  # the place that the next one takes

    def to(self, device: torch.device) -> Queue:
        """Keep everything on ``device`` from here on."""
        self.values = self.values.to(device)
        return self

    @property
    def full(self) -> bool:
        """Whether every further one takes the place of another."""
        return self.filled == len(self.values)

    @property
    def rows(self) -> Tensor:
        """(filled, width), a view."""
        return self.values[: self.filled]

    @torch.no_grad()
    def push(self, vectors: Tensor) -> None:
        """Take ``vectors`` (any, width), the last ones newest; of too many only the newest."""
        size = len(self.values)
        fresh = vectors[-size:].detach().to(self.values)
        places = (self.next + torch.arange(len(fresh), device=self.values.device)) % size
        self.values[places] = fresh
        self.next = (self.next + len(fresh)) % size
        self.filled = min(size, self.filled + len(fresh))

    def tensors(self) -> dict[str, Tensor]:
        """For safetensors, no more than is filled; ``load`` is the way back."""
        return {"values": self.rows, "next": torch.tensor(self.next)}

    def load(self, tensors: dict[str, Tensor]) -> None:
        """Take over what ``tensors`` gave of a queue of the same size."""
        self.filled = len(tensors["values"])
        self.values[: self.filled] = tensors["values"].to(self.values)
        self.next = int(tensors["next"])
