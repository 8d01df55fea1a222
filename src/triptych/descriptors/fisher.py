"""Fisher vectors: how a video's rows would move the means and variances of a mixture."""

from __future__ import annotations

from typing import Literal

import numpy as np

from triptych.clustering.whiten import unit
from triptych.descriptors.mixture import Doubles, Mixture, Moments
from triptych.descriptors.sample import Floats

Form = Literal["paper", "released"]


def fisher_vector(mixture: Mixture, moments: Moments, form: Form, power: float) -> Floats:
    """The Fisher vector float32 [2KD] of the rows that ``moments`` sums up; zeros for no rows.

    The mean gradient of a row, then the signed ``power`` of each number, then unit length.
    """
    vector = gradient(mixture, moments, form)
    return unit(np.asarray(np.sign(vector) * np.abs(vector) ** power, np.float32))


def gradient(mixture: Mixture, moments: Moments, form: Form) -> Doubles:
    """The mean over rows of their Fisher gradients, float64 [2KD]; zeros for no rows.

    ``paper`` is equations 5 and 6 of Tokmakov et al. 2020 (Perronnin et al. 2010): for each
    component k its D numbers q_k (x - mean)/(sd sqrt(w_k)), then its D numbers
    q_k ((x - mean)^2/variance - 1)/sqrt(2 w_k).

    ``released`` is what the paper's program computes: q_k (x - mean) of all components, then
    q_k (variance - (x - mean)^2) of all components, with no division by sd, w_k or 2.
    """
    q, means, variances = moments.q[:, None], mixture.means, mixture.variances
    first = moments.qx - means * q
    second = moments.qxx - 2 * means * moments.qx + (means**2 - variances) * q
    if form == "paper":
        weights = mixture.weights[:, None]
        first = first / np.sqrt(weights * variances)
        second = second / (variances * np.sqrt(2 * weights))
        both = np.stack([first, second], axis=1)
    else:
        both = np.stack([first, -second])
    vector: Doubles = both.reshape(-1) / max(moments.rows, 1)
    return vector
