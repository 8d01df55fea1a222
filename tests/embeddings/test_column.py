import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics.pairwise import cosine_similarity

from triptych.embeddings.column import Column
from triptych.errors import UserError


def cone(draw: np.random.Generator, count: int, dim: int, width: float) -> np.ndarray:
    """Vectors in a cone, narrow where ``width`` is small, some of them zeros."""
    vectors = 1 + width * draw.normal(size=(count, dim))
    vectors[draw.random(count) < 0.05] = 0
    return vectors.astype(np.float32)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 999),
    count=st.integers(1, 60),
    dim=st.integers(2, 40),
    width=st.sampled_from([1e-3, 0.1, 5.0]),
    share=st.sampled_from([0.0, 0.5, 1.0]),
)
def test_both_ways_are_kappa_of_scikit_learns_cosines(
    seed: int, count: int, dim: int, width: float, share: float
) -> None:
    draw = np.random.default_rng(seed)
    vectors, present = cone(draw, count, dim, width), draw.random(count) < share
    queries = cone(draw, 3, dim, width).astype(float)
    queries[queries.sum(axis=1) == 0] = 1.0
    column = Column.of("vector_video", vectors, present)
    quick, off = column.above_chance(queries)
    assert quick.shape == (3, count)
    for query, found, bound in zip(queries, quick, off, strict=True):
        exact = column.exactly(query, np.arange(count))
        assert np.abs(found - exact).max() <= bound
        expected = np.zeros(count)
        if present.any():
            cosines = cosine_similarity(query[None], vectors[present].astype(float))[0]
            expected[present] = (cosines - cosines.mean()) / (1 - cosines.mean())
            slack = 3e-9 / (1 - cosines.mean())
            np.testing.assert_allclose(exact, expected, atol=max(1e-9, slack))
        some = draw.permutation(count)[: count // 2]
        np.testing.assert_array_equal(column.exactly(query, some), exact[some])


def test_a_narrow_cone_costs_half_precision_nothing() -> None:
    draw = np.random.default_rng(0)
    vectors = (1 + 1e-3 * draw.normal(size=(500, 64))).astype(np.float32)
    column = Column.of("vector_video", vectors, np.ones(500, bool))
    query = vectors[7:8].astype(float)
    quick, _ = column.above_chance(query)
    np.testing.assert_allclose(quick[0], column.exactly(query[0], np.arange(500)), atol=2e-2)
    assert quick[0].argmax() == 7


def test_clips_all_alike_are_none_of_them_near() -> None:
    column = Column.of("vector_video", np.ones((5, 4), np.float32), np.ones(5, bool))
    quick, _ = column.above_chance(np.ones((1, 4)))
    assert not quick.any()
    assert not column.exactly(np.ones(4), np.arange(5)).any()


def test_what_cannot_be_compared_is_said() -> None:
    vectors = np.ones((3, 4), np.float32)
    column = Column.of("shared_text", vectors, np.ones(3, bool))
    with pytest.raises(UserError, match="query's shared_text has 2 numbers and the clips' has 4"):
        column.above_chance(np.ones((1, 2)))
    with pytest.raises(UserError, match="shared_text: vectors that are not finite"):
        Column.of("shared_text", vectors * np.nan, np.ones(3, bool))
