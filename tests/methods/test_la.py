import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from tests.methods.test_ir import Given
from triptych.methods.method import Cluster, declare


class Clustered(Given):
    labels = torch.tensor([[0, 0, 1, 1, -1], [1, 0, 0, 0, -1]])

    def runs(self, name: str) -> Tensor:
        assert name == "video"
        return self.labels


def test_equation_3_by_hand() -> None:
    """Of four members each clip looks at three; row 1 is with 0 in one run and 3 in the other."""
    step = Clustered(declare("la", ("video",)), noise=None)
    found = step.method.loss(step)
    unit = F.normalize(step.vectors.detach(), dim=1)
    total, shares, alone = 0.0, [], []
    for near, own, mates in zip(
        (unit @ step.bank.values.T).tolist(), (1, 4), ({0, 1, 3}, {4}), strict=True
    ):
        nearest = sorted({0, 1, 3, 4} - {own}, key=lambda row: -near[row])[:2]
        background = {own, *nearest}
        p = {row: math.exp(near[row] / 0.2) for row in background}
        close = background & mates
        total -= math.log(sum(p[row] for row in close) / sum(p.values()))
        shares.append(len(close) / 3)
        alone.append(len(close) == 1)
    assert found.keys() == {"video_neighbours"}
    assert found["video_neighbours"].item() == pytest.approx(total / 2, rel=1e-5)
    assert step.noted["video_close"].tolist() == pytest.approx(shares)
    assert step.noted["video_alone"].tolist() == alone


def test_the_gradient_is_the_query_s_alone_and_the_bank_stays() -> None:
    step = Clustered(declare("la", ("video",)), noise=None)
    before = step.bank.values.clone()
    step.method.loss(step)["video_neighbours"].backward()
    assert step.vectors.grad is not None
    assert step.vectors.grad.abs().sum() > 0
    assert torch.equal(step.bank.values, before)


def test_every_modality_has_its_own_clusters_of_its_own_bank() -> None:
    method = declare("la", ("video", "text"))
    assert method.bank
    assert method.clusters == (
        Cluster("video", ("video",), over="bank"),
        Cluster("text", ("text",), over="bank"),
    )
    assert method.clusters[0].runs(2) == ("video_1", "video_2")
