from itertools import permutations
from math import log

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from triptych.clustering import agreement

labels = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 5)), min_size=2, max_size=200)


@settings(max_examples=100, deadline=None)
@given(labels)
def test_the_counts_and_the_rand_index_by_brute_force(pairs: list[tuple[int, int]]) -> None:
    clusters, truth = np.array(pairs).T
    counts = [
        [pairs.count((cluster, label)) for label in np.unique(truth)]
        for cluster in np.unique(clusters)
    ]
    np.testing.assert_array_equal(agreement.contingency(clusters, truth), counts)
    above = np.triu_indices(len(pairs), 1)
    one, other = ((part[:, None] == part)[above] for part in (clusters, truth))
    chance = one.mean() * other.mean()
    most = (one.mean() + other.mean()) / 2
    expected = 1 if most == chance else ((one & other).mean() - chance) / (most - chance)
    assert agreement.ari(clusters, truth) == pytest.approx(expected, abs=1e-9)


def test_ami_takes_away_the_mean_over_all_shuffles() -> None:
    clusters, truth = np.array([0, 0, 1, 1, 1, 2]), np.array([0, 0, 0, 1, 1, 2])
    shuffles = [metrics.mutual_info_score(truth, list(way)) for way in permutations(clusters)]
    chance = np.mean(shuffles)

    def spread(values: np.ndarray) -> float:
        shares = np.bincount(values) / len(values)
        return float(-np.sum(shares * np.log(shares)))

    most = (spread(clusters) + spread(truth)) / 2
    expected = (metrics.mutual_info_score(truth, clusters) - chance) / (most - chance)
    assert agreement.ami(clusters, truth) == pytest.approx(expected, abs=1e-12)


def test_ami_of_labellings_that_have_nothing_to_do_with_each_other_is_0() -> None:
    random = np.random.default_rng(0)
    clusters, truth = random.integers(250, size=20_000), random.integers(60, size=20_000)
    assert agreement.nmi(clusters, truth) > 0.05
    assert agreement.ami(clusters, truth) == pytest.approx(0, abs=0.01)


def test_by_hand() -> None:
    clusters = [0, 0, 0, 0, 1, 1]
    truth = ["a", "a", "a", "b", "b", "b"]
    assert agreement.purity(clusters, truth) == pytest.approx(5 / 6)
    assert agreement.purity(clusters, truth, weighted=False) == pytest.approx((3 / 4 + 1) / 2)
    mixed = -(3 / 4 * log(3 / 4) + 1 / 4 * log(1 / 4))
    assert agreement.entropy(clusters, truth) == pytest.approx(mixed * 4 / 6)
    assert agreement.entropy(clusters, truth, weighted=False) == pytest.approx(mixed / 2)
    information = 3 / 6 * log(3 * 6 / (4 * 3)) + 1 / 6 * log(6 / (4 * 3)) + 2 / 6 * log(12 / 6)
    whole = (-(4 / 6 * log(4 / 6) + 2 / 6 * log(2 / 6)) + log(2)) / 2
    assert agreement.nmi(clusters, truth) == pytest.approx(information / whole)
    # 15 pairs; together in both 3 + 1, in clusters 6 + 1, in truth 3 + 3.
    assert agreement.ari(clusters, truth) == pytest.approx((4 - 7 * 6 / 15) / (6.5 - 7 * 6 / 15))


def test_hungarian_accuracy_with_other_numbers_of_clusters_than_labels() -> None:
    truth = [0, 0, 1, 1, 2, 2]
    assert agreement.hungarian_accuracy([5, 5, 7, 7, 6, 6], truth) == 1
    assert agreement.hungarian_accuracy([0, 1, 2, 3, 4, 5], truth) == pytest.approx(3 / 6)
    assert agreement.hungarian_accuracy([0, 0, 0, 0, 1, 1], truth) == pytest.approx(4 / 6)
    # One to one, so 0 -> a is given up: 2 + 3 beats 3 + 0.
    assert agreement.hungarian_accuracy([0] * 5 + [1] * 3, list("aaabbaaa")) == pytest.approx(5 / 8)


def test_the_edges() -> None:
    assert agreement.nmi([0, 0], [1, 1]) == agreement.ami([0, 0], [1, 1]) == 1
    assert agreement.ari([0, 0], [1, 1]) == agreement.ari([0, 1, 2], [2, 1, 0]) == 1
    assert agreement.nmi([0, 0, 0], [0, 1, 2]) == agreement.ami([0, 0, 0], [0, 1, 2]) == 0
    assert agreement.ami([0, 1, 2], [2, 1, 0]) == agreement.nmi([0, 1, 2], [2, 1, 0]) == 1
    with pytest.raises(ValueError, match="N > 0"):
        agreement.nmi([], [])
    with pytest.raises(ValueError, match="labellings must be"):
        agreement.nmi([1, 2], [1])


def test_the_measures_of_equal_labellings_stay_within_1_and_small_clusters_raise_no_warning(
    recwarn: pytest.WarningsRecorder,
) -> None:
    random = np.random.default_rng(0)
    for size in range(22, 200):
        clusters = random.integers(size, size=size)
        assert agreement.nmi(clusters, clusters) <= 1
    assert not recwarn.list
