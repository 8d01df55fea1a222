"""Draws of clips that every teaching edge sees as uniform over its clusters.

DeepCluster's release means to do this and does not: its sampler yields positions of the collection
for a list in the order of clusters, so that balancing is lost (and Rai et al. inherit it).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from triptych.errors import UserError

Labels = npt.NDArray[np.int64]
NOBODY = (
    "training: no clip has both a teacher and a student modality; "
    "choose other modalities, or method=sdc"
)


@dataclass(frozen=True)
class Draws:
    """One epoch: the rows to visit, in order, and each edge's weight of each of them."""

    rows: npt.NDArray[np.int64]  # (draws,)
    weights: dict[str, npt.NDArray[np.float32]]  # edge -> (draws,)


def balanced_draws(labels: Mapping[str, Labels], count: int, seed: int) -> Draws:
    """``count`` draws, shared out equally over edges, and over clusters within each edge.

    ``labels``: for each edge, the teacher's cluster of every clip, -1 where the edge cannot use
    the clip. With several edges a batch is a mixture; the weight p_edge / p_mixture (the balance
    heuristic of Veach and Guibas, SIGGRAPH 1995, equation 14) makes the mean over draws, for each
    edge, the mean over its clusters of the mean within each. With one edge every weight is 1.
    """
    generator = np.random.default_rng(seed)
    usable = {edge: values for edge, values in labels.items() if (values >= 0).any()}
    if not usable:
        raise UserError(NOBODY)
    shares = _shares(count, len(usable), generator)
    rows = np.concatenate(
        [
            _draw(values, share, generator)
            for values, share in zip(usable.values(), shares, strict=True)
        ]
    )
    rows = generator.permutation(rows)
    densities = {edge: _density(values)[rows] for edge, values in usable.items()}
    mixture = np.mean(list(densities.values()), axis=0)
    weights = {
        edge: (densities[edge] / mixture if edge in densities else np.zeros(count)).astype(
            np.float32
        )
        for edge in labels
    }
    return Draws(rows, weights)


def plain_draws(labels: Mapping[str, Labels], count: int, seed: int) -> Draws:
    """``count`` draws uniform over the clips that any edge can use, none twice before all once.

    What DeepCluster's release does in effect; every weight is 1.
    """
    generator = np.random.default_rng(seed)
    usable = np.flatnonzero(np.any([values >= 0 for values in labels.values()], axis=0))
    if not len(usable):
        raise UserError(NOBODY)
    rounds = -(-count // len(usable))
    rows = np.concatenate([generator.permutation(usable) for _ in range(rounds)])[:count]
    return Draws(rows, {edge: np.ones(count, np.float32) for edge in labels})


def draws_by_file(
    labels: Mapping[str, Labels], files: Labels, count: int, per_file: int, seed: int
) -> Draws:
    """``count`` draws, every ``per_file`` of them of one file; every weight is 1.

    ``files`` (clips,): which file each clip is of. Uniform over the files with a clip that any edge
    can use, none twice before all once; and then over these clips of it, of which one comes twice
    only where there are fewer than ``per_file``.
    """
    generator = np.random.default_rng(seed)
    usable = np.flatnonzero(np.any([values >= 0 for values in labels.values()], axis=0))
    if not len(usable):
        raise UserError(NOBODY)
    order = usable[np.argsort(files[usable], kind="stable")]
    held = np.split(order, np.flatnonzero(np.diff(files[order])) + 1)
    runs = -(-count // per_file)
    visits = [generator.permutation(len(held)) for _ in range(-(-runs // len(held)))]
    rows = [
        np.concatenate(
            [generator.permutation(held[one]) for _ in range(-(-per_file // len(held[one])))]
        )[:per_file]
        for one in np.concatenate(visits)[:runs]
    ]
    return Draws(
        np.concatenate(rows)[:count], {edge: np.ones(count, np.float32) for edge in labels}
    )


def _shares(total: int, parts: int, generator: np.random.Generator) -> npt.NDArray[np.int64]:
    """``total`` in ``parts`` that differ by at most one; who gets the odd ones is drawn."""
    shares = np.full(parts, total // parts)
    shares[generator.permutation(parts)[: total % parts]] += 1
    return shares


def _draw(labels: Labels, count: int, generator: np.random.Generator) -> npt.NDArray[np.int64]:
    """``count`` rows, equally many from every cluster; within one, none twice before all once."""
    clusters = np.unique(labels[labels >= 0])
    drawn = []
    for cluster, share in zip(clusters, _shares(count, len(clusters), generator), strict=True):
        members = np.flatnonzero(labels == cluster)
        rounds = -(-int(share) // len(members))
        passes = [generator.permutation(members) for _ in range(rounds)]
        drawn.append(np.concatenate([*passes, members[:0]])[:share])
    return np.concatenate(drawn)


def _density(labels: Labels) -> npt.NDArray[np.float64]:
    """The probability of each clip when clusters are drawn uniformly, then clips within one."""
    known = labels >= 0
    sizes = np.bincount(labels[known])
    density = np.zeros(len(labels))
    density[known] = 1.0 / (np.count_nonzero(sizes) * sizes[labels[known]])
    return density
