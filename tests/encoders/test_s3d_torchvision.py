import torch

from tests.encoders.parity import check_outputs, check_shapes
from triptych.encoders.s3d_torchvision import build


def test_it_is_the_published_network() -> None:
    network = build()
    check_shapes("s3d_torchvision", network)
    check_outputs("s3d_torchvision", network)


def test_its_parameters() -> None:
    """torchvision states 8,320,048 with a classifier of 400 classes."""
    with torch.device("meta"):
        count = sum(weight.numel() for weight in build().parameters())
    assert count + 1024 * 400 + 400 == 8_320_048
