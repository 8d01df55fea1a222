"""Cosines of a batch to rows of a memory bank, in 32 bits whatever the forward pass computes in."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

# Rows that are gathered here and there come from memory, not from the caches: one product with the
# whole bank is as cheap while the bank is no more than this many times what is wanted of it
# (benchmarks/neighbours.py: on one core, loss and gradient of 128 x 4096 of 240,000 took 0.81 s by
# gathering, 0.71 s by the product), and it needs half the memory.
MANY = 64


def cosines(queries: Tensor, bank: Tensor, rows: Tensor | None = None) -> Tensor:
    """The cosine of every query to the rows of the bank named for it, (batch, k); None: to all.

    ``queries`` (batch, width) of any length, which alone get a gradient; ``bank`` (N, width) at
    unit length; ``rows`` int64 (batch, k). Autocast is off: at a temperature of .07 bf16 would be
    wrong by a twentieth in the exponent.
    """
    with torch.autocast(queries.device.type, enabled=False):
        unit, bank = F.normalize(queries.float(), dim=1), bank.detach()
        if rows is None:
            return unit @ bank.T
        if len(bank) <= MANY * rows.shape[1]:
            return (unit @ bank.T).gather(1, rows)
        return torch.bmm(bank[rows], unit[:, :, None])[:, :, 0]
