import torch

from tests.encoders.parity import check_outputs, check_shapes
from triptych.encoders.i3d import build


def test_it_is_the_published_network() -> None:
    network = build()
    check_shapes("i3d", network)
    check_outputs("i3d", network)


def test_its_parameters() -> None:
    """pytorch-i3d's own network has 12,697,264 with a classifier of 400 classes."""
    with torch.device("meta"):
        count = sum(weight.numel() for weight in build().parameters())
    assert count + 1024 * 400 + 400 == 12_697_264
