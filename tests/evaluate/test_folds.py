import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from triptych.errors import UserError
from triptych.evaluate.folds import by_column, by_group, by_split


def test_folds_of_a_column_test_everything_once() -> None:
    folds = by_column(np.array(["1", "2", "1", "3"]))
    assert [fold.name for fold in folds] == ["1", "2", "3"]
    assert folds[0].test.tolist() == [0, 2]
    assert folds[0].train.tolist() == [1, 3]


def test_a_split_gives_one_fold() -> None:
    (fold,) = by_split(np.array(["train", "test", "train"]))
    assert (fold.train.tolist(), fold.test.tolist()) == ([0, 2], [1])


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 3)), min_size=8, max_size=80))
def test_drawn_folds_keep_groups_whole_and_test_everything_once(pairs: list) -> None:
    groups, labels = (np.array(column).astype(str) for column in zip(*pairs, strict=True))
    try:
        folds = by_group(groups, labels, 3)
    except UserError:
        assert len(set(groups)) == 1 or np.unique(labels, return_counts=True)[1].max() == 1
        return
    assert sorted(np.concatenate([fold.test for fold in folds])) == list(range(len(pairs)))
    for fold in folds:
        assert not set(groups[fold.train]) & set(groups[fold.test])


def test_drawn_folds_have_about_the_same_labels_and_come_from_the_seed() -> None:
    labels = np.repeat(["a", "b"], [80, 20])
    groups = np.arange(100).astype(str)
    folds = by_group(groups, labels, 0)
    assert [int((labels[fold.test] == "b").sum()) for fold in folds] == [4] * 5
    again, other = by_group(groups, labels, 0), by_group(groups, labels, 1)
    assert all(np.array_equal(a.test, b.test) for a, b in zip(folds, again, strict=True))
    assert not np.array_equal(folds[0].test, other[0].test)


def test_what_cannot_be_tested_is_refused() -> None:
    with pytest.raises(UserError, match="the column fold holds only '1'; at least two folds"):
        by_column(np.array(["1", "1"]))
    with pytest.raises(UserError, match="leaves nothing to test on; mark some rows 'test'"):
        by_split(np.array(["train", "train"]))
    with pytest.raises(UserError, match="of one group or every label is met only once"):
        by_group(np.array(["a"] * 4), np.array(["x", "y", "x", "y"]), 0)
    with pytest.raises(UserError, match="every label is met only once"):
        by_group(np.array(list("abcd")), np.array(list("wxyz")), 0)
