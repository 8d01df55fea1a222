"""Each modality is drawn to the centroid of its clip's cluster (Chen et al., ICCV 2021)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def centroid_contrast(
    embeddings: Tensor,
    centroids: Tensor,
    labels: Tensor,
    *,
    margin: float,
    everywhere: bool = False,
    temperature: float = 1.0,
) -> Tensor:
    """Equation 6 of Multimodal Clustering Networks, one modality's term, a scalar.

    ``embeddings`` (B, D) are told apart by their products with ``centroids`` (K, D), which get no
    gradient, divided by ``temperature`` (the paper has none); ``labels`` int64 (B,) name the
    centroid of each clip, -1 where a clip is left out. The mean is over the clips that count; zero,
    with a graph, where none does.

    The paper takes ``margin`` from the right centroid's product above the fraction only. There it
    is a constant: the loss is the cross-entropy plus the margin, and its gradient that of the
    cross-entropy alone. ``everywhere`` takes it above and below, as the released code does and as
    equation 3 does, and the margin works. A centroid of zeros is a product of zero like any other.

    Autocast is off: products of vectors that have no unit length need the digits.
    """
    counted = labels >= 0
    # Picked, not weighted by zero: what a clip that is left out holds may be NaN.
    targets = labels[counted]
    with torch.autocast(embeddings.device.type, enabled=False):
        logits = embeddings[counted].float() @ centroids.detach().float().T / temperature
    if everywhere:
        logits = logits - margin * F.one_hot(targets, len(centroids))
    own = logits.gather(1, targets[:, None])[:, 0]
    losses = logits.logsumexp(1) - own
    if not everywhere:
        losses = losses + margin
    return losses.sum() / max(len(targets), 1)
