import torch

from tests.encoders.parity import check_outputs, check_shapes
from triptych.encoders.i3d_released import build


def test_it_is_the_published_network() -> None:
    network = build()
    check_shapes("i3d_released", network)
    check_outputs("i3d_released", network)


def test_its_parameters() -> None:
    """As I3D."""
    with torch.device("meta"):
        count = sum(weight.numel() for weight in build().parameters())
    assert count == 12_287_264
