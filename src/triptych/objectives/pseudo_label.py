"""Cross-entropy against cluster labels (DeepCluster; XDC, Alwassel et al. 2020, section 3)."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F


def pseudo_label(logits: Tensor, labels: Tensor, weights: Tensor, smoothing: float = 0.0) -> Tensor:
    """Weighted mean cross-entropy, a scalar; its gradient is zero where nothing is labelled.

    ``logits`` (clips, k); ``labels`` int64 (clips,), negative where the clip has none;
    ``weights`` (clips,) make the draw count as uniform over clusters: the sum is divided by the
    number of clips, not by the sum of weights, which keeps the estimate unbiased.
    """
    known = labels >= 0
    losses = F.cross_entropy(
        logits.float(), labels.clamp(min=0), reduction="none", label_smoothing=smoothing
    )
    return (losses * weights * known).sum() / max(len(labels), 1)
