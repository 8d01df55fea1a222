import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from tests.embeddings.test_table import manifest
from triptych.embeddings.table import EmbeddingTable
from triptych.explore.map import lay_out


def table(vectors: np.ndarray, present: np.ndarray | None = None) -> EmbeddingTable:
    count = len(vectors)
    has = np.ones(count, bool) if present is None else present
    return EmbeddingTable.build(manifest(count), {"vector_joint": (vectors, has)}, "c")


def groups(count: int = 120) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(0)
    truth = np.arange(count) % 4
    vectors = np.eye(4, 12)[truth] * 6 + draw.normal(size=(count, 12)) * 0.4
    return vectors.astype(np.float32), truth


def test_clips_that_are_alike_lie_together() -> None:
    vectors, truth = groups()
    chart = lay_out(table(vectors))
    assert chart.how == "t-SNE, perplexity 30"
    assert (chart.places >= 0).all()
    assert (chart.places <= 1).all()
    near = NearestNeighbors(n_neighbors=6).fit(chart.places).kneighbors(return_distance=False)
    assert (truth[near] == truth[:, None]).mean() > 0.95


def test_it_is_the_same_each_time_and_says_when_it_shows_a_part() -> None:
    vectors, _ = groups()
    present = np.arange(120) % 10 != 0
    one = lay_out(table(vectors, present), most=50)
    two = lay_out(table(vectors, present), most=50)
    assert one.drawn
    assert len(one.rows) == 50
    assert present[one.rows].all()
    np.testing.assert_array_equal(one.rows, two.rows)
    np.testing.assert_allclose(one.places, two.places)
    assert not lay_out(table(vectors, present)).drawn


@pytest.mark.parametrize("count", [1, 2, 3, 20])
def test_few_clips_are_placed_by_principal_components(count: int) -> None:
    chart = lay_out(table(groups()[0][:count]))
    assert chart.how == "two principal components"
    assert chart.places.shape == (count, 2)
    assert np.isfinite(chart.places).all()


def test_clips_that_are_all_the_same_and_none_at_all() -> None:
    same = lay_out(table(np.ones((50, 3), np.float32)))
    np.testing.assert_allclose(same.places, same.places[[0]].repeat(50, axis=0), atol=1e-9)
    nothing = lay_out(table(np.ones((3, 2), np.float32), np.zeros(3, bool)))
    assert nothing.places.shape == (0, 2)
