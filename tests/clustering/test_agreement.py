from itertools import permutations
from math import log

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from triptych.clustering import agreement

labels = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 5)), min_size=2, max_size=200)


@settings(max_examples=150, deadline=None)
@given(labels)
def test_equal_to_scikit_learn(pairs: list[tuple[int, int]]) -> None:
    clusters, truth = np.array(pairs).T
    assert agreement.nmi(clusters, truth) == pytest.approx(
        metrics.normalized_mutual_info_score(truth, clusters), abs=1e-9
    )
    assert agreement.ari(clusters, truth) == pytest.approx(
        metrics.adjusted_rand_score(truth, clusters), abs=1e-9
    )
    counts = agreement.contingency(clusters, truth)
    np.testing.assert_array_equal(counts.T, metrics.cluster.contingency_matrix(truth, clusters))


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


def test_ami_equals_scikit_learn_at_the_size_of_a_collection() -> None:
    random = np.random.default_rng(0)
    truth = random.integers(60, size=20_000)
    clusters = np.where(random.random(20_000) < 0.3, truth, random.integers(250, size=20_000))
    ours = agreement.ami(clusters, truth)
    assert ours == pytest.approx(metrics.adjusted_mutual_info_score(truth, clusters), abs=1e-7)
    assert agreement.ami(random.permutation(clusters), truth) == pytest.approx(0, abs=0.01)


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
