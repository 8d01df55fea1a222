import torch

from tests.encoders.parity import check_outputs, check_shapes
from triptych.encoders.audio_resnet_9 import build


def test_it_is_the_published_network() -> None:
    network = build()
    check_shapes("audio_resnet_9", network)
    check_outputs("audio_resnet_9", network)


def test_its_parameters() -> None:
    """SeLaVi's own network, counted."""
    with torch.device("meta"):
        count = sum(weight.numel() for weight in build().parameters())
    assert count == 4_899_520
