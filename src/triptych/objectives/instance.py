"""Instance discrimination: every clip is a class of its own (Wu et al., CVPR 2018; Video IR).

P(i|v) = exp(v_i . v / temperature) / Z, over the rows v_i of a memory bank (equation 2 of Tokmakov
et al., 2020). Z is a sum over the whole bank: exact in ``recognition``, a constant in
``noise_contrast``.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

ROUNDING = 1e-6  # of a cosine in float32


def recognition(similarities: Tensor, rows: Tensor, members: Tensor, temperature: float) -> Tensor:
    """Mean of -log P(i|v) with Z summed over all ``members`` of the bank: equation 2 itself.

    ``similarities`` (batch, N), cosines to all of the bank; ``rows`` int64 (batch,), each clip's
    own; ``members`` bool (N,), which rows count.
    """
    logits = (similarities / temperature).masked_fill(~members, -math.inf)
    return F.cross_entropy(logits, rows, reduction="sum") / max(len(rows), 1)


def noise_contrast(
    own: Tensor, others: Tensor, *, clips: int, temperature: float, normaliser: float
) -> Tensor:
    """Noise-contrastive estimation of the same (Wu et al., 2018, equations 5 to 7), a mean.

    ``own`` (batch,), the cosine of each clip to its own row; ``others`` (batch, k), those to k rows
    drawn uniformly from all ``clips`` of the bank; ``normaliser`` is Z. A clip is told from the
    noise by h = P / (P + k / clips), and the loss is -log h(own) - sum log(1 - h(other)). Written
    with log-sigmoids, so that no epsilon is needed beside tiny probabilities.
    """
    shift = math.log(normaliser * others.shape[1] / clips)
    losses = F.logsigmoid(own / temperature - shift)
    losses = losses + F.logsigmoid(shift - others / temperature).sum(1)
    return -losses.sum() / max(len(own), 1)


@torch.no_grad()
def normaliser_of_a_clip(similarities: Tensor, members: Tensor, temperature: float) -> float:
    """Z over the number of clips: the mean of exp(cosine / temperature) over batch and members.

    Wu et al. take it from the noise of their first batch; here it is of all the bank.
    ``similarities`` (batch, N), ``members`` bool (N,).
    """
    logits = similarities[:, members].double() / temperature
    return float(logits.exp().mean())


@torch.no_grad()
def recognised(own: Tensor, others: Tensor) -> Tensor:
    """Which clips' own row, of cosine ``own`` (batch,), is as near as any of ``others`` (batch, k).

    The own row may be among the others, where it may be off by rounding.
    """
    return own >= others.max(1).values - ROUNDING
