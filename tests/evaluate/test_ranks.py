"""Ranks against all orders that tied items may stand in, listed one by one."""

from itertools import pairwise, permutations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from triptych.evaluate import ranks as ranking
from triptych.evaluate.ranks import TIES, average_precision, hits, ranks, stand, stand_by

PICK = {"average": np.mean, "optimistic": min, "pessimistic": max}


def orders(scores: list[int]) -> list[tuple[int, ...]]:
    """Every order of the items in which no lower score comes before a higher one."""
    ways = permutations(range(len(scores)))
    return [way for way in ways if all(scores[a] >= scores[b] for a, b in pairwise(way))]


rows = st.integers(1, 6).flatmap(
    lambda n: st.tuples(
        st.lists(st.integers(0, 2), min_size=n, max_size=n),
        st.lists(st.booleans(), min_size=n, max_size=n),
    )
)


@settings(max_examples=150, deadline=None)
@given(rows, st.sampled_from(TIES))
def test_ranks_hits_and_precision_over_all_orders(
    row: tuple[list[int], list[bool]], ties: str
) -> None:
    scores, right = row
    standing = stand_by(np.array([scores], float), np.array([right]))
    ap = average_precision(np.array([scores], float), np.array([right]), ties)
    assert standing.found.tolist() == [any(right)]
    if not any(right):
        assert ranks(standing, ties).tolist() == [np.inf]
        assert hits(standing, 6, ties).tolist() == ap.tolist() == [0.0]
        return
    firsts, precisions = [], []
    for way in orders(scores):
        good = [right[item] for item in way]
        firsts.append(good.index(True) + 1)
        precisions.append(
            np.mean([sum(good[: i + 1]) / (i + 1) for i, is_good in enumerate(good) if is_good])
        )
    assert ranks(standing, ties)[0] == pytest.approx(PICK[ties](firsts))
    for k in range(1, 8):
        best = PICK[ties](firsts)
        expected = np.mean(np.array(firsts) <= k) if ties == "average" else float(best <= k)
        assert hits(standing, k, ties)[0] == pytest.approx(expected), k
    worst_first = {"average": np.mean, "optimistic": max, "pessimistic": min}
    assert ap[0] == pytest.approx(worst_first[ties](precisions))


def test_constant_scores_give_what_guessing_gives() -> None:
    """The released metrics count every tied place, so that R@5 of constant scores is 5."""
    standing = stand_by(np.zeros((4, 40)), np.eye(4, 40, dtype=bool))
    assert hits(standing, 5).tolist() == pytest.approx([5 / 40] * 4)
    assert ranks(standing).tolist() == [20.5] * 4
    assert ranks(standing, "optimistic").tolist() == [1] * 4
    assert ranks(standing, "pessimistic").tolist() == [40] * 4
    assert hits(standing, 40).tolist() == [1] * 4


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 12), st.integers(1, 30), st.booleans())
def test_blocks_of_vectors_stand_as_their_whole_matrix(
    seed: int, count: int, items: int, grouped: bool
) -> None:
    random = np.random.default_rng(seed)
    # Few different whole vectors, so that scores are exact and tie often.
    asked = random.integers(-1, 2, (count, 3)).astype(np.float32)
    there = random.integers(-1, 2, (items, 3)).astype(np.float32)
    wanted, given_ = random.integers(0, 4, count), random.integers(0, 4, items)
    scores, right = asked @ there.T, wanted[:, None] == given_
    apart = None
    if grouped:
        apart = random.integers(0, 3, count), random.integers(0, 3, items)
        scores[apart[0][:, None] == apart[1]] = -np.inf
    expected = stand_by(scores, right)
    at_once, ranking.NUMBERS_AT_ONCE = ranking.NUMBERS_AT_ONCE, 7
    try:
        found = stand(asked, there, wanted, given_, apart=apart)
    finally:
        ranking.NUMBERS_AT_ONCE = at_once
    for name in ("above", "right", "wrong"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name), name)


def test_twins_tie_though_their_products_are_rounded(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    items = random.standard_normal((4000, 96)).astype(np.float32)
    items[1::2] = items[::2]
    np.save(tmp_path / "items.npy", items)
    mapped = np.load(tmp_path / "items.npy", mmap_mode="r")
    asked = 1e4 * items[::100] + random.standard_normal((40, 96)).astype(np.float32)
    codes = np.arange(len(items))
    found = stand(asked, mapped, codes[::100], codes)
    assert found.above.tolist() == [0] * 40
    assert found.wrong.tolist() == [1] * 40  # the twin, whatever block or order it was summed in
    assert hits(found, 1).tolist() == [0.5] * 40


def test_a_query_whose_item_is_not_there_is_missed() -> None:
    eye = np.eye(3, dtype=np.float32)
    found = stand(eye, eye[:2], np.arange(3), np.arange(2))
    assert found.found.tolist() == [True, True, False]
    assert ranks(found).tolist() == [1, 1, np.inf]
    assert hits(found, 10).tolist() == [1, 1, 0]
    assert stand(eye, eye[:0], np.arange(3), np.arange(0)).found.tolist() == [False] * 3
    assert found[[2, 0]].found.tolist() == [False, True]
