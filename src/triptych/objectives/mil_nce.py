"""MIL-NCE: a clip and several sentences, any of which may be its own (Miech et al., CVPR 2020)."""

from __future__ import annotations

import torch
from torch import Tensor


def mil_nce(similarities: Tensor, positives: Tensor) -> Tensor:
    """Equation 1 of the paper, a scalar: the mean over clips of

        -log( sum over P_i of e^s / (sum over P_i of e^s + sum over N_i of e^s) ).

    ``similarities`` (B, C): entry (i, c) compares clip i with candidate c of the other modality,
    already divided by a temperature where there is one. ``positives`` bool (B, C): which candidates
    may be clip i's, its own and those near it in time. P_i is the entries (i, c) that are positive.
    N_i is all other entries of row i, clip i with candidates that are not its own, and, in the
    columns of its positives, all entries that are not positive: other clips with candidates of
    clip i. An entry (j, c) that is positive for j is never a negative, also where candidate c
    belongs to both clips. Every entry counts once for a clip: the released code puts the positives
    twice below the fraction, once with the row and once with the column, so that its loss cannot
    fall under log 2. An entry of minus infinity adds nothing: it is a negative of nobody.

    Clips without a positive are left out, of the mean and of every column. What has no negatives,
    one clip with candidates of its own only, gives zero with a graph; so does a batch without
    positives.
    """
    counted = positives.any(1)
    logits, known = similarities[counted].float(), positives[counted]
    above = _total(logits, known, 1)
    row = logits.logsumexp(1)
    # Of each candidate, what all clips that it does not belong to add; of each clip, the sum of
    # that over its candidates.
    strangers = _total(logits, ~known, 0)
    column = _total(strangers.expand_as(logits), known, 1)
    return (torch.logaddexp(row, column) - above).sum() / max(len(logits), 1)


def _total(logits: Tensor, chosen: Tensor, axis: int) -> Tensor:
    """Log of the sum of e^logits over what is chosen along an axis."""
    return logits.masked_fill(~chosen, -torch.inf).logsumexp(axis)
