import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from triptych.state.queue import Queue


def numbered(*values: int) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float32)[:, None].repeat(1, 2)


def test_the_oldest_go_first_by_hand() -> None:
    queue = Queue(4, 2)
    assert len(queue.rows) == 0
    queue.push(numbered(1, 2, 3))
    assert queue.rows[:, 0].tolist() == [1, 2, 3]
    assert not queue.full
    queue.push(numbered(4, 5))
    assert queue.full
    assert queue.rows[:, 0].tolist() == [5, 2, 3, 4]
    queue.push(numbered(6))
    assert queue.rows[:, 0].tolist() == [5, 6, 3, 4]


def test_of_more_than_it_holds_the_newest_stay() -> None:
    queue = Queue(3, 2)
    queue.push(numbered(1))
    queue.push(numbered(2, 3, 4, 5, 6))
    assert sorted(queue.rows[:, 0].tolist()) == [4, 5, 6]
    queue.push(numbered(7))
    assert sorted(queue.rows[:, 0].tolist()) == [5, 6, 7]


@settings(deadline=None)
@given(st.integers(1, 7), st.lists(st.integers(0, 9), max_size=8))
def test_it_holds_the_last_that_came(size: int, pushes: list[int]) -> None:
    queue, came = Queue(size, 2), []
    for count in pushes:
        fresh = list(range(len(came), len(came) + count))
        queue.push(numbered(*fresh) if fresh else torch.zeros(0, 2))
        came += fresh
        assert sorted(queue.rows[:, 0].tolist()) == came[-size:]


def test_it_keeps_values_and_no_graph() -> None:
    queue = Queue(2, 2)
    vector = torch.ones(1, 2, requires_grad=True)
    queue.push(vector * 2)
    with torch.no_grad():
        vector.zero_()
    assert queue.rows.tolist() == [[2, 2]]
    assert not queue.rows.requires_grad


@pytest.mark.parametrize("count", [0, 2, 5])
def test_it_comes_back_bit_for_bit_and_goes_on_alike(count: int) -> None:
    one, other = Queue(4, 2), Queue(4, 2)
    for value in range(count):  # one by one, so that of five the next place is not the first
        one.push(numbered(value))
    other.load({name: value.clone() for name, value in one.tensors().items()})
    for queue in (one, other):
        queue.push(numbered(8, 9, 10))
    assert torch.equal(one.rows, other.rows)
    assert (one.next, one.filled) == (other.next, other.filled)
