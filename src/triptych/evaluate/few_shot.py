"""A few labelled examples of each class, drawn many times over, and the nearest class mean."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from triptych.clustering.whiten import unit
from triptych.evaluate.evaluator import Examples, Floats, Outcome, cross_validate
from triptych.evaluate.folds import Fold, Strings
from triptych.seeds import derive

DRAWS = 20


@dataclass(frozen=True)
class FewShot:
    """``shots`` labelled examples of each class of a training part; the nearest mean wins.

    Features less the mean of the whole training part, whose other labels are not read, at unit
    length (CL2N of Wang et al. 2019, SimpleShot, section 3). A class that has fewer examples gives
    all of them. Figures are means over ``draws`` draws of the labelled examples.
    """

    shots: int
    draws: int = DRAWS

    @property
    def name(self) -> str:
        """What rows and results call it."""
        return f"{self.shots}-shot"

    def __call__(self, examples: Examples, seed: int) -> Outcome:
        """Evaluate over the examples' folds; ``predictions`` are [N, draws]."""
        fewer: set[str] = set()

        def predict(train: Floats, labels: Strings, test: Floats, fold: Fold) -> Strings:
            names, counts = np.unique(labels, return_counts=True)
            fewer.update(names[counts < self.shots].tolist())
            mean = train.mean(axis=0, dtype=np.float64).astype(np.float32)
            train, test = unit(train - mean), unit(test - mean)
            drawn = [
                nearest_means(train, labels, test, self._draw(labels, seed, fold.name, number))
                for number in range(self.draws)
            ]
            return np.stack(drawn, axis=1)

        outcome = cross_validate(examples, predict, seed)
        protocol = {
            "classifier": "nearest class mean of the labelled examples",
            "normalisation": "less the mean of the training part, L2",
            "shots": self.shots,
            "draws": self.draws,
            "classes_with_fewer_examples": sorted(fewer),
            **outcome.protocol,
        }
        return Outcome(outcome.measures, outcome.predictions, protocol)

    def _draw(self, labels: Strings, seed: int, fold: str, number: int) -> NDArray[np.int64]:
        """Rows of at most ``shots`` examples of each class, without replacement."""
        random = np.random.default_rng(derive(seed, "few-shot", fold, number))
        order = random.permutation(len(labels))
        return np.concatenate(
            [order[labels[order] == name][: self.shots] for name in np.unique(labels)]
        )


def nearest_means(train: Floats, labels: Strings, test: Floats, rows: NDArray[np.int64]) -> Strings:
    """The label [M] whose mean over the ``rows`` of ``train`` is nearest to each of ``test``."""
    names, codes = np.unique(labels[rows], return_inverse=True)
    means = np.zeros((len(names), train.shape[1]), np.float32)
    np.add.at(means, codes, train[rows])
    means /= np.bincount(codes)[:, None]
    # The length of a test vector is the same in all its distances.
    distances = (means**2).sum(axis=1) - 2 * test @ means.T
    found: Strings = names[distances.argmin(axis=1)]
    return found
