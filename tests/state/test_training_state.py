import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.optim import SGD, AdamW, Optimizer

from triptych.clustering.whiten import Whitening
from triptych.encoders.encoder import VideoInput
from triptych.encoders.r2plus1d import R2Plus1D
from triptych.state import checkpoint
from triptych.state.assignments import Assignment
from triptych.state.training_state import TrainingState, head_shapes, load_assignments, new_heads

Make = Callable[[list[nn.Parameter]], Optimizer]
OPTIMIZERS: dict[str, Make] = {
    "adamw": lambda parameters: AdamW(parameters, 0.01, weight_decay=0.1),
    "sgd": lambda parameters: SGD(parameters, 0.01, momentum=0.9),
    "plain sgd": lambda parameters: SGD(parameters, 0.01),
}


def new_state(make: Make, seed: int) -> TrainingState:
    torch.manual_seed(seed)
    video = R2Plus1D(VideoInput(size=16), (2, 3, 4, 5), (1, 1, 1, 1), stem=2)
    video.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    encoders = nn.ModuleDict({"video": video, "other": nn.Linear(3, 4)})
    heads = new_heads({"a_teaches_video": (6, 5)}, seed)
    decayed = [p for p in encoders.parameters() if p.ndim > 1]
    rest = [p for p in encoders.parameters() if p.ndim <= 1]
    optimizers = {"encoders": make([*decayed, *rest]), "heads": make([*heads.parameters()])}
    return TrainingState(encoders, heads, optimizers)


def step(state: TrainingState, number: int) -> float:
    draw = torch.Generator().manual_seed(number)
    clips = torch.randint(0, 256, (4, 4, 16, 16, 3), dtype=torch.uint8, generator=draw)
    labels = torch.randint(0, 6, (4,), generator=draw)
    out = state.heads["a_teaches_video"](state.encoders["video"](clips))
    loss = F.cross_entropy(out, labels)
    for optimizer in state.optimizers.values():
        optimizer.zero_grad()
    loss.backward()
    for optimizer in state.optimizers.values():
        optimizer.step()
    return float(loss.detach())


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("before", [0, 2])
def test_a_step_after_loading_is_the_step_without_bit_for_bit(
    tmp_path: Path, name: str, before: int
) -> None:
    state = new_state(OPTIMIZERS[name], seed=0)
    for number in range(before):
        step(state, number)
    path = tmp_path / "last.safetensors"
    checkpoint.save(path, state.tensors(), {"state": state.facts()})
    resumed = new_state(OPTIMIZERS[name], seed=1)
    tensors, facts = checkpoint.load(path)
    resumed.load(tensors, facts["state"])
    for number in range(before, before + 2):
        assert step(resumed, number) == step(state, number)
    one, other = state.tensors(), resumed.tensors()
    assert one.keys() == other.keys()
    assert all(torch.equal(one[key], other[key]) for key in one)


def test_counters_and_clusters_come_back(tmp_path: Path) -> None:
    state = new_state(OPTIMIZERS["adamw"], 0)
    whitening = Whitening.none(5)
    labels = np.array([0, -1, 5], np.int64)
    state.assignments = {"a": Assignment(labels, np.eye(6, 5, dtype=np.float32), whitening)}
    state.epoch, state.step, state.refreshed, state.best = 3, 7, 2, 0.1 + 0.2
    state.totals = {"a_teaches_video": 1 / 3}
    state.health = {"clusterings": {"a": {"used": 6, "nmi_previous": None}}, "best": False}
    checkpoint.save(tmp_path / "a", state.tensors(), json.loads(json.dumps(state.facts())))
    again = new_state(OPTIMIZERS["adamw"], 1)
    again.load(*checkpoint.load(tmp_path / "a"))
    assert again.facts() == state.facts()
    np.testing.assert_array_equal(again.assignments["a"].labels, labels)
    np.testing.assert_array_equal(again.assignments["a"].centroids, np.eye(6, 5))


def test_a_model_is_saved_without_its_optimisers() -> None:
    state = new_state(OPTIMIZERS["adamw"], 0)
    step(state, 0)
    model, whole = state.model_tensors(), state.tensors()
    assert {name.split(".")[0] for name in model} == {"encoders", "heads"}
    assert {name.split(".")[0] for name in whole} == {"encoders", "heads", "optimizers"}
    assert head_shapes(model) == {"a_teaches_video": (6, 5)}
    assert load_assignments(model, state.facts()) == {}


def test_new_heads_are_drawn_from_their_seed() -> None:
    """Weights N(0, 0.01), biases 0."""
    shapes = {"x": (300, 200), "y": (2, 3)}
    one, same, other = (new_heads(shapes, seed).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not torch.equal(one["x.weight"], other["x.weight"])
    assert one["x.weight"].std().item() == pytest.approx(0.01, rel=0.02)
    assert one["x.weight"].mean().item() == pytest.approx(0, abs=2e-4)
    assert one["x.bias"].abs().sum() == 0
