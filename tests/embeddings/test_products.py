import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from triptych.embeddings import products as module
from triptych.embeddings.products import error, from_halves, products, to_halves


def unit(x: np.ndarray) -> np.ndarray:
    return x / np.linalg.norm(x, axis=1, keepdims=True)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 999),
    count=st.integers(0, 50),
    dim=st.integers(1, 70),
    asked=st.integers(1, 5),
)
def test_products_are_numpys_within_the_bound(seed: int, count: int, dim: int, asked: int) -> None:
    draw = np.random.default_rng(seed)
    rows = unit(draw.normal(size=(count, dim)) ** 5).astype(np.float32)  # some numbers are tiny
    queries = unit(draw.normal(size=(asked, dim)))
    halves = to_halves(rows)
    found = products(halves, queries)
    assert found.shape == (asked, count)
    plain = queries @ from_halves(halves).astype(np.float64).T
    assert np.abs(found - plain).max(initial=0) <= error(dim)
    lost = np.linalg.norm(from_halves(halves) - rows, axis=1)
    assert (np.abs(found - queries @ rows.T.astype(np.float64)) <= lost + error(dim)).all()


def test_every_half_is_read_as_what_it_stands_for() -> None:
    halves = np.arange(2**16, dtype=np.uint16).view(np.float16)
    halves = halves[np.isfinite(halves)][:, None]
    found = products(halves, np.ones((1, 1)))[0]
    np.testing.assert_array_equal(found, from_halves(halves)[:, 0])


def test_threads_share_the_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "NUMBERS_A_THREAD", 100)
    monkeypatch.setattr(module, "available_cores", lambda: 3)
    draw = np.random.default_rng(0)
    rows = unit(draw.normal(size=(103, 7))).astype(np.float32)
    queries = unit(draw.normal(size=(2, 7)))
    np.testing.assert_allclose(products(to_halves(rows), queries), queries @ rows.T, atol=1e-3)
