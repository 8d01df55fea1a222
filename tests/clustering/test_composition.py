from collections import Counter
from itertools import combinations, permutations
from math import log

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from triptych.clustering import agreement
from triptych.clustering.composition import by_chance, entropies, least_size, purities, tally

EVERY = np.ones(2, bool)


def test_a_table_by_hand() -> None:
    clusters = np.array([0, 0, 0, 0, 2, 2, 0])
    labels = np.array([1, 1, 1, 0, 2, 0, 2])
    counts = tally(clusters, labels, 3, 3)
    np.testing.assert_array_equal(counts, [[1, 3, 1], [0, 0, 0], [1, 0, 1]])
    np.testing.assert_allclose(purities(counts), [3 / 5, 0, 1 / 2])
    first = -(3 / 5 * log(3 / 5) + 2 / 5 * log(1 / 5))
    np.testing.assert_allclose(entropies(counts), [first, 0, log(2)])


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3)), min_size=1, max_size=80))
def test_the_means_over_clips_are_those_of_all_clusters(pairs: list[tuple[int, int]]) -> None:
    clusters, labels = np.array(pairs).T
    counts = tally(clusters, labels, 5, 4)
    for each, whole in ((purities, agreement.purity), (entropies, agreement.entropy)):
        mean = np.average(each(counts), weights=counts.sum(1))
        assert mean == pytest.approx(whole(clusters, labels), abs=1e-9)


def test_chance_is_the_mean_over_every_draw_of_that_size() -> None:
    labels = [0, 0, 0, 1, 1, 2]
    counts = np.array([[1, 1, 0], [2, 1, 1]])  # clusters of two and of four clips
    exact = [
        np.mean([max(Counter(some).values()) / size for some in combinations(labels, size)])
        for size in (2, 4)
    ]
    found = by_chance(counts, EVERY, seed=3, draws=20_000)
    np.testing.assert_allclose(found.purity, exact, atol=0.01)


def test_the_purest_by_chance_is_the_mean_of_the_highest_over_every_order() -> None:
    labels, sizes = [0, 0, 1, 1, 2], (2, 3)
    counts = np.array([[1, 1, 0], [1, 1, 1]])
    ways = [
        (max(Counter(way[:2]).values()) / sizes[0], max(Counter(way[2:]).values()) / sizes[1])
        for way in permutations(labels)
    ]
    found = by_chance(counts, EVERY, seed=0, draws=20_000)
    assert found.purest == pytest.approx(np.mean([max(way) for way in ways]), abs=0.01)
    assert found.least_pure == pytest.approx(np.mean([min(way) for way in ways]), abs=0.01)
    assert found.purest > found.purity.max() + 0.02
    alone = by_chance(counts, np.array([False, True]), seed=0, draws=20_000)
    assert alone.purest == alone.least_pure == pytest.approx(found.purity[1])


def test_a_small_draw_is_pure_by_chance_and_a_seed_repeats_it() -> None:
    counts = np.array([[1, 0, 0], [9, 3, 4]])
    found = by_chance(counts, EVERY, seed=1, draws=200)
    assert found.purity[0] == 1
    assert 9 / 16 <= found.purity[1] <= 10 / 16  # of ten among 17 one at most is missing
    again, other = (by_chance(counts, EVERY, seed=seed, draws=200) for seed in (1, 2))
    assert again.purity[1] == found.purity[1] != other.purity[1]


@pytest.mark.parametrize(
    ("clips", "k", "least"), [(0, 3, 5), (575, 8, 36), (575, 40, 8), (80, 8, 5), (81, 8, 6)]
)
def test_half_of_the_mean_size_and_five_at_least(clips: int, k: int, least: int) -> None:
    assert least_size(clips, k) == least
