import pytest
import torch
from torch.nn import functional as F

from triptych.encoders.inflated import Unit


@torch.no_grad()
@pytest.mark.parametrize(("kernel", "stride"), [(1, 1), (3, 1), (7, 2)])
@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 5, 4), (3, 3, 3), (8, 9, 10), (16, 7, 8)])
def test_a_unit_looks_around_every_stride_with_zeros_outside(
    kernel: int, stride: int, shape: tuple[int, int, int]
) -> None:
    """TensorFlow's SAME: out[i] sees from i x stride - before on, of kernel values along each axis.

    Compared at every place with the product of weights and the patch there.
    """
    torch.manual_seed(0)
    unit = Unit(2, 3, kernel, stride).eval()
    x = torch.randn(1, 2, *shape)
    found = unit(x)
    counts = [-(-n // stride) for n in shape]
    assert list(found.shape[2:]) == counts
    totals = [
        max((count - 1) * stride + kernel - n, 0) for count, n in zip(counts, shape, strict=True)
    ]
    wide = F.pad(x, [kernel] * 6)
    weight = unit.conv3d.weight
    for place in torch.cartesian_prod(*[torch.arange(count) for count in counts]).tolist():
        starts = [i * stride - total // 2 + kernel for i, total in zip(place, totals, strict=True)]
        t, h, w = (slice(start, start + kernel) for start in starts)
        value = (weight * wide[0, :, t, h, w]).sum((1, 2, 3, 4)) / (1 + 1e-3) ** 0.5
        torch.testing.assert_close(
            found[(0, slice(None), *place)], value.relu(), atol=1e-4, rtol=1e-4
        )


@pytest.mark.parametrize("shape", [(1, 8, 8), (2, 4, 4), (4, 1, 1)])
def test_the_gradient_in_bf16_is_that_in_32_bits(shape: tuple[int, int, int]) -> None:
    torch.manual_seed(0)
    unit = Unit(64, 64, 3).to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    x = torch.randn(16, 64, *shape).contiguous(memory_format=torch.channels_last_3d)
    exact = torch.autograd.grad(unit(x).square().sum(), unit.conv3d.weight)[0]
    for _ in range(5):
        torch.full((500_000,), 1e30)
        with torch.autocast("cpu", torch.bfloat16):
            loss = unit(x).float().square().sum()
        found = torch.autograd.grad(loss, unit.conv3d.weight)[0]
        assert (found - exact).abs().max() < 0.1 * exact.abs().max()
