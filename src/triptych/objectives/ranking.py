"""Max-margin ranking between two modalities (Miech et al., HowTo100M, ICCV 2019)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def max_margin_ranking(
    similarities: Tensor,
    margin: float,
    same_file: Tensor | None = None,
    *,
    within: float = 0.5,
) -> Tensor:
    """Equation 1 of the paper with its negatives weighted, a scalar, the mean over clips.

    ``similarities`` (B, B): entry (i, j) compares clip i in one modality with clip j in the other.
    For each clip i and each negative j the loss has max(0, margin + s_ij - s_ii) and
    max(0, margin + s_ji - s_ii): clip i is told from j along its row and along its column.

    The paper draws half of a clip's negatives from its own file, so that the scene alone does not
    answer. Here every other clip of the batch is a negative, and with ``same_file``, bool (B, B),
    true where two clips are of one file, the negatives of the clip's own file share the weight
    ``within`` (0 to 1) evenly among them, and those of other files share the rest. A clip that has
    negatives of one kind only gives them all the weight. Without ``same_file`` all count the same.
    Where an entry is minus infinity, j is no negative of i. A clip's weights add to one, so that
    margin and learning rate mean the same for any batch; the equation's plain sum is B - 1 times
    that. The released code, which weighs in the same way, counts the clip itself among the
    negatives of its file: a constant of two margins.

    The caller leaves out clips that lack one of the modalities. One clip alone has no negative:
    the loss is zero, with a graph and a gradient of zero, and so for none.
    """
    logits = similarities.float()
    own = logits.diagonal()
    # Both comparisons of clip i are in row i: the column is that of the transpose.
    costs = F.relu(margin + logits - own[:, None]) + F.relu(margin + logits.T - own[:, None])
    weights = _weights(logits.detach() > -torch.inf, same_file, within)
    return (costs * weights).sum() / max(len(logits), 1)


def _weights(others: Tensor, same_file: Tensor | None, within: float) -> Tensor:
    """The weight of each pair (clips, clips), of ``others`` but a clip itself; rows add to one."""
    others = others.fill_diagonal_(False)
    if same_file is None:
        return others.float() / others.sum(1, keepdim=True).clamp(min=1)
    near, far = others & same_file, others & ~same_file
    nears, fars = near.sum(1, keepdim=True), far.sum(1, keepdim=True)
    share = torch.where(fars == 0, 1.0, torch.where(nears == 0, 0.0, within))
    return near * share / nears.clamp(min=1) + far * (1 - share) / fars.clamp(min=1)
