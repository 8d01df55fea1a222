import torch

from tests.encoders.parity import check_outputs, check_shapes
from triptych.encoders.mc3_18 import build


def test_it_is_the_published_network() -> None:
    network = build()
    check_shapes("mc3_18", network)
    check_outputs("mc3_18", network)


def test_its_parameters() -> None:
    """torchvision states 11,695,440 with a classifier of 400 classes."""
    with torch.device("meta"):
        count = sum(weight.numel() for weight in build().parameters())
    assert count + 512 * 400 + 400 == 11_695_440
