import pytest
import torch

from triptych.encoders.encoder import VideoInput
from triptych.encoders.r2plus1d_small import build


def test_it_is_small() -> None:
    count = sum(weight.numel() for weight in build().parameters())
    assert 0.75e6 < count < 0.85e6


@torch.no_grad()
@pytest.mark.parametrize(("frames", "size"), [(8, 64), (16, 64), (8, 112), (4, 30)])
def test_it_takes_clips_of_any_form(frames: int, size: int) -> None:
    network = build(VideoInput(frames=frames, size=size)).eval()
    clips = torch.randint(0, 256, (1, frames, size, size, 3), dtype=torch.uint8)
    assert network(clips).shape == (1, network.dim) == (1, 128)
