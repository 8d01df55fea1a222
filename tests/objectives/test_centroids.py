import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from triptych.objectives.centroids import centroid_contrast


def literal(
    embeddings: torch.Tensor,
    centroids: torch.Tensor,
    labels: torch.Tensor,
    margin: float,
    *,
    everywhere: bool,
    temperature: float = 1.0,
) -> float:
    """Equation 6, term by term, in Python's own doubles."""
    total, counted = 0.0, 0
    for clip, own in zip(embeddings.double().tolist(), labels.tolist(), strict=True):
        if own < 0:
            continue
        above = below = 0.0
        for k, centroid in enumerate(centroids.double().tolist()):
            product = sum(a * b for a, b in zip(clip, centroid, strict=True)) / temperature
            taken = product - margin if k == own else product
            below += math.exp(taken if everywhere else product)
            above += math.exp(taken) if k == own else 0.0
        total += math.log(above / below)
        counted += 1
    return -total / max(counted, 1)


@settings(deadline=None, max_examples=50)
@given(
    clips=st.integers(1, 7),
    clusters=st.integers(1, 6),
    seed=st.integers(0, 10_000),
    margin=st.sampled_from([0.0, 0.001, 0.7]),
    everywhere=st.booleans(),
    temperature=st.sampled_from([1.0, 0.2]),
)
def test_it_is_the_equation_term_by_term(
    clips: int, clusters: int, seed: int, margin: float, everywhere: bool, temperature: float
) -> None:
    torch.manual_seed(seed)
    embeddings, centroids = torch.randn(clips, 3), torch.randn(clusters, 3)
    labels = torch.randint(-1, clusters, (clips,))
    expected = literal(
        embeddings, centroids, labels, margin, everywhere=everywhere, temperature=temperature
    )
    found = centroid_contrast(
        embeddings,
        centroids,
        labels,
        margin=margin,
        everywhere=everywhere,
        temperature=temperature,
    )
    assert found.item() == pytest.approx(expected, rel=1e-5, abs=1e-5)


def gradient(margin: float, *, everywhere: bool) -> tuple[float, torch.Tensor]:
    random = torch.Generator().manual_seed(3)
    embeddings = torch.randn(6, 4, generator=random).requires_grad_()
    centroids = torch.randn(5, 4, generator=random)
    labels = torch.tensor([0, 1, 4, 2, -1, 0])
    loss = centroid_contrast(embeddings, centroids, labels, margin=margin, everywhere=everywhere)
    loss.backward()
    assert embeddings.grad is not None
    plain = embeddings.detach().clone().requires_grad_()
    F.cross_entropy(plain @ centroids.T, labels, ignore_index=-1).backward()
    assert plain.grad is not None
    return loss.item(), embeddings.grad - plain.grad


def test_the_papers_margin_is_a_constant_and_the_releases_is_not() -> None:
    without, apart = gradient(0.0, everywhere=False)
    assert apart.abs().max() < 1e-6
    with_margin, apart = gradient(0.7, everywhere=False)
    assert apart.abs().max() < 1e-6
    assert with_margin == pytest.approx(without + 0.7, rel=1e-6)
    _, apart = gradient(0.7, everywhere=True)
    assert apart.abs().max() > 1e-2


def test_the_centroids_get_no_gradient() -> None:
    embeddings = torch.randn(3, 2).requires_grad_()
    centroids = torch.randn(4, 2).requires_grad_()
    labels = torch.tensor([0, 1, 2])
    centroid_contrast(embeddings, centroids, labels, margin=0.0).backward()
    assert centroids.grad is None
    assert embeddings.grad is not None


@pytest.mark.parametrize("everywhere", [False, True])
def test_a_clip_left_out_counts_in_nothing_whatever_it_holds(everywhere: bool) -> None:
    torch.manual_seed(0)
    centroids = torch.randn(4, 2)
    embeddings = torch.randn(3, 2)
    embeddings[1] = math.nan
    embeddings.requires_grad_()
    labels = torch.tensor([3, -1, 0])
    found = centroid_contrast(embeddings, centroids, labels, margin=0.1, everywhere=everywhere)
    found.backward()
    alone = literal(
        embeddings.detach()[[0, 2]],
        centroids,
        labels[[0, 2]],
        0.1,
        everywhere=everywhere,
    )
    assert found.item() == pytest.approx(alone, rel=1e-5)
    assert embeddings.grad is not None
    assert embeddings.grad[1].tolist() == [0.0, 0.0]
    assert torch.isfinite(embeddings.grad).all()


@pytest.mark.parametrize("everywhere", [False, True])
def test_where_no_clip_counts_the_loss_is_zero_with_a_graph(everywhere: bool) -> None:
    embeddings = torch.randn(3, 2).requires_grad_()
    labels = torch.full((3,), -1)
    found = centroid_contrast(
        embeddings, torch.randn(4, 2), labels, margin=0.1, everywhere=everywhere
    )
    found.backward()
    assert found.item() == 0.0
    assert embeddings.grad is not None
    assert embeddings.grad.abs().sum() == 0


def test_autocast_does_not_round_the_products() -> None:
    torch.manual_seed(0)
    embeddings, centroids = 10 * torch.randn(20, 64), torch.randn(8, 64)
    labels = torch.arange(20) % 8
    expected = literal(embeddings, centroids, labels, 0.0, everywhere=False)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = centroid_contrast(embeddings, centroids, labels, margin=0.0)
    assert found.dtype == torch.float32
    assert found.item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16])
def test_half_precision_is_multiplied_in_32_bits(kind: torch.dtype) -> None:
    torch.manual_seed(0)
    embeddings, centroids = torch.randn(20, 16).to(kind), torch.randn(8, 16)
    labels = torch.arange(20) % 8
    expected = literal(embeddings, centroids, labels, 0.001, everywhere=True)
    found = centroid_contrast(embeddings, centroids, labels, margin=0.001, everywhere=True)
    assert found.item() == pytest.approx(expected, rel=1e-5)
