from dataclasses import replace

import numpy as np
import pytest

from triptych.evaluate.tally import Tally, together

NAMES = np.array(list("abcdef"))
GROUPS = np.array(list("xxyyzz"))


def tally(values: list[float], **more: object) -> Tally:
    return Tally("m", np.array(values)[:, None], NAMES, GROUPS, **more)


def test_recall_is_pooled_or_averaged_as_asked() -> None:
    """The toy case of the reference: 7 of 7 steps and 0 of 4 are 0.64 pooled, 0.50 by video."""
    recall, steps = np.array([[1.0], [0.0]]), np.array([7.0, 4.0])
    videos = Tally("r", recall, NAMES[:2], NAMES[:2], classes=np.array(["t", "t"]))
    assert videos.value == 0.5
    assert replace(videos, weights=steps).value == pytest.approx(7 / 11)
    assert replace(videos, weights=steps).interval().value == pytest.approx(7 / 11)
    # A second task of one video counts as much as the first.
    other = Tally(
        "r", np.array([[1.0], [0.0], [0.25]]), NAMES[:3], NAMES[:3], np.array([7.0, 4.0, 4.0]),
        np.array(["t", "t", "u"]),
    )  # fmt: skip
    assert other.value == pytest.approx((7 / 11 + 0.25) / 2)
    assert other.interval().value == pytest.approx(other.value)


def test_several_runs_are_their_mean_and_keep_their_own_figures() -> None:
    one, two = tally([1, 0, 0, 0, 1, 1]), tally([0, 0, 0, 0, 0, 1])
    shuffled = two._take(np.array([5, 3, 1, 0, 2, 4]))
    both = together([one, shuffled])
    assert both.names.tolist() == NAMES.tolist()
    assert both.each == pytest.approx([3 / 6, 1 / 6])
    assert both.value == pytest.approx(2 / 6)
    assert both.measure(0).n == 6
    fewer = together([one, two._take(np.array([4, 5]))])
    assert fewer.names.tolist() == ["e", "f"]
    assert fewer.each == [1.0, 0.5]
    with pytest.raises(ValueError, match="no example"):
        together([one._take(np.array([0])), two._take(np.array([1]))])


def test_medians_of_runs_are_averaged_not_the_runs() -> None:
    one, two = tally([1, 1, 1, 9, 9, 9], statistic="median"), tally([4, 4, 4, 4, 4, 4])
    both = together([one, replace(two, statistic="median")])
    assert both.each == [5.0, 4.0]
    assert both.value == 4.5
    found = both.interval()
    assert found.value == 4.5
    assert found.low == pytest.approx((1 + 4) / 2)
    assert found.high == pytest.approx((9 + 4) / 2)


@pytest.mark.parametrize("statistic", ["mean", "median"])
def test_a_difference_is_drawn_with_both(statistic: str) -> None:
    values = np.array([3.0, 8, 1, 12, 6, 30])
    worse, better = tally(values.tolist()), tally((values - 2).tolist())
    worse, better = replace(worse, statistic=statistic), replace(better, statistic=statistic)
    found = better.over(worse)
    # Two less in every example: in every draw, whichever it is.
    assert tuple(found) == pytest.approx((-2, -2, -2))
    assert better.interval().high > worse.interval().low
    assert better.over(worse._take(np.array([0, 1]))).value == pytest.approx(-2)


def test_columns_of_other_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="2 for 6"):
        tally([0] * 6, weights=np.ones(2))
