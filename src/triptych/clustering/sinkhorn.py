"""Balanced clusters: scores to a soft assignment of given cluster sizes, by optimal transport."""

from __future__ import annotations

import torch
from torch import Tensor


@torch.no_grad()
def sinkhorn(
    scores: Tensor,
    epsilon: float,
    iterations: int = 100,
    *,
    rows: Tensor | None = None,
    columns: Tensor | None = None,
) -> Tensor:
    """The soft assignment float64 (N, K) of N rows to K clusters; its argmax is a balanced label.

    ``scores`` (N, K), larger where a row fits a cluster better. The result Q maximises
    sum Q * scores + epsilon * entropy(Q) (Cuturi, NeurIPS 2013) among those whose rows add to
    ``rows`` (N,), one for each row by default, and whose columns are in proportion to ``columns``
    (K,), the sizes of the clusters in any unit, all alike by default. SeLaVi (Asano et al., NeurIPS
    2020) has the sum of both modalities' log-probabilities as its scores and an epsilon of 2 / 20.

    The sizes are wanted sizes: a column of size 2 gets twice the mass of a column of size 1.
    SeLaVi's released code puts 1 / size where the size belongs, so that the clusters that should be
    large become small; and its search for the cluster that fits a size sorts a tensor of one
    column, which changes nothing: see ``matched``.

    Each of the ``iterations`` scales the columns and then the rows, in logarithms, so that no
    epsilon is too small to be computed, and in float64; it ends on the rows: they add up exactly,
    and a row is a distribution over the clusters. Columns are met in the limit, the later the
    smaller epsilon is against the spread of the scores. Of one row, labels of a large epsilon may
    still crowd: balance is of the mass. Raises ValueError for marginals that no plan can have.
    """
    if epsilon <= 0 or iterations < 1:
        raise ValueError(f"epsilon={epsilon}, iterations={iterations}: must be above zero")
    plan = scores.double() / epsilon
    row = _marginal(rows, len(plan), plan.device, "rows")
    column = _marginal(columns, plan.shape[1], plan.device, "columns")
    log_row, log_column = row.log(), (column * (row.sum() / column.sum())).log()
    row_scale = torch.zeros_like(log_row)
    for _ in range(iterations):
        column_scale = log_column - (plan + row_scale[:, None]).logsumexp(0)
        row_scale = log_row - (plan + column_scale).logsumexp(1)
    return (plan + column_scale + row_scale[:, None]).exp()


@torch.no_grad()
def matched(sizes: Tensor, scores: Tensor) -> Tensor:
    """``sizes`` (K,) in another order: the largest for the cluster that draws most mass, and so on.

    The mass is the sum over rows of softmax(``scores`` (N, K)): what each cluster would hold if
    nothing were balanced. SeLaVi draws its unequal sizes at random, and this is the order that it
    means to give them.
    """
    order = scores.double().softmax(1).sum(0).argsort(stable=True)
    found = torch.empty_like(sizes)
    found[order] = sizes.sort().values
    return found


def _marginal(given: Tensor | None, count: int, device: torch.device, name: str) -> Tensor:
    if given is None:
        return torch.ones(count, dtype=torch.float64, device=device)
    marginal = given.to(device, torch.float64)
    if (
        marginal.shape != (count,)
        or not (marginal >= 0).all()
        or not 0 < marginal.sum() < torch.inf
    ):
        raise ValueError(f"{name}: needs {count} finite numbers, none below zero, not all zero")
    return marginal
