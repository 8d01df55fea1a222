import numpy as np
import pytest

from triptych.errors import UserError
from triptych.evaluate.evaluator import Examples, cross_validate
from triptych.evaluate.folds import Fold


def examples(**changes: object) -> Examples:
    columns: dict = {
        "features": np.arange(12, dtype="f4")[:, None],
        "present": np.ones(12, bool),
        "labels": np.array(list("ab" * 6)),
        "groups": np.repeat(np.array(list("uvwxyz")), 2),
        "folds": np.repeat(np.array(["1", "2", "3"]), 4),
    }
    return Examples(**(columns | changes))


def always_a(_: np.ndarray, __: np.ndarray, test: np.ndarray, ___: Fold) -> np.ndarray:
    return np.full(len(test), "a")


def test_every_test_example_is_predicted_from_the_other_folds_alone() -> None:
    seen = []

    def spy(train: np.ndarray, _: np.ndarray, test: np.ndarray, __: Fold) -> np.ndarray:
        seen.append((train[:, 0].tolist(), test[:, 0].tolist()))
        return np.array(["a"] * len(test))

    outcome = cross_validate(examples(), spy, 0)
    assert [test for _, test in seen] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]
    assert all(sorted(train + test) == list(range(12)) for train, test in seen)
    assert outcome.measures[0].metric == "accuracy"
    assert outcome.measures[0].value == 0.5
    assert outcome.measures[0].n == 12
    assert outcome.predictions.tolist() == ["a"] * 12
    assert outcome.protocol["folds"] == "the labels' column fold"
    assert outcome.protocol["chance"] == 0.5


def test_examples_without_the_vector_are_left_out_and_counted() -> None:
    present = np.ones(12, bool)
    present[[0, 5]] = False
    features = np.arange(12, dtype="f4")[:, None]
    features[~present] = np.nan
    outcome = cross_validate(examples(present=present, features=features), always_a, 0)
    assert outcome.measures[0].n == 10
    assert outcome.protocol["n_without_vector"] == 2
    assert [outcome.predictions[row] for row in (0, 5, 6)] == ["", "", "a"]


def test_a_class_that_training_lacks_counts_as_wrong_and_is_stated() -> None:
    labels = np.array(list("abababab") + ["c"] * 4)
    outcome = cross_validate(examples(labels=labels), always_a, 0)
    assert outcome.measures[0].value == pytest.approx(4 / 12)
    lacking = [f["n_test_of_classes_not_in_training"] for f in outcome.protocol["per_fold"]]
    assert lacking == [0, 0, 4]


def test_groups_in_both_parts_are_counted() -> None:
    assert cross_validate(examples(), always_a, 0).protocol["groups"] == "never in both"
    leaky = examples(groups=np.array(list("uvwxyzuvwxyz")))
    assert cross_validate(leaky, always_a, 0).protocol["groups_in_both_training_and_test"] == 6


def test_the_split_and_drawn_folds_are_stated() -> None:
    split = np.array(["train"] * 8 + ["test"] * 4)
    outcome = cross_validate(examples(folds=None, split=split), always_a, 0)
    assert outcome.measures[0].n == 4
    assert outcome.predictions.tolist() == [""] * 8 + ["a"] * 4
    assert outcome.protocol["folds"] == "the labels' column split"
    drawn = cross_validate(examples(folds=None), always_a, 5).protocol["folds"]
    assert drawn == "5 folds drawn by group, stratified, seed 5"


def test_what_cannot_be_evaluated_is_refused_in_one_line() -> None:
    one = examples(labels=np.array(["a"] * 8 + ["b"] * 4))
    with pytest.raises(UserError, match=r"training part of fold 3 holds only one class, 'a'"):
        cross_validate(one, always_a, 0)
    with pytest.raises(UserError, match="none of the 12 labelled examples has these vectors"):
        cross_validate(examples(present=np.zeros(12, bool)), always_a, 0)
    broken = np.arange(12, dtype="f4")[:, None]
    broken[3] = np.inf
    with pytest.raises(UserError, match="1 of 12 vectors hold NaN or infinity"):
        cross_validate(examples(features=broken), always_a, 0)
    with pytest.raises(ValueError, match="a column is"):
        examples(groups=np.array(["a"]))
