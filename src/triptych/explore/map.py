"""The clips on a plane: near ones are alike."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE

from triptych.clustering.whiten import unit
from triptych.embeddings.table import EmbeddingTable
from triptych.seeds import derive

MOST = 2_500  # t-SNE's time grows faster than the clips, and dots hide each other
FEWEST_FOR_TSNE = 30
DIMENSIONS = 50  # of the principal components that t-SNE starts from
PERPLEXITY = 30.0
ITERATIONS = 500


@dataclass(frozen=True)
class Map:
    """``rows`` of the table and their ``places`` (clips, 2) in [0, 1]; ``how`` they were found.

    ``drawn`` says whether there were more than fit.
    """

    rows: npt.NDArray[np.int64]
    places: npt.NDArray[np.float64]
    how: str
    drawn: bool


def lay_out(embeddings: EmbeddingTable, *, seed: int = 0, most: int = MOST) -> Map:
    """Place the clips by t-SNE (van der Maaten and Hinton 2008) of their joint vectors.

    Of more than ``most`` clips so many drawn at random; fewer than 30 by two principal components.
    """
    vectors, present = embeddings.vectors("vector_joint")
    rows = np.flatnonzero(present)
    drawn = len(rows) > most
    if drawn:
        draw = np.random.default_rng(derive(seed, "map"))
        rows = np.sort(draw.choice(rows, most, replace=False))
    x = unit(vectors[rows]).astype(np.float64)
    different = len(np.unique(x, axis=0))
    if different < FEWEST_FOR_TSNE:
        return Map(rows, _scaled(_principal(x, 2)), "two principal components", drawn)
    components = _principal(x, DIMENSIONS)
    perplexity = min(PERPLEXITY, (len(rows) - 1) / 3)
    places = TSNE(
        init=components[:, :2] / components[:, 0].std() * 1e-4,
        perplexity=perplexity,
        max_iter=ITERATIONS,
        random_state=derive(seed, "t-SNE") % 2**32,
    ).fit_transform(components)
    return Map(rows, _scaled(places), f"t-SNE, perplexity {perplexity:.0f}", drawn)


def _principal(x: npt.NDArray[np.float64], dimensions: int) -> npt.NDArray[np.float64]:
    """The first principal components (n, dimensions); zeros where there are fewer."""
    count = min(dimensions, *x.shape)
    found = np.zeros((len(x), dimensions if count < 2 else count))
    if len(x) > 1 and x.std(axis=0).any():
        found[:, :count] = PCA(count, svd_solver="full", random_state=0).fit_transform(x)
    return found


def _scaled(places: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Into the unit square, each axis by itself; a single point in its middle."""
    low, high = places.min(axis=0, initial=0), places.max(axis=0, initial=0)
    if len(places):
        low, high = places.min(axis=0), places.max(axis=0)
    span = np.where(high > low, high - low, 1)
    return np.asarray((places - low) / span + np.where(high > low, 0, 0.5))
