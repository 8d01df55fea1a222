import math

import pytest
import torch

from triptych.state.joint import GatedUnit, decoders, heads_of, joint_heads

DIMS = {"video": 4, "audio": 3, "text": 5}


def test_the_gated_unit_by_hand() -> None:
    unit = GatedUnit(1, 2)
    with torch.no_grad():
        unit.linear.weight.copy_(torch.tensor([[2.0], [-1.0]]))
        unit.linear.bias.copy_(torch.tensor([0.5, 0.0]))
        unit.gate.weight.copy_(torch.tensor([[1.0, 0.0], [1.0, 1.0]]))
        unit.gate.bias.copy_(torch.tensor([0.0, -1.0]))
    y = (2 * 3 + 0.5, -3.0)
    gates = (1 / (1 + math.exp(-y[0])), 1 / (1 + math.exp(-(y[0] + y[1] - 1))))
    found = unit(torch.tensor([[3.0]])).tolist()[0]
    assert found == pytest.approx([y[0] * gates[0], y[1] * gates[1]], rel=1e-5)


def test_every_modality_ends_in_the_joint_space_and_a_narrow_gate_is_of_its_features() -> None:
    heads = joint_heads(DIMS, 8, ("audio",), 0)
    for name, dim in DIMS.items():
        assert heads[name](torch.randn(2, dim)).shape == (2, 8)
    assert heads["video"][0].gate.weight.shape == (8, 8)
    assert heads["audio"][0].gate.weight.shape == (3, 3)
    assert [layer.weight.shape for layer in heads["audio"][1:]] == [(8, 3)]


def test_the_seed_decides_and_the_generator_of_others_stays() -> None:
    torch.manual_seed(3)
    wanted = torch.rand(1)
    torch.manual_seed(3)
    one, same, other = (joint_heads(DIMS, 8, (), seed) for seed in (0, 0, 1))
    assert torch.equal(torch.rand(1), wanted)
    weights = [heads["text"][0].linear.weight for heads in (one, same, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_facts_are_enough_to_build_the_heads_again() -> None:
    heads = joint_heads(DIMS, 8, ("audio",), 5)
    again = heads_of({"features": DIMS, "width": 8, "narrow": ["audio"], "unit": False})
    again.load_state_dict(heads.state_dict())
    x = torch.randn(2, 3)
    assert torch.equal(heads["audio"](x), again["audio"](x))


def test_decoders_lead_from_features_to_the_joint_space_or_back() -> None:
    there = decoders(DIMS, 8, 2, back=False, seed=0)["video"]
    one, other = torch.randn(2, 1, 4)
    # Two linear layers are one: of the mean it makes the mean.
    torch.testing.assert_close(there((one + other) / 2), (there(one) + there(other)) / 2)
    back = decoders(DIMS, 8, 2, back=True, seed=0)["video"]
    found = back(torch.randn(50, 8))
    assert found.shape == (50, 4)
    assert (found >= 0).all()
    assert [tuple(layer.weight.shape) for layer in back if hasattr(layer, "weight")] == [
        (2, 8),
        (4, 2),
    ]
