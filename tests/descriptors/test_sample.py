from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from triptych.descriptors.sample import Reservoir, Sampled, chosen, usable
from triptych.errors import UserError


def numbered(count: int, dtype: str = "f4") -> np.ndarray:
    return np.arange(count, dtype=dtype)[:, None] / [1, 2]


def drawn(count: int, size: int, seed: int, cuts: list[int], path: str = "a.mp4") -> list[int]:
    reservoir = Reservoir(size, 2, seed, path)
    rows = numbered(count)
    for start, end in pairwise([0, *sorted(cuts), count]):
        reservoir.add(rows[start:end])
    return [int(row) for row in reservoir.rows()[:, 0]]


def test_rows_that_are_not_finite_or_too_long_are_dropped_and_counted() -> None:
    bad = [np.nan, np.inf, -np.inf, 2e6, 1e38]
    rows = np.array([[value, 0.5] for value in (0.25, *bad, -1)], np.float32)
    kept, dropped = usable(rows, 2)
    assert kept.tolist() == [[0.25, 0.5], [-1, 0.5]]
    assert dropped == len(bad)


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8"])
def test_every_width_of_float_becomes_float32(dtype: str) -> None:
    kept, dropped = usable(np.array([[0.5, 1], [np.nan, 1], [2, np.inf]], dtype), 2)
    assert kept.dtype == np.float32
    assert kept.tolist() == [[0.5, 1]]
    assert dropped == 2


@pytest.mark.parametrize("rows", [np.ones((3, 5)), np.ones(4), np.ones((0, 3))])
def test_rows_of_another_width_are_refused(rows: np.ndarray) -> None:
    with pytest.raises(UserError, match="where 4 are wanted; describe"):
        usable(rows, 4)


@settings(max_examples=60, deadline=None)
@given(
    count=st.integers(0, 60),
    size=st.integers(1, 40),
    seed=st.integers(0, 9),
    cuts=st.lists(st.integers(0, 60), max_size=5),
)
def test_a_sample_does_not_depend_on_the_blocks(
    count: int, size: int, seed: int, cuts: list[int]
) -> None:
    whole = drawn(count, size, seed, [])
    assert whole == drawn(count, size, seed, [min(cut, count) for cut in cuts])
    assert whole == sorted(set(whole))
    assert len(whole) == min(count, size)


def test_every_row_is_drawn_equally_often() -> None:
    count, size, seeds = 20, 6, 3000
    times = np.zeros(count)
    for seed in range(seeds):
        times[drawn(count, size, seed, [7])] += 1
    share = size / count
    spread = np.sqrt(share * (1 - share) / seeds)
    assert np.abs(times / seeds - share).max() < 4 * spread


def test_a_sample_goes_by_seed_and_path_and_keeps_half_precision() -> None:
    assert drawn(50, 5, 0, []) != drawn(50, 5, 1, [])
    assert drawn(50, 5, 0, []) != drawn(50, 5, 0, [], "b.mp4")
    reservoir = Reservoir(3, 2, 0, "a.mp4")
    reservoir.add(np.empty((0, 2), np.float32))
    for _ in range(3):
        reservoir.add(numbered(4, "f2").astype("f2"))
    assert reservoir.rows().dtype == np.float16
    assert Reservoir(3, 2, 0, "a.mp4").rows().shape == (0, 2)


def test_rows_that_cannot_be_used_are_never_drawn() -> None:
    rows = numbered(30)
    rows[::3] = np.nan
    reservoir = Reservoir(20, 2, 0, "a.mp4")
    reservoir.add(rows)
    assert reservoir.dropped == 10
    assert reservoir.rows()[:, 0].tolist() == [row for row in range(30) if row % 3]


def test_a_row_is_kept_up_to_the_length_that_is_said() -> None:
    rows = np.array([[0, 9.9e5], [8e5, 8e5], [-1e6, 0]], np.float32)
    kept, dropped = usable(rows, 2)
    assert (kept.tolist(), dropped) == ([rows[0].tolist(), rows[2].tolist()], 1)


def test_videos_are_chosen_by_seed_and_not_by_their_order() -> None:
    paths = [f"{i}.mp4" for i in range(40)]
    found = chosen(paths, 10, 0)
    assert found == chosen([*reversed(paths), "3.mp4"], 10, 0)
    assert found == sorted(found)
    assert len(set(found)) == 10
    assert found != chosen(paths, 10, 1)
    assert chosen(paths, 100, 0) == sorted(paths)
    # One video more replaces at most one of those that were drawn.
    assert len(set(found) & set(chosen([*paths, "new.mp4"], 10, 0))) >= 9


def test_a_sample_s_rows_come_in_blocks_and_as_often_as_they_are_asked_for() -> None:
    random = np.random.default_rng(0)
    one, other = (random.normal(size=(size, 5)).astype("f2") for size in (9000, 3))
    one[7, 2] = np.nan
    found = Sampled({"b": one, "a": other, "c": np.empty((0, 5), "f2")})
    assert (found.width, found.rows, found.dropped) == (5, 9002, 1)
    wanted = np.concatenate([other, np.delete(one, 7, axis=0)]).astype("f4")
    for _ in range(2):
        blocks = list(found)
        assert [len(block) for block in blocks] == [3, 4095, 4096, 808]
        np.testing.assert_array_equal(np.concatenate(blocks), wanted)
