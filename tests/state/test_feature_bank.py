import torch

from triptych.state.feature_bank import FeatureBank


def test_a_bank_keeps_the_last_visit_of_what_is_present_and_forgets_on_clear() -> None:
    bank = FeatureBank(4, 2)
    rows = torch.tensor([2, 0, 2])
    values = torch.tensor([[1.0, 1.0], [2.0, 2.0], [3.0, 3.0]], requires_grad=True)
    bank.put(rows, values, torch.tensor([True, False, True]))
    assert bank.known.tolist() == [False, False, True, False]
    assert bank.values[2].tolist() == [3.0, 3.0]
    assert not bank.values[0].any()
    copy = FeatureBank(4, 2)
    copy.load({name: value.clone() for name, value in bank.tensors().items()})
    bank.clear()
    assert not bank.known.any()
    assert copy.known.tolist() == [False, False, True, False]
    assert (copy.values[2] == 3.0).all()
