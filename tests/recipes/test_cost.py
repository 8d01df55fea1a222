import pytest
import torch
from torch import nn

from triptych import config
from triptych.encoders.build import build
from triptych.encoders.encoder import VideoInput
from triptych.recipes.cost import (
    COUNTED,
    Cost,
    cost,
    of_banks,
    of_encoder,
    of_joint,
    of_queue,
    reckon,
    step_of,
)
from triptych.recipes.named import every, find
from triptych.state.joint import decoders, joint_heads


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


def test_heads_to_a_joint_space_cost_what_torch_counts_of_them() -> None:
    recipe = config.override(
        find("mcn_released_howto100m").make(),
        "joint.width=64 joint.hidden=8 clip.word_width=32 batch=32 clustering.k=16".split(),
    )
    dims = {"video": 4096, "audio": 1024, "text": 32}
    heads = joint_heads(dims, 64, ("audio",), 0)
    back = decoders(dims, 64, 8, back=True, seed=0)
    layer, forward = nn.Linear(300, 32), 0.0
    for name, dim in dims.items():
        forward += of_encoder(heads[name], torch.zeros(2, dim)).forward
        forward += of_encoder(back[name], torch.zeros(2, 64)).forward
    forward += 20 * of_encoder(layer, torch.zeros(2, 300)).forward
    forward += 2 * 64 * (3 * 32 + 16)  # all clips of the batch, three times, and the centroids
    found = of_joint(recipe)
    assert found.forward == pytest.approx(forward)
    matrices = [p for part in (heads, back, layer) for p in part.parameters() if p.ndim > 1]
    assert found.parameters == sum(p.numel() for p in matrices)
    assert of_joint(find("xdc_coin_64").make()) == Cost(0.0, 0.0, 0)


def test_a_queue_is_clustered_every_so_many_steps() -> None:
    recipe = find("mcn_released_howto100m").make()
    every = 100 * (40_960 + 4096) / 4096 / 20  # iterations over all rows, shared by 20 batches
    assert of_queue(recipe) == pytest.approx(2 * 256 * 6144 * (1 + every))
    assert of_queue(config.override(recipe, ["joint.cluster=0"])) == 0
    assert of_queue(find("mil_nce_howto100m").make()) == 0


def test_what_is_clustered_in_the_steps_takes_no_pass_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recipe = config.override(find("mcn_released_howto100m").make(), ["joint.cluster=0"])
    monkeypatch.setitem(COUNTED, step_of(recipe), Cost(1e13, 0.0, 0))
    hours = reckon(recipe, 1000)["hours_on_one_gpu"]
    assert hours == pytest.approx(1000 * 30 * 3 * 1e13 / 1e14 / 3600, rel=1e-3)
