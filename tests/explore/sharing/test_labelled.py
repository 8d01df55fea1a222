import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from triptych.errors import UserError
from triptych.explore.sharing.labelled import Column, Counted, wilson

LABELS = np.array(["chop"] * 6 + ["stir"] * 4 + [""] * 2)
CLUSTERS = np.array([0, 0, 0, 0, 1, 1, 0, 1, 1, -1, 2, 0])
FILMS = np.array([0, 0, 1, 2, 3, 3, 4, 5, 6, 7, 8, 0])


def test_a_cluster_has_its_commonest_label_beside_chance() -> None:
    found = Counted(Column("motion", LABELS), CLUSTERS, 3, FILMS, 2, 0)
    first = found.of(0)
    assert first is not None
    assert (first.label, first.count, first.labelled, first.films) == ("chop", 4, 5, 4)
    assert first.others == [("chop", 4), ("stir", 1)]
    assert first.value == 0.8
    assert (first.low, first.high) == wilson(0.8, 4)
    # Five of nine, six of them chop: by counting, as many clips drawn without putting back.
    assert first.chance == pytest.approx(0.683, abs=0.02)
    assert not first.told
    assert found.of(2) is None  # none of its clips has a label
    assert found.purest is not None
    assert found.purest > first.chance


def test_many_films_tell_a_pure_cluster_from_chance() -> None:
    labels = np.array(["a"] * 20 + ["b"] * 20)
    clusters = np.repeat([0, 1], 20)
    column = Column("x", labels)
    apart = Counted(column, clusters, 2, np.arange(40), 5, 0).of(0)
    one = Counted(column, clusters, 2, clusters, 5, 0).of(0)
    assert apart is not None
    assert one is not None
    assert apart.value == one.value == 1.0
    assert apart.told
    assert not one.told  # of one film it may know that film


def test_one_label_for_all_is_refused() -> None:
    labels = np.array(["a", "a", "b"])
    with pytest.raises(UserError, match="all 2 clustered clips with a 'x' have the same"):
        Counted(Column("x", labels), np.array([0, 0, -1]), 1, np.arange(3), 1, 0)


@given(st.integers(1, 200), st.data())
def test_the_interval_is_wilsons(trials: int, data: st.DataObject) -> None:
    count = data.draw(st.integers(0, trials))
    expected = binomtest(count, trials).proportion_ci(0.95, "wilson")
    assert wilson(count / trials, trials) == pytest.approx((expected.low, expected.high), abs=1e-6)
