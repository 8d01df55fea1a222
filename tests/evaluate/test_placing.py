"""Scores, backgrounds and draws of chance, worked by hand."""

import numpy as np
import pytest

from tests.evaluate.test_localization import WORDS, steps
from triptych.errors import UserError
from triptych.evaluate.placing import SHUFFLES, Localization, Scorer, by_chance, place
from triptych.evaluate.time_line import TimeLine

ROWS = np.array([WORDS.get(letter, np.zeros(3)) for letter in "a...b"], np.float32)
LINE = TimeLine(np.stack([np.arange(5.0), np.arange(1.0, 6)], axis=1), ROWS)


def test_scores_are_products_or_log_probabilities() -> None:
    scored = Scorer(WORDS, Localization())(ROWS, ("a", "b"))
    assert scored.ground == pytest.approx(0.2)
    np.testing.assert_array_equal(scored.values[:, 0], [1, 0, 0, 0, 0])
    settings = Localization(scores="log_softmax", temperature=0.5, background="-1")
    scored = Scorer(WORDS, settings)(ROWS, ("a", "b"))
    assert scored.ground == -1
    np.testing.assert_allclose(np.exp(scored.values).sum(1), 1)
    assert scored.values[0, 0] == pytest.approx(2 - np.log(np.exp(2) + 1))


def test_words_without_a_vector_score_as_background() -> None:
    scored = Scorer(WORDS, Localization(background="0.3"))(ROWS, ("a", "nonsense", "b"))
    np.testing.assert_array_equal(scored.values[:, 1], [0.3] * 5)
    np.testing.assert_array_equal(scored.values[:, 2], ROWS[:, 1])
    assert not Scorer(WORDS, Localization())(ROWS, ("x", "y")).values.any()
    with pytest.raises(UserError, match="have 2 numbers and the clips' 3"):
        Scorer({"a": np.ones(2, np.float32)}, Localization())(ROWS, ("a",))


def test_the_background_of_words_is_how_near_two_of_them_are() -> None:
    near = {"a": np.array([1, 0, 0], "f4"), "b": np.array([0.4, 0.8, 0], "f4")}
    score = Scorer(near, Localization(background="words"))
    # The same of every file that asks for the same, and another of one that does not.
    for asked, ground in ((("a", "b"), 0.4), (("a",), 0.0), (("a", "b", "a"), 0.4)):
        for _ in range(2):
            assert score(ROWS, asked).ground == pytest.approx(ground)


def test_many_rows_score_as_each_alone() -> None:
    rows = np.random.default_rng(0).normal(size=(2500, 3)).astype(np.float32)
    score = Scorer(WORDS, Localization(temperature=0.1))
    found = score(rows, ("c", "a")).values
    np.testing.assert_allclose(found, rows[:, [2, 0]].astype(np.float64) * 10, rtol=1e-12)


def test_a_stretch_scores_the_mean_of_its_rows_above_background() -> None:
    true = steps(("a", 0, 2), ("b", 4, 5))
    values = np.array([[0.9, 0], [0.5, 0.1], [0, 0], [0, 0.3], [0.2, 0.7]])
    line = TimeLine(LINE.spans, np.c_[values, np.zeros(5)].astype(np.float32))
    settings = Localization(order="none", background="0.2")
    score = Scorer(WORDS, settings)
    placed = place(line, true, score(line.vectors, true.words), settings)
    assert placed.spans.tolist() == [[0, 2], [3, 5]]
    np.testing.assert_allclose(placed.scores, [0.5, 0.3], atol=1e-6)
    assert placed.labels.tolist() == [0, 1]


def test_chance_is_one_draw_in_order_and_many_without() -> None:
    true = steps(("a", 0, 1), ("b", 4, 5))
    for order, count in (("file", 1), ("none", SHUFFLES)):
        settings = Localization(order=order)
        scored = Scorer(WORDS, settings)(ROWS, true.words)
        drawn, again = (list(by_chance(LINE, true, scored, settings)) for _ in range(2))
        assert len(drawn) == count
        for one, other in zip(drawn, again, strict=True):
            np.testing.assert_array_equal(one.at, other.at)
        # Each draw holds what the rows hold, elsewhere.
        assert {len(one.at) for one in drawn} == {2}
    assert len({tuple(one.at[:, 0]) for one in drawn}) > 5


def test_a_file_without_rows_has_nothing() -> None:
    none = TimeLine(np.zeros((0, 2)), np.zeros((0, 3), np.float32))
    true = steps(("a", 0, 1))
    for order in ("file", "none"):
        settings = Localization(order=order)
        scored = Scorer(WORDS, settings)(none.vectors, true.words)
        assert not len(place(none, true, scored, settings).spans)
        assert all(not len(one.at) for one in by_chance(none, true, scored, settings))
