"""Local aggregation (Zhuang et al., ICCV 2019; Tokmakov et al., 2020, equations 3 and 4)."""

from __future__ import annotations

import torch
from torch import Tensor


def close_neighbours(labels: Tensor, rows: Tensor, nearest: Tensor) -> Tensor:
    """Which of the background neighbours are close ones, bool (clips, k): C_i within B_i.

    ``labels`` int64 (runs, N), the clusters of several runs of k-means, -1 where a clip is in none;
    ``rows`` (clips,), the batch; ``nearest`` (clips, k), rows of B_i. A neighbour is close when any
    run puts it into the clip's cluster. A clip is always close to itself, also where it is in no
    cluster.
    """
    own = labels[:, rows][:, :, None]
    together = ((labels[:, nearest] == own) & (own >= 0)).any(0)
    return together | (nearest == rows[:, None])


def local_aggregation(similarities: Tensor, close: Tensor, temperature: float) -> Tensor:
    """Mean of -log( sum over C_i and B_i of p / sum over B_i of p ), p = exp(cosine / temperature).

    ``similarities`` (clips, k), cosines to B_i; ``close`` bool (clips, k), which of them are in
    C_i, at least one in every row. The normaliser of p is in both sums and cancels.
    """
    logits = similarities / temperature
    near = logits.masked_fill(~close, -torch.inf).logsumexp(1)
    return (logits.logsumexp(1) - near).sum() / max(len(logits), 1)
