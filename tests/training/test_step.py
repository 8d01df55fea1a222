from dataclasses import replace

import pytest
import torch
from lightning_fabric import Fabric
from torch import nn

from triptych.clips.dataset import ClipBatch
from triptych.clustering.whiten import Whitening
from triptych.methods.method import Recall, Teach, Triplets, declare
from triptych.state.assignments import Assignment
from triptych.state.memory_bank import MemoryBank, keys_of
from triptych.state.training_state import TrainingState, new_heads, new_projections
from triptych.training import optimizer
from triptych.training.recipe import Aggregation, Bank, Optimisation, Recipe
from triptych.training.step import BatchStep, recall_of, train_step


class Linear(nn.Module):
    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = dim
        self.layer = nn.Linear(3, dim)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(x)


TRIPLETS = Triplets(alpha=0.5, margin=0.5, negatives="random", unit=True)
RECALL = Recall(0.5, 0.5, noise=3, normaliser="estimated", neighbours=3, clusterings=2)


def step_of(present: list[bool]) -> BatchStep:
    method = declare("xdc", ("video", "audio"))
    torch.manual_seed(0)
    encoders = nn.ModuleDict({"video": Linear(4), "audio": Linear(5)})
    heads = new_heads({"audio_teaches_video": (3, 4), "video_teaches_audio": (2, 5)}, 0)
    rates = Optimisation()
    state = TrainingState(
        encoders,
        heads,
        {
            "encoders": optimizer.build(encoders.parameters(), 0.1, rates),
            "heads": optimizer.build(heads.parameters(), 0.1, rates),
        },
    )
    none = Whitening.none(1)
    centroids = torch.zeros(3, 1).numpy()
    audio = torch.tensor([0, 1, 2, 0]).masked_fill(~torch.tensor(present), -1)
    state.assignments = {
        "video": Assignment(torch.tensor([0, 1, 1, 0]).numpy(), centroids[:2], none),
        "audio": Assignment(audio.numpy(), centroids, none),
    }
    inputs = torch.randn(4, 3)
    batch = ClipBatch(
        torch.arange(4),
        {"video": inputs, "audio": inputs.clone()},
        {"video": torch.ones(4, dtype=torch.bool), "audio": torch.tensor(present)},
    )
    weights = {edge.head: torch.ones(4) for edge in method.teaches}
    return BatchStep(method, state, batch, weights, torch.device("cpu"), 0.0, TRIPLETS, RECALL)


def test_a_clip_without_sound_neither_teaches_nor_learns_by_sound() -> None:
    step = step_of([True, True, False, True])
    assert step.labels(Teach("audio", "video")).tolist() == [0, 1, -1, 0]  # it does not teach
    assert step.labels(Teach("video", "audio")).tolist() == [0, 1, -1, 0]  # it does not learn
    loud = step_of([True, True, False, True])
    loud.batch.inputs["audio"][2] = 1e6  # what would be there must not matter
    fabric = Fabric(accelerator="cpu", devices=1)
    assert train_step(step, fabric) == train_step(loud, fabric)
    for one, other in zip(
        step.state.encoders.parameters(), loud.state.encoders.parameters(), strict=True
    ):
        assert (one == other).all()


def test_both_encoders_and_every_head_learn() -> None:
    step = step_of([True] * 4)
    modules = {**dict(step.state.encoders.items()), **dict(step.state.heads.items())}
    before = {name: [p.clone() for p in module.parameters()] for name, module in modules.items()}
    train_step(step, Fabric(accelerator="cpu", devices=1))
    for name, module in modules.items():
        assert any(
            (old != new).any() for old, new in zip(before[name], module.parameters(), strict=True)
        ), name


def test_xdc_shares_no_gradient_between_encoders() -> None:
    step = step_of([True] * 4)
    loss = step.method.loss(step)["audio_teaches_video"]
    loss.backward()
    assert all(p.grad is None for p in step.state.encoders["audio"].parameters())
    assert any(p.grad is not None for p in step.state.encoders["video"].parameters())


def joint_step(present: list[bool]) -> BatchStep:
    """JDC on the clips of ``step_of``, all of them in the cluster of their number."""
    step = step_of(present)
    step.method = declare("jdc", ("video", "audio"))
    edge = step.method.teaches[0]
    state = step.state
    state.projections = new_projections({"video": 4, "audio": 5}, 6, seed=0)
    state.heads = new_heads({edge.head: (4, 12)}, 0)
    rates = Optimisation()
    state.optimizers = {
        "encoders": optimizer.build(
            [*state.encoders.parameters(), *state.projections.parameters()], 0.1, rates
        ),
        "heads": optimizer.build(state.heads.parameters(), 0.1, rates),
    }
    labels = torch.arange(4).masked_fill(~torch.tensor(present), -1).numpy()
    none = Whitening.none(1)
    state.assignments = {"joint": Assignment(labels, torch.zeros(4, 1).numpy(), none)}
    step.edge_weights = {edge.head: torch.ones(4)}
    return step


def test_the_joint_head_sees_both_projections_side_by_side() -> None:
    step = joint_step([True] * 4)
    edge = step.method.teaches[0]
    encoders, layers = step.state.encoders, step.state.projections
    seen = [layers[name](encoders[name](step.batch.inputs[name])) for name in ("video", "audio")]
    head = step.state.heads[edge.head]
    expected = torch.cat(seen, 1) @ head.weight.T + head.bias
    torch.testing.assert_close(step.logits(edge), expected)


def test_the_joint_loss_reaches_encoders_projections_and_head() -> None:
    step = joint_step([True] * 4)
    modules = [step.state.encoders, step.state.projections, step.state.heads]
    before = [parameter.clone() for module in modules for parameter in module.parameters()]
    fabric = Fabric(accelerator="cpu", devices=1)
    # The head begins with weights near zero, so that what is behind it moves visibly with Adam.
    train_step(step, fabric)
    after = [parameter for module in modules for parameter in module.parameters()]
    assert all((old != new).any() for old, new in zip(before, after, strict=True))


def test_a_clip_that_lacks_a_student_is_not_taught_by_the_joint_head() -> None:
    step = joint_step([True, False, True, True])
    assert step.labels(step.method.teaches[0]).tolist() == [0, -1, 2, 3]


def bank_step(recall: Recall = RECALL) -> BatchStep:
    """IR of sound on the clips of ``step_of``, of which the third is silent; six in the bank."""
    step = step_of([True, True, False, True])
    step.method, step.recall = declare("ir", ("audio",)), recall
    state = step.state
    state.projections = new_projections({"audio": 5}, 3, seed=0)
    members = torch.tensor([True, True, False, True, True, True])
    state.memory = {"audio": MemoryBank(keys_of(list("abcdef")), members, 3, seed=0)}
    state.heads, rates = nn.ModuleDict(), Optimisation()
    state.optimizers = {
        "encoders": optimizer.build(
            [*state.encoders["audio"].parameters(), *state.projections.parameters()], 0.1, rates
        )
    }
    return step


def test_a_step_remembers_what_the_network_made_of_its_clips_and_nothing_else() -> None:
    step = bank_step()
    before = step.state.memory["audio"].values.clone()
    with torch.no_grad():
        made = step.state.projections["audio"](
            step.state.encoders["audio"](step.batch.inputs["audio"])
        )
    train_step(step, Fabric(accelerator="cpu", devices=1))
    bank = step.state.memory["audio"]
    for row in (0, 1, 3):
        unit = made[row] / made[row].norm()
        mean = 0.5 * before[row] + 0.5 * unit  # of before the update of the weights
        torch.testing.assert_close(bank.values[row], mean / mean.norm())
    assert torch.equal(bank.values[[2, 4, 5]], before[[2, 4, 5]])
    assert bank.known.tolist() == [True, True, False, True, False, False]
    assert step.noted.keys() == {"audio_recognised"}
    assert step.noted["audio_recognised"][1] == 3


def test_a_member_that_could_not_be_read_leaves_the_bank() -> None:
    step = bank_step()
    step.state.memory["audio"].members[2] = True
    train_step(step, Fabric(accelerator="cpu", devices=1))
    assert step.state.memory["audio"].members.tolist() == [True, True, False, True, True, True]


@pytest.mark.parametrize("noise", [None, 3])
def test_a_clip_that_can_be_read_after_all_is_told_from_the_others(noise: int | None) -> None:
    """Of a damaged file one random window fails and another does not; the loss was infinite."""
    step = bank_step(replace(RECALL, noise=noise))
    step.state.memory["audio"].members[2] = True
    fabric = Fabric(accelerator="cpu", devices=1)
    train_step(step, fabric)
    again = replace(step, batch=replace(step.batch, present={"audio": torch.ones(4).bool()}))
    assert torch.isfinite(torch.tensor(list(train_step(again, fabric).values()))).all()
    bank = step.state.memory["audio"]
    assert bank.members.all()
    row = bank.values[2].clone()
    train_step(replace(step), fabric)
    assert bank.members.all(), "its row is of the clip"
    assert torch.equal(bank.values[2], row)


def test_the_normaliser_is_estimated_once_or_goes_by_the_number_of_clips_or_is_given() -> None:
    step = bank_step()
    queries, rows = step.queries("audio")
    assert rows.tolist() == [0, 1, 3]
    bank = step.memory("audio")
    unit = queries / queries.norm(dim=1, keepdim=True)
    exponentials = (unit @ bank.values[bank.members].T / 0.5).exp()
    assert step.normaliser("audio") == pytest.approx(exponentials.sum(1).mean().item(), rel=1e-5)
    first = step.normaliser("audio")
    bank.values = -bank.values
    assert step.normaliser("audio") == first
    step.recall = replace(RECALL, normaliser="scaled")
    assert step.normaliser("audio") == pytest.approx(5 * 2876934.2 / 1281167)
    step.recall = replace(RECALL, normaliser=2876934.2)
    assert step.normaliser("audio") == 2876934.2


def test_a_step_takes_what_the_recipe_says_of_the_bank() -> None:
    bank = Bank(width=9, momentum=0.3, temperature=0.2, noise=17, normaliser=5.0)
    near = Aggregation(neighbours=40, clusterings=6)
    found = recall_of(Recipe(method="la", bank=bank, aggregation=near))
    assert found == Recall(
        temperature=0.2, momentum=0.3, noise=17, normaliser=5.0, neighbours=40, clusterings=6
    )


def test_labels_of_all_runs_stand_one_below_the_other() -> None:
    step = bank_step()
    step.method = declare("la", ("audio",))
    none = Whitening.none(0)
    empty = torch.zeros(2, 0).numpy()
    for name, labels in (("audio_1", [0, 1, -1, 1]), ("audio_2", [1, 1, -1, 0])):
        step.state.assignments[name] = Assignment(torch.tensor(labels).numpy(), empty, none)
    assert step.runs("audio").tolist() == [[0, 1, -1, 1], [1, 1, -1, 0]]
