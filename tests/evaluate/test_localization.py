"""Localization on videos whose rows and words are worked by hand."""

from dataclasses import replace

import numpy as np
import pytest

from tests.evaluate.test_retrieval import table_of
from triptych import config
from triptych.embeddings.table import EmbeddingTable
from triptych.errors import UsageError, UserError
from triptych.evaluate.localization import localize, localized
from triptych.evaluate.placing import Localization
from triptych.evaluate.steps import Steps
from triptych.evaluate.tally import Found
from triptych.evaluate.time_line import TimeLine

WORDS = {name: np.eye(3, dtype=np.float32)[place] for place, name in enumerate("abc")}


def film(rows: str, path: str = "x.mp4") -> EmbeddingTable:
    """A row of one second for each letter; "." looks like nothing."""
    values = np.array([WORDS.get(letter, np.zeros(3)) for letter in rows], np.float32)
    return table_of({"shared_video": (values, np.ones(len(rows), bool))}, [path] * len(rows))


def steps(*spans: tuple[str, float, float], path: str = "x.mp4", task: str = "") -> Steps:
    return Steps(
        path, tuple(word for word, *_ in spans), np.array([span for _, *span in spans], float),
        np.arange(len(spans)), task,
    )  # fmt: skip


def figures(found: Found) -> dict[str, float]:
    return {tally.metric: tally.value for tally in found.tallies}


def test_ordered_steps_are_found_where_they_are() -> None:
    true = steps(("a", 1, 3), ("b", 3, 5), ("c", 6, 9))
    found = localize(film("caabb.ccc"), [true], WORDS)
    # Row 0 looks like c, but c is the last step.
    assert figures(found) == pytest.approx(dict.fromkeys(figures(found), 1.0))
    free = figures(localize(film("caabb.ccc"), [true], WORDS, Localization(order="none")))
    # The first of equal rows is c's highest; of nine frames the first alone is wrong.
    assert free["recall"] == pytest.approx(2 / 3)
    assert free["frames"] == pytest.approx(8 / 9)
    assert free["frames of steps"] == 1.0
    one = Localization(order="none", match="one-to-one")
    assert figures(localize(film("caabb.ccc"), [true], WORDS, one))["IoU"] == 1.0


def test_the_figures_of_the_reference_come_out() -> None:
    """IoU 36.67 and IoD 75.0: 4 of 10 seconds inside, and 2 shared of 4 and 4."""
    true = steps(("a", 0, 10), ("b", 20, 24))
    table = film("." * 2 + "a" * 4 + "." * 16 + "b" * 4)
    found = figures(localize(table, [true], WORDS))
    assert 100 * found["IoU"] == pytest.approx(36.67, abs=5e-3)
    assert 100 * found["IoD"] == pytest.approx(75.0)
    # Of 26 seconds right: 2 to 5 with a, 10 to 19 with nothing, 22 and 23 with b.
    assert found["frames"] == pytest.approx((4 + 10 + 2) / 26)
    assert found["frames of steps"] == pytest.approx(6 / 14)
    assert found["recall"] == 1.0  # rows 2 and 22, the first of equal ones


def test_recall_is_pooled_over_a_task_or_averaged_over_its_videos() -> None:
    """7 of 7 and 0 of 4 steps: 0.64 pooled and 0.50 by video."""
    names = "abcdefg"
    eye = np.eye(7, dtype=np.float32)
    words = {name: eye[place] for place, name in enumerate(names)}
    first = steps(*((name, k, k + 1) for k, name in enumerate(names)), path="y.mp4", task="t")
    second = steps(*((name, 10 + k, 11 + k) for k, name in enumerate(names[:4])), task="t")
    table = table_of(
        {"shared_video": (np.concatenate([eye, eye[:4]]), np.ones(11, bool))},
        ["y.mp4"] * 7 + ["x.mp4"] * 4,
    )  # rows 7 to 10 s of x, before its steps
    found = localize(table, [first, second], words, Localization(hit="middle"))
    # The last row of x, 10 to 11 s, holds step d, and truth has a there.
    assert figures(found)["recall"] == pytest.approx(7 / 11)
    assert figures(found)["recall of videos"] == 0.5
    other = steps(("a", 0, 1), path="y.mp4", task="u")
    both = localize(table, [first, second, other], words)
    assert figures(both)["recall"] == pytest.approx((7 / 11 + 1) / 2)


def test_a_row_that_touches_a_step_is_right_where_that_is_asked() -> None:
    true, table = steps(("a", 2.8, 4.0)), film(".." + "a" + "..")
    assert figures(localize(table, [true], WORDS))["recall"] == 0.0
    touch = Localization(hit="touch")
    assert figures(localize(table, [true], WORDS, touch))["recall"] == 1.0


def test_all_steps_of_a_task_are_placed_and_the_true_ones_count() -> None:
    one = steps(("a", 0, 1), ("b", 1, 2), ("c", 2, 3), path="y.mp4", task="t")
    other = steps(("a", 3, 4), ("c", 5, 6), task="t")
    table = table_of(
        {"shared_video": (np.stack([WORDS[x] for x in "abcabc"]), np.ones(6, bool))},
        ["y.mp4"] * 3 + ["x.mp4"] * 3,
    )
    found = localize(table, [one, other], WORDS, Localization(order="task"))
    assert figures(found)["recall"] == 1.0
    assert figures(found)["frames of steps"] == 1.0
    assert found.protocol["n_true_steps"] == 5
    # Row 4 of x holds b, which truth does not have there: wrong, as background. Second 0 to 3 too?
    # No row lies there, so nothing is found, and truth has background.
    assert figures(found)["frames"] == pytest.approx((3 + 5) / 9)


def test_backgrounds_log_probabilities_and_lengths() -> None:
    true = steps(("a", 0, 1), ("b", 4, 5))
    low = figures(localize(film("a...b"), [true], WORDS, Localization(background="-1")))
    # Any row is better than background: all are of some step.
    assert low["frames"] == pytest.approx(2 / 5)
    long = Localization(background="0.1", shortest=2)
    assert figures(localize(film("a...b"), [true], WORDS, long))["IoU"] == 0.5
    poisson = Localization(scores="log_softmax", background="-5", mean_rows=2.5)
    assert figures(localize(film("a...b"), [true], WORDS, poisson))["IoD"] < 1


def test_what_is_missing_is_missed_or_left_out_and_counted() -> None:
    values = np.stack([WORDS[x] for x in "abab"])
    table = table_of(
        {"shared_video": (values, np.array([True, True, False, False]))},
        ["x.mp4", "x.mp4", "y.mp4", "y.mp4"],
    )
    there = steps(("a", 0, 1), ("b", 1, 2), ("nonsense", 2, 3))
    blind, gone = steps(("a", 0, 1), path="y.mp4"), steps(("a", 0, 1), path="z.mp4")
    found = localize(table, [there, blind, gone], WORDS)
    counts = {
        "n_files": 2, "n_files_not_in_the_embeddings": 1, "n_files_without_rows": 1,
        "n_files_left_out": 0, "n_true_steps": 4, "n_steps_unknown_to_the_model": 1, "n_rows": 2,
        "n_files_of_fewer_rows_than_steps": 2, "seconds_of_a_row": 1.0,
    }  # fmt: skip
    assert {key: found.protocol[key] for key in counts} == counts
    # Three steps on two rows: the two that score are placed; the third has no row.
    assert figures(found)["recall"] == pytest.approx(2 / 4)
    assert figures(found)["recall of videos"] == pytest.approx((2 / 3 + 0) / 2)
    assert figures(found)["IoU"] == pytest.approx((2 / 3 + 0) / 2)
    out = localize(table, [there, blind, gone], WORDS, Localization(missing="out"))
    assert figures(out)["recall"] == pytest.approx(2 / 3)
    assert out.protocol["n_files_left_out"] == 1


def test_chance_is_steps_spread_evenly() -> None:
    true = steps(("a", 0, 3), ("b", 3, 6))
    found = localize(film("bbbaaa"), [true], WORDS)
    assert found.chance == pytest.approx(dict.fromkeys(found.chance, 1.0))
    assert figures(found)["recall"] < 1


def test_chance_without_an_order_is_a_row_at_random() -> None:
    true = steps(("a", 0, 2), ("b", 2, 5), ("c", 9, 10))
    found = localize(film("aabbb....c"), [true], WORDS, Localization(order="none"))
    # The highest row of each lies anywhere; of equal ones the first does.
    assert figures(found)["recall"] == 1.0
    assert found.chance["recall"] == pytest.approx((1 / 5 + 3 / 10 + 1 / 10) / 3, abs=0.15)
    assert found.chance["frames"] < figures(found)["frames"] == 1.0


def test_what_cannot_be_compared_is_refused_in_one_line() -> None:
    true = steps(("a", 0, 1))
    with pytest.raises(UserError, match="none of the 1 files is in the embeddings"):
        localize(film("a", "w.mp4"), [true], WORDS)
    with pytest.raises(UserError, match="no step mean anything"):
        localize(film("a"), [true], {})
    with pytest.raises(UserError, match="have 2 numbers and the clips' 3: they come from two"):
        localize(film("a"), [true], {"a": np.ones(2, np.float32)})
    none = table_of({"shared_video": (np.ones((1, 3), np.float32), np.zeros(1, bool))}, ["x.mp4"])
    with pytest.raises(UserError, match="none of the 1 files has rows of video"):
        localize(none, [true], WORDS)
    with pytest.raises(UsageError, match="background=words compares raw scores"):
        config.override(Localization(), ["background=words", "scores=log_softmax"])
    for wrong in ("background=high", "background=nan", "order=mine", "shortest=0"):
        with pytest.raises(UsageError, match=wrong.partition("=")[0]):
            config.override(Localization(), [wrong])


def test_detections_are_scored_where_they_are_asked_for() -> None:
    first = steps(("a", 0, 2), ("b", 3, 5), path="x.mp4")
    other = steps(("a", 0, 4), path="y.mp4")
    table = table_of(
        {"shared_video": (np.stack([WORDS[x] for x in "aaabbaab"]), np.ones(8, bool))},
        ["x.mp4"] * 5 + ["y.mp4"] * 3,
    )  # rows 5 to 8 s of y: none where a is
    found = localize(table, [first, other], WORDS, Localization(order="none", detection=True))
    got = figures(found)
    # x: a on 0-3, IoU 2/3, and b whole; y: a on 5-8 is wrong. Both stretches of a score the same.
    assert [got[f"AP@{one}"] for one in (0.1, 0.6, 0.7)] == [0.75, 0.75, 0.5]
    assert [got[f"recall@{one}"] for one in (0.6, 0.7)] == [0.75, 0.5]
    assert got["F1@0.6"] == pytest.approx(2 * 2 / (3 + 3))
    assert got["F1@0.9"] == pytest.approx(2 * 1 / (3 + 3))
    assert got["mIoU"] == pytest.approx(((2 / 3 + 1) / 2 + 0) / 2)
    assert set(found.chance) == set(got)
    assert found.protocol["n_wordings"] == 2
    assert "AP@0.1" not in figures(localize(table, [first], WORDS))


def test_parts_of_the_tasks_are_told_too_and_videos_are_looked_at_once() -> None:
    one, other = (
        replace(steps(("a", 0, 1), path=name), task=task) for name, task in (("x", "t"), ("y", "u"))
    )
    spans = np.array([[0.0, 1.0], [1.0, 2.0]])
    lines = [TimeLine(spans, np.stack([WORDS[x] for x in said])) for said in ("ab", "ba")]
    films = iter(zip([one, other], lines, strict=True))
    parts = {"cooking": frozenset("t"), "other": frozenset("u"), "none": frozenset("v")}
    found = localized(films, WORDS, Localization(through=("video",)), parts)
    got = figures(found)
    assert (got["recall"], got["recall of cooking"], got["recall of other"]) == (0.5, 1.0, 0.0)
    assert "recall of none" not in got
    assert set(found.chance) == set(got)
