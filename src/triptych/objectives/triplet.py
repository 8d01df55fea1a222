"""The triplet term between two modalities (Rai et al., 2020, equation 3)."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F


def triplet(
    anchors: Tensor,
    others: Tensor,
    clusters: Tensor,
    *,
    margin: float,
    negatives: Literal["random", "semi-hard"] = "random",
    unit: bool = True,
) -> Tensor:
    """Mean over clips of max(|a - p|^2 - |a - n|^2 + margin, 0), a scalar.

    ``anchors`` and ``others`` (clips, dim): a clip's positive is its own row of ``others``, its
    negative the row of a clip in another cluster, drawn anew at every call; the distance is
    squared, as in the paper, not plain, as in its release. ``clusters`` int64 (clips,), negative
    where a clip has no pair. With ``unit`` vectors are compared at unit length, so that the margin
    means the same throughout training. "semi-hard" takes the nearest negative that is farther than
    the positive, or where none is the farthest of all (Schroff et al., FaceNet, CVPR 2015, section
    3.2). Zero, without a gradient, where all clips are in one cluster.
    """
    anchors, others = anchors.float(), others.float()
    if unit:
        anchors, others = F.normalize(anchors, dim=1), F.normalize(others, dim=1)
    known = clusters >= 0
    allowed = (clusters[:, None] != clusters[None]) & known[:, None] & known[None]
    rows = allowed.any(1).nonzero()[:, 0]
    if not len(rows):
        return anchors.new_zeros(())
    with torch.no_grad():
        chosen = _negatives(anchors[rows], others, rows, allowed[rows], negatives)
    near = (anchors[rows] - others[rows]).square().sum(1)
    far = (anchors[rows] - others[chosen]).square().sum(1)
    return F.relu(near - far + margin).mean()


def _negatives(anchors: Tensor, others: Tensor, rows: Tensor, allowed: Tensor, how: str) -> Tensor:
    """The row of ``others`` that each anchor, itself row ``rows``, is set against."""
    if how == "random":
        return torch.multinomial(allowed.float(), 1)[:, 0]
    distances = torch.cdist(anchors, others)
    positive = distances.gather(1, rows[:, None])
    moderate = allowed & (distances > positive)
    nearest = distances.masked_fill(~moderate, torch.inf).argmin(1)
    farthest = distances.masked_fill(~allowed, -torch.inf).argmax(1)
    return torch.where(moderate.any(1), nearest, farthest)
