import torch

from tests.encoders.parity import check_outputs, check_shapes
from triptych.encoders.r2plus1d_18_selavi import build


def test_it_is_the_published_network() -> None:
    network = build()
    check_shapes("r2plus1d_18_selavi", network)
    check_outputs("r2plus1d_18_selavi", network)


def test_its_parameters() -> None:
    """SeLaVi's own network, counted."""
    with torch.device("meta"):
        count = sum(weight.numel() for weight in build().parameters())
    assert count == 31_300_125
