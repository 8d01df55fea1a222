"""A small mixture, ours and scikit-learn's, and rows that are roughly of it."""

from __future__ import annotations

import numpy as np
from sklearn.mixture import GaussianMixture

from triptych.descriptors.mixture import Doubles, Mixture
from triptych.descriptors.sample import Floats


def some(seed: int = 0, components: int = 3, width: int = 4) -> Mixture:
    random = np.random.default_rng(seed)
    return Mixture(
        random.dirichlet(np.full(components, 4.0)),
        random.normal(size=(components, width)),
        random.uniform(0.2, 2, (components, width)),
    )


def rows(mixture: Mixture, count: int, seed: int = 0) -> Floats:
    random = np.random.default_rng(seed)
    of = random.choice(len(mixture.weights), count, p=mixture.weights)
    noise = random.normal(size=(count, mixture.means.shape[1]))
    return (mixture.means[of] + noise * np.sqrt(mixture.variances[of])).astype(np.float32)


def scikit(weights: Doubles, means: Doubles, variances: Doubles) -> GaussianMixture:
    model = GaussianMixture(len(weights), covariance_type="diag")
    model.weights_, model.means_, model.covariances_ = weights, means, variances
    model.precisions_cholesky_ = 1 / np.sqrt(variances)
    return model
