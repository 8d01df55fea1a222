import torch

from tests.encoders.parity import check_outputs, check_shapes
from triptych.encoders.resnet3d_34_b import build


def test_it_is_the_published_network() -> None:
    network = build()
    check_shapes("resnet3d_34_b", network)
    check_outputs("resnet3d_34_b", network)


def test_its_parameters() -> None:
    """3D-ResNets-PyTorch's own network, counted."""
    with torch.device("meta"):
        count = sum(weight.numel() for weight in build().parameters())
    assert count == 63_513_536
