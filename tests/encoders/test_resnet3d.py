import pytest
import torch

from triptych.encoders.encoder import VideoInput
from triptych.encoders.resnet3d import Block, PooledIdentity, ResNet3d


def test_shortcut_a_takes_every_second_value_and_adds_channels_of_zeros() -> None:
    x = torch.arange(2 * 3 * 3 * 4 * 5).float().reshape(1, 2, 9, 4, 5)
    found = PooledIdentity(3, 2)(x)
    assert found.shape == (1, 5, 5, 2, 3)
    assert not found[:, 2:].any()
    for place in ((0, 0, 0), (1, 1, 2), (4, 0, 1)):
        t, h, w = (2 * index for index in place)
        assert torch.equal(found[(slice(None), slice(0, 2), *place)], x[:, :, t, h, w])


@pytest.mark.parametrize("shortcut", ["A", "B"])
def test_the_gradient_passes_the_shortcut(shortcut: str) -> None:
    """In the release of type A it does not: its values leave the graph."""
    block = Block(2, 4, 2, shortcut)  # type: ignore[arg-type]
    for name, weight in block.named_parameters():
        if name.startswith("bn2"):
            torch.nn.init.zeros_(weight)  # only the shortcut is left
    x = torch.rand(2, 2, 4, 4, 4, requires_grad=True)
    block(x).square().sum().backward()
    assert x.grad is not None
    assert x.grad.abs().sum() > 0


def test_types_differ_in_pixels_as_their_weights_do() -> None:
    clip = VideoInput(frames=2, size=32)
    first, second = (ResNet3d(clip, (1, 1, 1, 1), kind, (4, 4, 4, 4)) for kind in ("A", "B"))
    white = torch.full((1, 2, 32, 32, 3), 255, dtype=torch.uint8)
    red = first.pixels(white)[0, 0, 0, 0, 0].item(), second.pixels(white)[0, 0, 0, 0, 0].item()
    assert red == pytest.approx((255 - 114.7748, (1 - 0.4345) / 0.2768), rel=1e-5)
