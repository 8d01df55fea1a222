"""What an embedding still tells of the features it was made of (Chen et al., ICCV 2021)."""

from __future__ import annotations

from torch import Tensor


def reconstruction(made: Tensor, target: Tensor, *, mean: bool = False) -> Tensor:
    """Mean over clips of the squared distance |made - target|^2, a scalar.

    ``made`` and ``target`` (B, d). Equation 8 of Multimodal Clustering Networks, without its minus
    sign, which would reward the error. The paper sums over the d dimensions; ``mean`` averages over
    them, as the released code does, so that wide features weigh no more than narrow ones. Both
    sides get a gradient: the caller detaches a target that is not to come towards its
    reconstruction (the release detaches none). Zero, with a graph, of no clips.
    """
    apart = (made.float() - target.float()).square()
    losses = apart.mean(1) if mean else apart.sum(1)
    return losses.sum() / max(len(losses), 1)
