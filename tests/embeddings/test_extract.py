from collections.abc import Iterator
from contextlib import nullcontext

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from triptych.clips.dataset import ClipBatch
from triptych.embeddings.extract import extract
from triptych.encoders.encoder import Encoder
from triptych.encoders.text import WordInput


class Host:
    device = torch.device("cpu")

    def autocast(self) -> nullcontext[None]:
        return nullcontext()


class Linear(Encoder):
    modality = "text"
    dim = 3

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.input = WordInput(("a", "b"))
        self.layers = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.Dropout(0.5))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.layers(x)
        return out


def batches(values: Tensor, present: Tensor, order: list[list[int]]) -> Iterator[ClipBatch]:
    for rows in order:
        inputs = torch.where(present[rows, None], values[rows], torch.nan)
        yield ClipBatch(torch.tensor(rows), {"text": inputs}, {"text": present[rows]})


def test_features_go_to_their_rows_in_any_order_and_batching() -> None:
    encoder, values = Linear(), torch.randn(7, 2)
    present = torch.tensor([1, 1, 0, 1, 1, 0, 1]).bool()
    expected = encoder.eval()(values).detach().numpy()
    for order in ([[0, 1, 2, 3, 4, 5, 6]], [[6, 2], [5], [4, 0, 1, 3]]):
        found = extract({"text": encoder}, batches(values, present, order), 7, Host())["text"]
        np.testing.assert_array_equal(found.present, present.numpy())
        np.testing.assert_allclose(found.values[present], expected[present], atol=1e-6)
        assert (found.values[~present] == 0).all(), "what is absent is zeros, whatever was read"
        assert found.values.dtype == np.float32


def test_rows_that_no_batch_visits_are_absent() -> None:
    values, present = torch.randn(4, 2), torch.ones(4).bool()
    found = extract({"text": Linear()}, batches(values, present, [[1]]), 4, Host())["text"]
    assert found.present.tolist() == [False, True, False, False]


def test_training_goes_on_in_the_mode_it_was_in() -> None:
    encoder = Linear().train()
    encoder.layers[1].eval()  # a frozen BatchNorm stays frozen
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    values, present = torch.randn(4, 2), torch.ones(4).bool()
    extract({"text": encoder}, batches(values, present, [[0, 1, 2, 3]]), 4, Host())
    assert encoder.training
    assert encoder.layers[2].training
    assert not encoder.layers[1].training
    assert all(torch.equal(value, before[name]) for name, value in encoder.state_dict().items())
    assert all(weight.grad is None for weight in encoder.parameters())

    def broken() -> Iterator[ClipBatch]:
        yield from batches(values, present, [[0]])
        raise RuntimeError("the disk is gone")

    with pytest.raises(RuntimeError, match="the disk is gone"):
        extract({"text": encoder}, broken(), 4, Host())
    assert encoder.training
    assert not encoder.layers[1].training
