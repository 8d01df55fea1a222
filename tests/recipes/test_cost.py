import pytest
import torch
from torch import nn

from triptych.encoders.build import build
from triptych.encoders.encoder import VideoInput
from triptych.recipes.cost import COUNTED, Cost, cost, of_banks, of_encoder, reckon, step_of
from triptych.recipes.named import every, find


def test_a_perceptron_by_hand() -> None:
    network = nn.Sequential(nn.Linear(10, 20, bias=False), nn.ReLU(), nn.Linear(20, 5, bias=False))
    found = of_encoder(network, torch.zeros(4, 10))
    assert found.forward == 2 * (10 * 20 + 20 * 5)
    # Kept: the input, which the first layer's weights need, and the ReLU's result, used twice.
    assert found.kept == 10 + 20
    assert found.parameters == 10 * 20 + 20 * 5


def test_r2plus1d_18_has_the_operations_that_torchvision_states() -> None:
    """40.519 G multiplications with additions for 16 frames of 112 x 112."""
    encoder = build("r2plus1d_18", "video", VideoInput(16, 15.0, 112), seed=0)
    clips = torch.zeros(2, 16, 112, 112, 3, dtype=torch.uint8)
    found = of_encoder(encoder.to("meta"), clips.to("meta"))
    assert found.forward / 2e9 == pytest.approx(40.519, abs=0.01)


def test_costs_of_two_encoders_add_up() -> None:
    assert Cost(1.0, 2.0, 3) + Cost(10.0, 20.0, 30) == Cost(11.0, 22.0, 33)


def test_hours_follow_from_operations(monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = find("xdc_coin_64").make()
    monkeypatch.setitem(COUNTED, step_of(recipe), Cost(1e12, 1e6, 10**6))
    # 974 clips, 100 epochs, new labels before each and once more to judge the last weights.
    found = reckon(recipe, 974)
    passes = 100 * 3 + 101
    assert found["hours_on_one_gpu"] == pytest.approx(974 * passes * 1e12 / 1e14 / 3600)
    assert found["gibibytes"] == pytest.approx((16 * 1e6 * 2 + 1e6 * 12) / 2**30)
    # 2 epochs until a plateau, taken to be one round, and the clustering that judges it.
    plateau = find("xdc_ig_random").make()
    monkeypatch.setitem(COUNTED, step_of(plateau), Cost(1e12, 1e6, 10**6))
    hours = reckon(plateau, 65_000_000)["hours_on_one_gpu"]
    assert hours == pytest.approx(65e6 * (2 * 3 + 2) * 1e12 / 1e14 / 3600)


def test_clusters_of_banks_cost_a_product_with_all_centres_in_every_iteration() -> None:
    one = 2 * 1000 * 6000 * 20 * 3  # of a number: clips, K, iterations, m
    plain, outside, joint = (
        of_banks(find(name).make(), 1000)
        for name in ("la_kinetics", "la_idt_untuned_kinetics", "la_idt_kinetics")
    )
    assert plain == one * 128 * 201  # before each of 200 epochs and at the end
    assert outside == one * 2000  # once
    assert joint == one * 2128 * 26
    assert of_banks(find("ir_kinetics").make(), 1000) == 0
    assert of_banks(find("xdc_coin_64").make(), 1000) == 0


def test_every_named_recipe_s_step_costs_what_was_counted() -> None:
    steps = {step_of(named.make()): named.make() for named in every().values()}
    assert {step: cost(recipe) for step, recipe in steps.items()} == COUNTED
