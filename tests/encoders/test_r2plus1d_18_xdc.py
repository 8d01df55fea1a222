import pytest
import torch
from torch import nn

from tests.encoders.parity import check_outputs, check_shapes
from triptych.encoders.encoder import VideoInput
from triptych.encoders.r2plus1d_18_xdc import build


def test_it_is_the_published_network() -> None:
    network = build()
    check_shapes("r2plus1d_18_xdc", network)
    check_outputs("r2plus1d_18_xdc", network)


def test_its_parameters() -> None:
    """The release has 33,370,839 with a classifier of 400 classes."""
    with torch.device("meta"):
        count = sum(weight.numel() for weight in build().parameters())
    assert count + 512 * 400 + 400 == 33_370_839


def test_batch_norm_follows_many_batches_and_not_the_last() -> None:
    network = build(VideoInput(frames=2, size=32))
    norms = [part for part in network.modules() if isinstance(part, nn.BatchNorm3d)]
    assert {(norm.eps, norm.momentum) for norm in norms} == {(1e-3, 0.1)}
    torch.manual_seed(0)
    norm, x = norms[0], torch.full((1, 45, 1, 2, 2), 10.5)
    norm(x)
    assert norm.running_mean is not None
    assert norm.running_mean[0].item() == pytest.approx(1.05)  # the release's .9 makes it 9.45
