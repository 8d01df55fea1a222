from dataclasses import replace

import numpy as np
import pytest
from sklearn.neighbors import NearestCentroid

from triptych.evaluate.evaluator import Examples
from triptych.evaluate.few_shot import FewShot, nearest_means


def blobs(count: int, spread: float, seed: int = 0) -> Examples:
    """Four classes about four points; the last third are tested."""
    random = np.random.default_rng(seed)
    codes = np.arange(count) % 4
    points = 3 * np.eye(4, 12) + 5
    x = (points[codes] + spread * random.standard_normal((count, 12))).astype(np.float32)
    split = np.where(np.arange(count) < 2 * count // 3, "train", "test")
    groups = np.arange(count).astype(str)
    return Examples(x, np.ones(count, bool), np.array(list("abcd"))[codes], groups, split=split)


def test_the_nearest_mean_is_scikit_learn_s() -> None:
    given = blobs(300, 2.0)
    random = np.random.default_rng(1)
    for _ in range(5):
        rows = random.choice(200, 23, replace=False)
        reference = NearestCentroid().fit(given.features[rows], given.labels[rows])
        found = nearest_means(given.features, given.labels, given.features[200:], rows)
        np.testing.assert_array_equal(found, reference.predict(given.features[200:]))


def test_every_draw_is_of_so_many_examples_of_each_class() -> None:
    labels = np.array(list("aaaaabbbbc") * 10)
    shot = FewShot(15)
    draws = [shot._draw(labels, 0, "test", number) for number in range(4)]
    for rows in draws:
        assert len(set(rows.tolist())) == len(rows) == 15 + 15 + 10
        assert np.unique(labels[rows], return_counts=True)[1].tolist() == [15, 15, 10]
    assert len({tuple(sorted(rows.tolist())) for rows in draws}) == 4
    assert (shot._draw(labels, 0, "test", 2) == draws[2]).all()


def test_a_draw_by_hand_with_features_of_every_length() -> None:
    """CL2N: less the mean of all of the training part, unit length; then scikit-learn's means."""
    given = blobs(300, 2.0)
    random = np.random.default_rng(3)
    far = given.features * random.lognormal(0, 1, (300, 1)).astype(np.float32)
    far[200:] += 0.5  # the test part has another mean, which is not to be known
    given = replace(given, features=far)
    shot = FewShot(5, draws=2)
    found = shot(given, 7).predictions[200:]
    moved = far - far[:200].mean(axis=0)
    units = moved / np.linalg.norm(moved, axis=1, keepdims=True)
    for number in range(2):
        rows = shot._draw(given.labels[:200], 7, "test", number)
        reference = NearestCentroid().fit(units[rows], given.labels[rows])
        np.testing.assert_array_equal(found[:, number], reference.predict(units[200:]))


def test_folds_have_draws_of_their_own() -> None:
    labels = np.repeat(list("ab"), 50)
    one, other = (FewShot(5)._draw(labels, 0, fold, 0).tolist() for fold in ("1", "2"))
    assert one != other


def test_more_shots_are_better_and_the_protocol_says_what_was_done() -> None:
    given = blobs(300, 3.0)
    outcomes = [FewShot(shots)(given, 0) for shots in (1, 5, 50)]
    figures = [outcome.measures[0].value for outcome in outcomes]
    assert figures == sorted(figures)
    assert figures[0] > 0.3
    assert outcomes[0].predictions.shape == (300, 20)
    tested = outcomes[0].predictions[200:]
    assert figures[0] == pytest.approx(np.mean(tested == given.labels[200:, None]))
    assert (outcomes[0].predictions[:200] == "").all()
    assert outcomes[2].protocol["shots"] == 50
    assert outcomes[2].protocol["classes_with_fewer_examples"] == []
    many = FewShot(51)(given, 0)
    assert many.protocol["classes_with_fewer_examples"] == ["a", "b", "c", "d"]


def test_scale_and_offset_of_the_features_do_not_matter() -> None:
    given = blobs(120, 2.0)
    moved = Examples(
        given.features * 7 + 3, given.present, given.labels, given.groups, split=given.split
    )
    one, other = (FewShot(5, draws=3)(each, 0).predictions for each in (given, moved))
    assert np.mean(one == other) > 0.99
