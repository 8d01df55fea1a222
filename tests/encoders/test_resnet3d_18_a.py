import torch

from tests.encoders.parity import check_outputs, check_shapes
from triptych.encoders.resnet3d_18_a import build


def test_it_is_the_published_network() -> None:
    network = build()
    check_shapes("resnet3d_18_a", network)
    check_outputs("resnet3d_18_a", network)


def test_its_parameters() -> None:
    """Type B's projections have 64x128 + 128x256 + 256x512 weights, and 2 x 896 to norm."""
    with torch.device("meta"):
        count = sum(weight.numel() for weight in build().parameters())
    assert count == 33_203_904 - 172_032 - 1_792
