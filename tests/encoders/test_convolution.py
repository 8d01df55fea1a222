import pytest
import torch
from torch.nn import functional as F

from triptych.encoders.convolution import Conv3d, TemporalConv, initialise


def test_weights_start_by_he_s_rule() -> None:
    torch.manual_seed(0)
    layer = Conv3d(64, 128, (1, 3, 3))
    initialise(layer)
    assert layer.weight.std().item() == pytest.approx((2 / (128 * 9)) ** 0.5, rel=0.02)


@pytest.mark.parametrize("frames", [1, 2, 3, 6, 7, 9])
@pytest.mark.parametrize(
    ("kernel", "stride"),
    [
        ((3, 1, 1), (2, 1, 1)),
        ((3, 3, 3), (2, 2, 2)),
        ((7, 7, 7), (1, 2, 2)),
        ((1, 3, 3), (1, 1, 1)),
    ],
)
def test_it_is_a_zero_padded_convolution_however_short_the_clip(
    frames: int, kernel: tuple[int, int, int], stride: tuple[int, int, int]
) -> None:
    torch.manual_seed(0)
    layer = Conv3d(2, 3, kernel, stride)
    x = torch.randn(2, 2, frames, 8, 9)
    sides = [side for size in kernel[::-1] for side in (size // 2, size // 2)]
    wanted = F.conv3d(F.pad(x, sides), layer.weight, None, stride)
    torch.testing.assert_close(layer(x), wanted)


@pytest.mark.parametrize(("frames", "size"), [(1, 8), (2, 8), (3, 8), (4, 8), (4, 1)])
@pytest.mark.parametrize(
    "layer",
    [
        TemporalConv(64, 64),
        Conv3d(64, 64, (1, 3, 3), (1, 2, 2)),
        Conv3d(64, 64, (3, 3, 3), (2, 2, 2)),
        Conv3d(3, 64, (7, 7, 7), (1, 2, 2)),
    ],
    ids=["time", "space", "full", "stem"],
)
def test_the_gradient_in_bf16_holds_no_memory_that_was_never_written(
    layer: Conv3d, frames: int, size: int
) -> None:
    torch.manual_seed(0)
    layer = layer.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    x = torch.randn(16, layer.in_channels, frames, size, size)
    x = x.contiguous(memory_format=torch.channels_last_3d)
    upstream = torch.randn(layer(x).shape)
    exact = torch.autograd.grad(layer(x), layer.weight, upstream)[0]
    for _ in range(10):
        # What is freed here is what an allocation without writing would get back.
        for size in (1_000, 10_000, 100_000, 500_000, 1_000_000):
            torch.full((size,), 1e30)
        with torch.autocast("cpu", torch.bfloat16):
            out = layer(x)
        found = torch.autograd.grad(out, layer.weight, upstream.to(out.dtype))[0]
        assert (found - exact).abs().max() < 0.02 * exact.abs().max()
