import pytest
import torch

from triptych.encoders.audio_resnet_small import build
from triptych.encoders.encoder import AudioInput


def test_it_is_small() -> None:
    assert 0.29e6 < sum(weight.numel() for weight in build().parameters()) < 0.32e6


@torch.no_grad()
@pytest.mark.parametrize(("rate", "seconds"), [(16_000, 1.0), (8_000, 2.0), (48_000, 0.3)])
def test_it_takes_sound_of_any_rate_and_length(rate: int, seconds: float) -> None:
    clip = AudioInput(rate, seconds)
    network = build(clip).eval()
    assert network(torch.zeros(2, clip.samples)).shape == (2, network.dim) == (2, 256)
