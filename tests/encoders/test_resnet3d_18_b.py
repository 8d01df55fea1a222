import torch

from tests.encoders.parity import check_outputs, check_shapes
from triptych.encoders.resnet3d_18_b import build


def test_it_is_the_published_network() -> None:
    network = build()
    check_shapes("resnet3d_18_b", network)
    check_outputs("resnet3d_18_b", network)


def test_its_parameters() -> None:
    """Video LA's release has 33.27 million with its head of 128 numbers."""
    with torch.device("meta"):
        count = sum(weight.numel() for weight in build().parameters())
    assert count + 512 * 128 + 128 == 33_269_568
