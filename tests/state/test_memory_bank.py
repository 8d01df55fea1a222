import json
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from triptych.state import checkpoint, memory_bank
from triptych.state.memory_bank import MemoryBank, keys_of


def bank_of(
    clips: int = 6, width: int = 4, absent: tuple[int, ...] = (), seed: int = 0
) -> MemoryBank:
    members = torch.ones(clips, dtype=torch.bool)
    members[list(absent)] = False
    return MemoryBank(keys_of([f"clip {row}" for row in range(clips)]), members, width, seed)


def test_rows_begin_at_unit_length_by_the_seed() -> None:
    bank = bank_of(200, 128)
    torch.testing.assert_close(bank.values.norm(dim=1), torch.ones(200))
    assert torch.equal(bank.values, bank_of(200, 128).values)
    assert not torch.equal(bank.values, bank_of(200, 128, seed=1).values)
    assert not bank.known.any()
    assert len(bank_of(6, absent=(0, 3))) == 4


def test_an_update_by_hand() -> None:
    """(1, 0) and the output (0, 3) meet halfway with momentum .5; .8 and .2 give (4, 1)."""
    bank = bank_of(3, 2)
    bank.values = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])
    bank.update(torch.tensor([0]), torch.tensor([[0.0, 3.0]]), momentum=0.5)
    torch.testing.assert_close(bank.values[0], torch.tensor([1.0, 1.0]) / 2**0.5)
    bank.update(torch.tensor([2]), torch.tensor([[0.0, 0.1]]), momentum=0.8)
    torch.testing.assert_close(bank.values[2], torch.tensor([-4.0, 1.0]) / 17**0.5)
    assert bank.values[1].tolist() == [0.0, 1.0]
    assert bank.known.tolist() == [True, False, True]


def test_a_clip_twice_in_a_batch_counts_with_its_mean_whatever_the_order() -> None:
    first, other = bank_of(3, 2), bank_of(3, 2)
    outputs = torch.tensor([[2.0, 0.0], [0.0, 1.0], [0.0, 5.0]])
    rows = torch.tensor([1, 2, 1])
    old = first.values[1].clone()
    first.update(rows, outputs, 0.5)
    other.update(rows.flip(0), outputs.flip(0), 0.5)
    expected = F.normalize(0.5 * old + 0.5 * torch.tensor([0.5, 0.5]), dim=0)
    torch.testing.assert_close(first.values[1], expected)
    torch.testing.assert_close(other.values, first.values)


def test_an_update_takes_no_gradient_and_half_precision() -> None:
    bank = bank_of()
    bank.update(torch.tensor([1]), torch.randn(1, 4, requires_grad=True).bfloat16(), 0.5)
    assert bank.values.dtype == torch.float32
    assert not bank.values.requires_grad
    bank.update(torch.empty(0, dtype=torch.int64), torch.empty(0, 4), 0.5)  # nothing to remember


@pytest.mark.parametrize("most", [1 << 26, 1], ids=["whole", "in blocks"])
@pytest.mark.parametrize("count", [1, 3, 40])
def test_the_nearest_are_those_of_a_full_sort_and_the_clip_itself(
    most: int, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory_bank, "MOST_AT_ONCE", most)
    bank = bank_of(37, 5, absent=(4, 11))
    queries = torch.randn(3, 5, generator=torch.Generator().manual_seed(2))
    rows = torch.tensor([0, 36, 20])
    found = bank.nearest(queries, rows, count)
    members = [row for row in range(37) if row not in (4, 11)]
    for query, own, near in zip(queries, rows.tolist(), found.tolist(), strict=True):
        by_cosine = sorted(
            members,
            key=lambda row: (
                row != own,
                -float(F.cosine_similarity(query, bank.values[row], dim=0)),
            ),
        )
        assert sorted(near) == sorted(by_cosine[: min(count, 35)])


def test_a_bank_of_two_has_two_neighbours() -> None:
    """The release asks for 4096 and stops with an error."""
    bank = bank_of(2, 3)
    assert sorted(bank.nearest(torch.randn(1, 3), torch.tensor([1]), 4096)[0].tolist()) == [0, 1]


def test_noise_is_uniform_over_the_members_with_replacement() -> None:
    bank = bank_of(5, absent=(2,))
    torch.manual_seed(0)
    drawn = bank.draw(100, 400).flatten()
    counts = torch.bincount(drawn, minlength=5)
    assert counts[2] == 0
    for row in (0, 1, 3, 4):
        assert abs(int(counts[row]) - 10_000) < 450  # five standard deviations


NOBODY = torch.empty(0, dtype=torch.int64)


def test_what_could_not_be_read_is_nobody_s_neighbour() -> None:
    bank = bank_of(4, 3)
    bank.meet(NOBODY, torch.tensor([1]))
    assert len(bank) == 3
    assert 1 not in bank.nearest(bank.values[1:2], torch.tensor([0]), 4)[0].tolist()
    assert 1 not in bank.draw(9, 9)


def test_what_was_read_once_is_a_member_from_there_on() -> None:
    """A damaged file gives one window and not another, and a batch may ask for both."""
    bank = bank_of(4, 3)
    bank.meet(NOBODY, torch.tensor([1, 2]))
    bank.meet(torch.tensor([2]), torch.tensor([2, 1]))
    assert bank.members.tolist() == [True, False, True, True]
    assert sorted(bank.draw(20, 20).unique().tolist()) == [0, 2, 3]
    bank.update(torch.tensor([2]), torch.randn(1, 3), 0.5)
    bank.meet(NOBODY, torch.tensor([2]))
    assert len(bank) == 3
    assert 2 in bank.nearest(bank.values[2:3], torch.tensor([0]), 4)[0].tolist()


def test_another_run_s_rows_are_found_by_the_clip_and_not_by_its_place() -> None:
    """The release's banks align by position: one video more in front, and all are others'."""
    old = bank_of(4, 3)
    old.update(torch.tensor([0, 1, 3]), torch.randn(3, 3), 0.0)  # clip 2 was never seen
    old.scale = 2.5
    names = ["new", "clip 3", "clip 2", "clip 0"]
    bank = MemoryBank(keys_of(names), torch.ones(4, dtype=torch.bool), 3, seed=9)
    before = bank.values.clone()
    assert bank.take(old.tensors()) == 2
    assert torch.equal(bank.values[1], old.values[3])
    assert torch.equal(bank.values[3], old.values[0])
    assert torch.equal(bank.values[[0, 2]], before[[0, 2]])
    assert bank.known.tolist() == [False, True, False, True]
    assert bank.scale == 2.5
    strange = MemoryBank(keys_of(["a", "b"]), torch.ones(2, dtype=torch.bool), 3, seed=9)
    assert strange.take(old.tensors()) == 0


def test_a_bank_comes_back_from_a_checkpoint_bit_for_bit(tmp_path: Path) -> None:
    bank = bank_of(5, 3, absent=(0,))
    bank.update(torch.tensor([1, 2]), torch.randn(2, 3), 0.5)
    bank.meet(NOBODY, torch.tensor([4]))
    bank.scale = 0.1 + 0.2
    checkpoint.save(tmp_path / "a", bank.tensors(), json.loads("{}"))
    again = bank_of(5, 3, seed=7)
    again.load(checkpoint.load(tmp_path / "a")[0])
    assert torch.equal(again.values, bank.values)
    assert again.known.tolist() == bank.known.tolist()
    assert again.members.tolist() == [False, True, True, True, False]
    assert again.scale == bank.scale
    assert len(again) == 3


def test_keys_tell_clips_apart_and_stay() -> None:
    names = [f"{number:x}" for number in range(10_000)]
    keys = keys_of(names)
    assert len(keys.unique()) == 10_000
    assert torch.equal(keys_of(names[:3]), keys[:3])
