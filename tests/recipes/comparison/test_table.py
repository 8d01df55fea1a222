from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import adjusted_mutual_info_score, normalized_mutual_info_score

from triptych.recipes.comparison.scores import Scores
from triptych.recipes.comparison.table import (
    Agreement,
    accuracy,
    accuracy_over,
    align,
    figures,
    write_csv,
)


def scores(names: str, groups: str, labels: str, found: str) -> Scores:
    columns = (np.array(list(column)) for column in (names, groups, labels))
    return Scores(*columns, found=np.array(list(found))[:, None], rows=[], protocol={})


# Eight examples in three groups, two seeds; the second has them in another order.
FIRST = scores("abcdefgh", "AABBCCCC", "xxxxyyyy", "xxxyxxxx")
SECOND = scores("hgfedcba", "CCCCBBAA", "yyyyxxxx", "xxyyyyxx")


def test_the_mean_over_seeds_and_its_interval_by_hand() -> None:
    # Right: a b c, and a b e f. Shares: A 1 1, B .5 0, C .5 .5 0 0; of all 3.5 of 8.
    found, each = accuracy([FIRST, SECOND])
    assert each == [3 / 8, 4 / 8]
    assert found.value == pytest.approx(3.5 / 8)
    # All 27 draws of three groups are equally likely; the outermost are AAA and BBB or CCC.
    sums, counts = np.array([2, 0.5, 1]), np.array([2, 2, 4])
    draws = np.array([[a, b, c] for a in range(3) for b in range(3) for c in range(3)])
    exact = sums[draws].sum(1) / counts[draws].sum(1)
    assert (found.low, found.high) == pytest.approx((exact.min(), exact.max()))
    assert (found.low, found.high) == pytest.approx((0.25, 1.0))


def test_a_difference_is_taken_example_by_example_in_the_same_draws() -> None:
    # Ten groups of one; the one row is right wherever the other is, and once more: no draw says
    # less than "level", though both intervals overlap by far.
    names = "abcdefghij"
    other = scores(names, names, "x" * 10, "xxxxxyyyyy")
    mine = scores(names, names, "x" * 10, "xxxxxxyyyy")
    found = accuracy_over([mine], [other])
    assert found.value == pytest.approx(0.1)
    assert found.low == 0.0
    assert accuracy([mine])[0].low < accuracy([other])[0].high


def test_examples_that_one_side_lacks_are_left_out_of_the_difference() -> None:
    other = scores("abcd", "abcd", "xxxx", "xyyy")
    mine = scores("bcde", "bcde", "xxxx", "xxxy")
    assert accuracy_over([mine], [other]).value == pytest.approx(1.0)
    assert accuracy([mine])[0].value == pytest.approx(0.75)
    both = align([mine, other])
    assert both.names.tolist() == ["b", "c", "d"]
    assert [found[:, 0].tolist() for found in both.found] == [list("xxx"), list("yyy")]


def test_draws_of_a_seed_count_alike() -> None:
    drawn = replace(FIRST, found=np.stack([FIRST.found[:, 0], FIRST.labels], axis=1))
    found, each = accuracy([drawn])
    assert each == [pytest.approx((3 / 8 + 1) / 2)]
    assert found.value == each[0]


def test_agreement_is_the_mean_over_seeds() -> None:
    random = np.random.default_rng(0)
    labels = random.integers(3, size=60)
    runs = []
    for _ in range(2):
        found = np.where(random.random(60) < 0.8, labels, random.integers(3, size=60))
        runs.append(
            Scores(
                np.arange(60).astype(str), (np.arange(60) // 4).astype(str), labels.astype(str),
                found.astype(str)[:, None], [], {},
            )
        )  # fmt: skip
    for metric, reference in (
        ("nmi", normalized_mutual_info_score),
        ("ami", adjusted_mutual_info_score),
    ):
        measure = Agreement(metric, draws=100)
        interval, each = measure.figure(runs)
        assert each == pytest.approx([reference(labels, run.found[:, 0]) for run in runs])
        assert interval.value == pytest.approx(np.mean(each))
        assert interval.low < interval.value < interval.high
        same = measure.over(runs, runs)
        assert tuple(same) == (0.0, 0.0, 0.0)
        better = measure.over([runs[0], runs[0]], [runs[1], runs[1]])
        assert better.value == pytest.approx(each[0] - each[1])


def test_rows_are_flat_and_rounded() -> None:
    run = {("linear", "t"): FIRST}
    (row,) = figures("linear", "t", [run], {"random": [{("linear", "t"): SECOND}]}, [])
    assert row == {
        "probe": "linear", "target": "t", "value": 0.375, "low": 0.0, "high": 1.0, "seeds": 1,
        "of_each_seed": [0.375],
        "over_random": -0.125, "over_random_low": row["over_random_low"],
        "over_random_high": row["over_random_high"],
    }  # fmt: skip
    measures = [Agreement("nmi", draws=5), Agreement("ami", draws=5)]
    rows = figures("clusters", "t", [{("clusters", "t"): FIRST}], {}, measures)
    assert [row["probe"] for row in rows] == ["clusters (NMI)", "clusters (AMI)"]


def test_a_csv_has_every_column_and_lists_as_numbers(tmp_path: Path) -> None:
    rows = [{"row": "a,b", "of_each_seed": [0.5, 0.25]}, {"row": "c", "failed": "why"}]
    write_csv(tmp_path / "t.csv", rows)
    text = (tmp_path / "t.csv").read_text()
    assert text == 'row,of_each_seed,failed\n"a,b",0.5 0.25,\nc,,why\n'
