"""Masked margin softmax between two modalities (Ilharco et al., CoNLL 2019; Chen et al., 2021)."""

from __future__ import annotations

import torch
from torch import Tensor


def margin_softmax(similarities: Tensor, margin: float) -> Tensor:
    """Equation 3 of Multimodal Clustering Networks (Chen et al., ICCV 2021), a scalar.

    ``similarities`` (B, B): entry (i, j) compares clip i in one modality with clip j in the other,
    already divided by a temperature where there is one. ``margin`` is taken from the similarity of
    each clip to itself, above and below the fraction, and the clip is told from all others along
    its row and along its column. The two are added, not averaged, and the mean is over clips. Where
    an entry is minus infinity, the two are not told apart.

    The caller leaves out clips that lack one of the two modalities. One clip alone has nothing to
    be told from: the loss is zero, with a graph and a gradient of zero, and so for none.
    """
    logits = similarities.float()
    # A constant: its gradient is that of the margin itself, none.
    logits = logits - margin * torch.eye(len(logits), device=logits.device)
    losses = logits.logsumexp(1) + logits.logsumexp(0) - 2 * logits.diagonal()
    return losses.sum() / max(len(logits), 1)
