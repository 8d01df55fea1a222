import numpy as np
import pytest

from triptych.clustering.agreement import nmi
from triptych.evaluate.bootstrap import (
    agreement,
    around,
    draws_for,
    median,
    medians,
    paired_difference,
    share,
    spread,
)


def test_three_groups_by_hand() -> None:
    # Groups hold 2 of 2, 1 of 2 and 0 of 4 right. All 27 draws of three are equally likely.
    right = [1, 1, 1, 0, 0, 0, 0, 0]
    groups = list("aabbcccc")
    sums, counts = np.array([2, 1, 0]), np.array([2, 2, 4])
    draws = np.array([[a, b, c] for a in range(3) for b in range(3) for c in range(3)])
    exact = sums[draws].sum(1) / counts[draws].sum(1)
    found = share(right, groups, 0)
    assert found.value == pytest.approx(3 / 8)
    # 1/27 = 3.7 % of the draws are ccc and as many aaa, so the outer 2.5 % are 0 and 1.
    assert (found.low, found.high) == (exact.min(), exact.max()) == (0, 1)


def test_without_groups_it_is_the_binomial_interval() -> None:
    right = np.arange(400) < 300
    found = share(right, np.arange(400), 1)
    width = 1.96 * np.sqrt(0.75 * 0.25 / 400)
    assert found.low == pytest.approx(0.75 - width, abs=0.004)
    assert found.high == pytest.approx(0.75 + width, abs=0.004)


def test_groups_that_stand_or_fall_together_widen_the_interval() -> None:
    right = np.repeat(np.arange(20) < 15, 20)
    alone, together = share(right, np.arange(400), 0), share(right, np.repeat(np.arange(20), 20), 0)
    assert alone.value == together.value
    assert together.high - together.low > 3 * (alone.high - alone.low)


def test_class_accuracy_gives_each_class_the_same_weight() -> None:
    right, classes = [1] * 90 + [0] * 10, [0] * 90 + [1] * 10
    assert share(right, range(100), 0, classes=classes) == (0.5, 0.5, 0.5)


def test_paired_difference_sees_what_two_intervals_hide() -> None:
    random = np.random.default_rng(0)
    hard = random.random(300)
    worse, better = hard < 0.5, hard < 0.56
    found = paired_difference(better, worse, np.arange(300), 0)
    assert found.value == pytest.approx(np.mean(better) - np.mean(worse))
    assert found.low > 0
    assert share(better, np.arange(300), 0).low < share(worse, np.arange(300), 0).high
    assert paired_difference(worse, worse, np.arange(300), 0) == (0, 0, 0)


def test_the_same_seed_draws_the_same_for_every_measure() -> None:
    right = np.arange(50) % 3 == 0
    assert share(right, np.arange(50), 4) == share(right, np.arange(50), 4)
    assert share(right, np.arange(50), 4) != share(right, np.arange(50), 5)


def test_agreement_holds_its_value_and_repeats_rows_of_a_drawn_group() -> None:
    random = np.random.default_rng(0)
    truth = random.integers(4, size=200)
    clusters = np.where(random.random(200) < 0.6, truth, random.integers(40, size=200))
    seen = []

    def statistic(rows: np.ndarray) -> float:
        seen.append(np.bincount(rows, minlength=200))
        return nmi(clusters[rows], truth[rows])

    groups = np.arange(200) // 2
    found = agreement(statistic, groups, 0, 200)
    assert found.low < found.value == nmi(clusters, truth) < found.high
    for times in seen[1:]:
        assert times.sum() == 200
        np.testing.assert_array_equal(times[::2], times[1::2])


def test_agreement_covers_the_truth_where_a_plain_percentile_misses_it() -> None:
    # Independent labellings of 60 clips: the plug-in NMI is all chance, and repeats double it.
    random = np.random.default_rng(1)
    truth, clusters = random.integers(5, size=60), random.integers(20, size=60)
    value = nmi(clusters, truth)
    draws = random.integers(60, size=(300, 60))
    plain = np.percentile([nmi(clusters[rows], truth[rows]) for rows in draws], 2.5)
    assert plain > value
    found = agreement(lambda rows: nmi(clusters[rows], truth[rows]), np.arange(60), 0, 300)
    assert found.low < value < found.high


def test_many_groups_get_fewer_draws() -> None:
    assert draws_for(46) == 10_000
    assert draws_for(5_000) == 4_000
    assert draws_for(10**6) == 1_000
    assert draws_for(46, 500) == draws_for(10**6, 500) == 500


def test_the_same_groups_are_drawn_whatever_is_measured() -> None:
    groups = np.repeat(np.arange(6), 2)
    values = np.arange(12.0)
    value, draws = spread(lambda rows: float(values[rows].mean()), groups, 3, 50)
    twice = spread(lambda rows: float(2 * values[rows].mean()), groups, 3, 50)
    assert (value, len(draws)) == (5.5, 50)
    assert twice[1] == pytest.approx(2 * draws)
    low, high = np.percentile(draws, [2.5, 97.5]) - draws.mean() + 5.5
    assert around(value, draws) == pytest.approx((5.5, low, high))


def test_weights_count_an_example_so_many_times() -> None:
    values, groups, weights = [1.0, 0.5, 0.0], list("abc"), [2, 4, 1]
    found = share(values, groups, 0, weights=weights)
    repeated = share(np.repeat(values, weights), np.repeat(groups, weights), 0)
    assert found == pytest.approx(repeated)
    assert found.value == pytest.approx(4 / 7)
    # A class without a weight has no mean and no say.
    by_class = share(values, list("aaa"), 0, weights=[2, 4, 0], classes=list("xxy"))
    assert by_class == pytest.approx((4 / 6,) * 3)


def test_the_median_and_its_interval_by_hand() -> None:
    # Of 27 draws of three groups of one, each value is the median of 7, 13 and 7.
    found = median([[1.0], [2.0], [9.0]], list("abc"), 0)
    assert tuple(found) == (2.0, 1.0, 9.0)
    value, draws = medians([[1.0], [2.0], [9.0]], list("abc"), 0)
    assert value == 2.0
    assert (draws == 2.0).mean() == pytest.approx(13 / 27, abs=0.05)
    assert median([[1.0, 5.0], [2.0, 5.0], [9.0, 5.0]], list("abc"), 0).value == 3.5
