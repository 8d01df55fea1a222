import torch

from tests.encoders.parity import check_outputs, check_shapes
from triptych.encoders.r3d_18 import build


def test_it_is_the_published_network() -> None:
    network = build()
    check_shapes("r3d_18", network)
    check_outputs("r3d_18", network)


def test_its_parameters() -> None:
    """torchvision states 33,371,472 with a classifier of 400 classes."""
    with torch.device("meta"):
        count = sum(weight.numel() for weight in build().parameters())
    assert count + 512 * 400 + 400 == 33_371_472
