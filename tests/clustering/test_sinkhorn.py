import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from triptych.clustering.sinkhorn import matched, sinkhorn


def literal(
    scores: torch.Tensor, epsilon: float, iterations: int, rows: list[float], columns: list[float]
) -> list[list[float]]:
    """Sinkhorn's own scaling of exp(scores / epsilon), loop by loop, without logarithms."""
    plan = [[math.exp(score / epsilon) for score in row] for row in scores.double().tolist()]
    columns = [column * sum(rows) / sum(columns) for column in columns]
    for _ in range(iterations):
        for k, wanted in enumerate(columns):
            factor = wanted / sum(row[k] for row in plan)
            for row in plan:
                row[k] *= factor
        for i, wanted in enumerate(rows):
            factor = wanted / sum(plan[i])
            plan[i] = [value * factor for value in plan[i]]
    return plan


@settings(deadline=None, max_examples=50)
@given(
    count=st.integers(1, 9),
    clusters=st.integers(1, 6),
    seed=st.integers(0, 10_000),
    epsilon=st.sampled_from([0.05, 0.5, 3.0]),
    iterations=st.integers(1, 20),
    told=st.booleans(),
)
def test_it_is_the_plain_scaling(
    count: int, clusters: int, seed: int, epsilon: float, iterations: int, told: bool
) -> None:
    random = torch.Generator().manual_seed(seed)
    scores = torch.randn(count, clusters, generator=random)
    rows = torch.rand(count, generator=random) + 0.1 if told else None
    columns = torch.rand(clusters, generator=random) + 0.1 if told else None
    found = sinkhorn(scores, epsilon, iterations, rows=rows, columns=columns)
    expected = literal(
        scores,
        epsilon,
        iterations,
        [1.0] * count if rows is None else rows.tolist(),
        [1.0] * clusters if columns is None else columns.tolist(),
    )
    torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float64))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("told", [False, True])
def test_both_marginals_are_met(seed: int, told: bool) -> None:
    random = torch.Generator().manual_seed(seed)
    scores = torch.randn(120, 7, generator=random)
    rows = torch.rand(120, generator=random) if told else torch.ones(120)
    sizes = torch.tensor([1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 0.0]) if told else torch.ones(7)
    found = sinkhorn(scores, 0.3, 500, rows=rows, columns=sizes)
    assert (found >= 0).all()
    torch.testing.assert_close(found.sum(1), rows.double())
    torch.testing.assert_close(found.sum(0), sizes.double() / sizes.sum() * rows.double().sum())


@pytest.mark.parametrize("seed", range(3))
def test_at_a_small_epsilon_it_is_the_linear_programmes_optimum(seed: int) -> None:
    scores = torch.randn(6, 3, generator=torch.Generator().manual_seed(seed))
    sizes = [1.0, 2.0, 3.0]
    equal = [np.kron(np.eye(6)[i], np.ones(3)) for i in range(6)]
    equal += [np.kron(np.ones(6), np.eye(3)[k]) for k in range(3)]
    best = linprog(-scores.double().numpy().ravel(), A_eq=equal, b_eq=[1.0] * 6 + sizes)
    found = sinkhorn(scores, 0.002, 3000, columns=torch.tensor(sizes))
    assert (found * scores).sum().item() == pytest.approx(-best.fun, abs=1e-3)
    np.testing.assert_allclose(found.numpy(), best.x.reshape(6, 3), atol=0.02)
    # The plan is whole here, so its argmax has exactly the sizes that were asked for.
    assert torch.bincount(found.argmax(1)).tolist() == [1, 2, 3]


def test_larger_sizes_make_larger_clusters() -> None:
    # SeLaVi's release has it the other way round: correlation -.97.
    random = torch.Generator().manual_seed(0)
    scores, sizes = torch.randn(3000, 10, generator=random), torch.arange(1, 11).float()
    labels = sinkhorn(scores, 0.05, 200, columns=sizes).argmax(1)
    counts = torch.bincount(labels, minlength=10).double().numpy()
    assert np.corrcoef(counts, sizes.numpy())[0, 1] > 0.99


def test_scores_that_all_prefer_one_cluster_are_still_spread() -> None:
    random = torch.Generator().manual_seed(0)
    scores = torch.randn(400, 4, generator=random)
    scores[:, 2] += 100.0
    assert (scores.argmax(1) == 2).all()
    labels = sinkhorn(scores, 0.05, 300).argmax(1)
    assert torch.bincount(labels, minlength=4).tolist() == pytest.approx([100] * 4, abs=5)


def test_nothing_is_too_small_or_too_large_to_be_computed() -> None:
    random = torch.Generator().manual_seed(0)
    scores = 100 * torch.randn(50, 5, generator=random)
    found = sinkhorn(scores, 1e-4, 50)
    torch.testing.assert_close(found.sum(1), torch.ones(50, dtype=torch.float64))
    assert torch.isfinite(found).all()


def test_half_precision_is_solved_in_64_bits_and_without_a_gradient() -> None:
    random = torch.Generator().manual_seed(0)
    scores = torch.randn(20, 4, generator=random).to(torch.bfloat16).requires_grad_()
    found = sinkhorn(scores, 0.1, 20)
    torch.testing.assert_close(found, sinkhorn(scores.double(), 0.1, 20))
    assert not found.requires_grad


def test_sizes_are_matched_to_the_mass_that_clusters_draw() -> None:
    # Mass by hand: cluster 1 draws most, then 0, then 2.
    scores = torch.tensor([[0.0, 9.0, 0.0], [0.0, 9.0, 0.0], [9.0, 0.0, 0.0], [2.0, 2.0, 0.0]])
    assert matched(torch.tensor([1.0, 5.0, 3.0]), scores).tolist() == [3.0, 5.0, 1.0]


@pytest.mark.parametrize(
    ("rows", "columns", "words"),
    [
        (torch.ones(3), None, "rows: needs 4"),
        (None, torch.ones(3), "columns: needs 2"),
        (None, torch.tensor([1.0, -1.0]), "none below zero"),
        (None, torch.tensor([1.0, math.nan]), "finite"),
        (None, torch.tensor([1.0, math.inf]), "finite"),
        (torch.zeros(4), None, "not all zero"),
    ],
)
def test_marginals_that_no_plan_has_are_refused(
    rows: torch.Tensor | None, columns: torch.Tensor | None, words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        sinkhorn(torch.zeros(4, 2), 0.1, rows=rows, columns=columns)


def test_wrong_arguments_are_a_programming_error() -> None:
    for epsilon, iterations in ((0.0, 10), (-1.0, 10), (0.1, 0)):
        with pytest.raises(ValueError, match="above zero"):
            sinkhorn(torch.zeros(4, 2), epsilon, iterations)
