import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from triptych.methods.method import Method, Recall, declare
from triptych.state.memory_bank import MemoryBank, keys_of


class Given:
    """A step of two clips of five; the third is no member, and the second of the batch is row 4."""

    def __init__(self, method: Method, noise: int | None) -> None:
        self.method = method
        self.recall = Recall(0.2, 0.5, noise, "estimated", neighbours=3, clusterings=2)
        members = torch.tensor([True, True, False, True, True])
        self.bank = MemoryBank(keys_of(list("abcde")), members, 3, seed=0)
        draw = torch.Generator().manual_seed(1)
        self.vectors = torch.randn(2, 3, generator=draw).requires_grad_()
        self.noted: dict[str, Tensor] = {}

    def memory(self, modality: str) -> MemoryBank:
        assert modality == "video"
        return self.bank

    def queries(self, modality: str) -> tuple[Tensor, Tensor]:
        assert modality == "video"
        return self.vectors, torch.tensor([1, 4])

    def normaliser(self, modality: str) -> float:
        assert modality == "video"
        return 7.0

    def note(self, name: str, values: Tensor) -> None:
        self.noted[name] = values


def similarities(step: Given) -> list[list[float]]:
    unit = F.normalize(step.vectors.detach(), dim=1)
    return (unit @ step.bank.values.T).tolist()


@pytest.mark.parametrize("noise", [None, 4, 4096])
def test_equation_2_by_hand_where_the_bank_is_no_larger_than_the_noise(noise: int | None) -> None:
    step = Given(declare("ir", ("video",)), noise)
    found = step.method.loss(step)
    total = 0.0
    for near, own in zip(similarities(step), (1, 4), strict=True):
        p = {row: math.exp(near[row] / 0.2) for row in (0, 1, 3, 4)}
        total -= math.log(p[own] / sum(p.values()))
    assert found.keys() == {"video_instance"}
    assert found["video_instance"].item() == pytest.approx(total / 2, rel=1e-5)
    best = [max((0, 1, 3, 4), key=near.__getitem__) for near in similarities(step)]
    expected = [best[0] == 1, best[1] == 4]
    assert step.noted["video_recognised"].tolist() == expected


def test_a_row_that_is_no_member_takes_nobody_s_place() -> None:
    step = Given(declare("ir", ("video",)), None)
    step.vectors = step.bank.values[[1, 4]].clone()
    step.bank.values[2] = step.bank.values[1]
    step.bank.values[1] = F.normalize(step.bank.values[1] + 0.01, dim=0)
    step.method.loss(step)
    assert step.noted["video_recognised"].tolist() == [True, True]


def test_against_noise_by_hand() -> None:
    """h = P / (P + k/N), P = exp(s/t)/Z, with the noise that the bank draws by this seed."""
    step = Given(declare("ir", ("video",)), noise=3)
    torch.manual_seed(5)
    found = step.method.loss(step)["video_instance"].item()
    torch.manual_seed(5)
    noise = step.bank.draw(2, 3).tolist()
    total = 0.0
    for near, own, others in zip(similarities(step), (1, 4), noise, strict=True):
        p = [math.exp(value / 0.2) / 7.0 for value in near]
        total -= math.log(p[own] / (p[own] + 3 / 4))
        total -= sum(math.log((3 / 4) / (p[row] + 3 / 4)) for row in others)
    assert found == pytest.approx(total / 2, rel=1e-5)


@pytest.mark.parametrize("noise", [None, 3])
def test_the_gradient_is_the_query_s_alone_and_the_bank_stays(noise: int | None) -> None:
    step = Given(declare("ir", ("video",)), noise)
    before = step.bank.values.clone()
    step.method.loss(step)["video_instance"].backward()
    assert step.vectors.grad is not None
    assert step.vectors.grad.abs().sum() > 0
    assert not step.bank.values.requires_grad
    assert torch.equal(step.bank.values, before)


def test_every_modality_is_by_itself_and_nothing_is_clustered() -> None:
    for modalities in (("video",), ("audio", "text"), ("video", "audio", "text")):
        method = declare("ir", modalities)
        assert method.bank
        assert method.modalities == modalities
        assert method.clusters == method.teaches == ()
