import numpy as np
import pytest
import torch
from scipy.stats import norm

from tests.descriptors.mixtures import rows, scikit, some
from triptych.descriptors.fisher import Form, fisher_vector, gradient
from triptych.descriptors.mixture import Doubles, Mixture, Moments
from triptych.descriptors.sample import Floats


def moments(mixture: Mixture, x: Floats) -> Moments:
    return mixture.on("cpu").moments(torch.from_numpy(x))


def posteriors(mixture: Mixture, x: Floats) -> Doubles:
    """p(k | x) of each row, from densities."""
    density = norm.pdf(x[:, None], mixture.means, np.sqrt(mixture.variances)).prod(axis=2)
    joint: Doubles = mixture.weights * density
    return joint / joint.sum(axis=1, keepdims=True)


def equations_5_and_6(mixture: Mixture, x: Floats) -> Doubles:
    components, width = mixture.means.shape
    q = posteriors(mixture, x)
    total = np.zeros(2 * components * width)
    for n in range(len(x)):
        for k in range(components):
            for d in range(width):
                deviation = np.sqrt(mixture.variances[k, d])
                phi = (x[n, d] - mixture.means[k, d]) / deviation
                scale = q[n, k] / np.sqrt(mixture.weights[k])
                at = 2 * k * width + d
                total[at] += scale * phi
                total[at + width] += scale * (phi**2 - 1) / np.sqrt(2)
    return total / len(x)


def as_released(mixture: Mixture, x: Floats) -> Doubles:
    components, width = mixture.means.shape
    q = posteriors(mixture, x)
    total = np.zeros(2 * components * width)
    for n in range(len(x)):
        for k in range(components):
            for d in range(width):
                apart = x[n, d] - mixture.means[k, d]
                at = k * width + d
                total[at] += q[n, k] * apart
                total[at + components * width] -= q[n, k] * (apart**2 - mixture.variances[k, d])
    return total / len(x)


@pytest.mark.parametrize("seed", range(4))
def test_equations_5_and_6_as_loops(seed: int) -> None:
    mixture = some(seed)
    x = rows(mixture, 23, seed + 9)
    expected = equations_5_and_6(mixture, x)
    np.testing.assert_allclose(
        gradient(mixture, moments(mixture, x), "paper"), expected, rtol=1e-4, atol=1e-5
    )
    powered = np.sign(expected) * np.sqrt(np.abs(expected))
    vector = fisher_vector(mixture, moments(mixture, x), "paper", 0.5)
    np.testing.assert_allclose(vector, powered / np.linalg.norm(powered), atol=1e-3)


@pytest.mark.parametrize("seed", range(4))
def test_the_released_form_as_loops(seed: int) -> None:
    mixture = some(seed)
    x = rows(mixture, 23, seed + 9)
    np.testing.assert_allclose(
        gradient(mixture, moments(mixture, x), "released"),
        as_released(mixture, x),
        rtol=1e-4,
        atol=1e-5,
    )


def test_the_gradient_of_scikit_learns_log_likelihood_over_the_root_of_its_information() -> None:
    mixture = some(1)
    x = rows(some(5), 31, 2)  # of another mixture, so that no gradient is near zero
    names = ("means", "variances")
    parameters = {"weights": mixture.weights, "means": mixture.means}
    parameters["variances"] = mixture.variances
    slopes = {}
    for name in names:
        slopes[name] = np.zeros(mixture.means.shape)
        for place in np.ndindex(mixture.means.shape):
            ends = []
            for step in (1e-5, -1e-5):
                moved = parameters[name].copy()
                moved[place] += step
                ends.append(scikit(**{**parameters, name: moved}).score_samples(x).mean())
            slopes[name][place] = (ends[0] - ends[1]) / 2e-5
    # The Fisher information of hard assignments, Perronnin et al. 2010: w/variance for a mean,
    # w/(2 variance^2) for a variance.
    weights = mixture.weights[:, None]
    first = slopes["means"] * np.sqrt(mixture.variances / weights)
    second = slopes["variances"] * mixture.variances * np.sqrt(2 / weights)
    expected = np.stack([first, second], axis=1).reshape(-1)
    assert np.abs(expected).max() > 0.1
    np.testing.assert_allclose(
        gradient(mixture, moments(mixture, x), "paper"), expected, rtol=1e-3, atol=1e-4
    )


def test_the_released_form_is_neither_whitened_nor_of_one_sign_with_the_paper_s() -> None:
    mixture = some(2)
    sums = moments(mixture, rows(some(7), 40))
    paper = gradient(mixture, sums, "paper").reshape(3, 2, 4)
    released = gradient(mixture, sums, "released").reshape(2, 3, 4)
    assert (np.sign(paper[:, 0]) == np.sign(released[0])).all()
    assert (np.sign(paper[:, 1]) == -np.sign(released[1])).all()
    assert not np.allclose(np.abs(paper[:, 0]), np.abs(released[0]), rtol=0.05)


@pytest.mark.parametrize("form", ["paper", "released"])
def test_unit_length_for_one_row_and_zeros_for_none(form: Form) -> None:
    mixture = some()
    one = fisher_vector(mixture, moments(mixture, rows(mixture, 1)), form, 0.5)
    assert one.shape == (24,)
    assert one.dtype == np.float32
    assert np.linalg.norm(one) == pytest.approx(1, abs=1e-6)
    assert not fisher_vector(mixture, Moments.none(3, 4), form, 0.5).any()


def test_rows_of_the_mixture_itself_have_almost_no_gradient() -> None:
    """At the likeliest parameters the gradient is zero: an error of a factor or sign shows."""
    mixture = some(4)
    count = 40_000
    found = gradient(mixture, moments(mixture, rows(mixture, count)), "paper")
    # Each number is a mean of ``count`` rows whose variance is about one.
    assert np.abs(found).max() < 5 / np.sqrt(count)
