import torch

from triptych.encoders.davenet_small import build


def test_it_has_a_quarter_of_the_channels() -> None:
    with torch.device("meta"):
        network = build()
    assert network.dim == 256
    assert network.conv1.out_channels == 32
    # Counted: a sixteenth of davenet's weights between channels.
    assert sum(weight.numel() for weight in network.parameters()) == 2_796_544
