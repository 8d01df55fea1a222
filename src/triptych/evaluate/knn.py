"""k nearest neighbours on frozen features, by cosine."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from triptych.evaluate.evaluator import Examples, Floats, Outcome, cross_validate
from triptych.evaluate.folds import Fold, Strings

QUERIES, DATABASE = 1024, 8192


@dataclass(frozen=True)
class NearestNeighbours:
    """Vote of the ``k`` nearest, each weighted by exp(cosine / temperature); plain without one.

    Wu et al. 2018 (InstDisc), section 3.4, there with k = 200 and 0.07. Equal votes go to the class
    that is first by name.
    """

    k: int = 20
    temperature: float | None = 0.07
    device: str = "cpu"
    name: str = "knn"

    def __call__(self, examples: Examples, seed: int) -> Outcome:
        """Evaluate over the examples' folds; ``k`` is at most the size of a training part."""
        outcome = cross_validate(examples, self._predict, seed)
        least = min(fold["n_train"] for fold in outcome.protocol["per_fold"])
        protocol = {
            "classifier": "k nearest neighbours, cosine",
            "normalisation": "L2",
            "k": min(self.k, least),
            "weights": "plain vote" if self.temperature is None else "exp(cosine / temperature)",
            "temperature": self.temperature,
            **outcome.protocol,
        }
        return Outcome(outcome.measures, outcome.predictions, protocol)

    def _predict(self, train: Floats, labels: Strings, test: Floats, _: Fold) -> Strings:
        names, codes = np.unique(labels, return_inverse=True)
        cosines, found = neighbours(test, train, self.k, self.device)
        return names[vote(cosines, codes[found], len(names), self.temperature)]


def neighbours(
    queries: Floats, database: Floats, k: int, device: str = "cpu"
) -> tuple[Floats, NDArray[np.int64]]:
    """Cosines and rows, [Q, min(k, N)] each, of the nearest of ``database`` [N, D], best first.

    Works in blocks: neither all distances nor a second copy of the database is ever in memory.
    """
    cosines, rows = [], []
    for start in range(0, len(queries), QUERIES):
        block = _unit(queries[start : start + QUERIES], device)
        best, where = _search(block, database, k)
        cosines.append(best.cpu().numpy())
        rows.append(where.cpu().numpy())
    return np.concatenate(cosines), np.concatenate(rows)


def vote(
    cosines: Floats, codes: NDArray[np.int64], classes: int, temperature: float | None
) -> NDArray[np.int64]:
    """The class [Q] with the most votes of neighbours of classes ``codes`` [Q, k]."""
    weights = np.ones_like(cosines)
    if temperature is not None:
        weights = np.exp((cosines - cosines[:, :1]) / temperature)
    votes = np.zeros((len(codes), classes), dtype=np.float64)
    np.add.at(votes, (np.arange(len(codes))[:, None], codes), weights)
    winners: NDArray[np.int64] = votes.argmax(axis=1)
    return winners


def _search(queries: Tensor, database: Floats, k: int) -> tuple[Tensor, Tensor]:
    best = torch.empty(len(queries), 0, device=queries.device)
    where = torch.empty(len(queries), 0, dtype=torch.int64, device=queries.device)
    for start in range(0, len(database), DATABASE):
        block = _unit(database[start : start + DATABASE], str(queries.device))
        near = (queries @ block.T).topk(min(k, len(block)), dim=1)
        joined = torch.cat([best, near.values], dim=1)
        rows = torch.cat([where, near.indices + start], dim=1)
        best, order = joined.topk(min(k, joined.shape[1]), dim=1)
        where = rows.gather(1, order)
    return best, where


def _unit(rows: Floats, device: str) -> Tensor:
    # A row of zeros stays zero and is as near to everything as anything at a right angle.
    return torch.nn.functional.normalize(torch.from_numpy(rows).to(device), dim=1)
