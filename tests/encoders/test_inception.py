import numpy as np
import pytest
import torch
from torch.nn import functional as F

from triptych.encoders.inception import WIDTHS, blocks, same_padding, same_pool


def test_blocks_are_googlenet_s() -> None:
    """Szegedy et al. (2015), table 1: the channels that leave each block."""
    assert [widths.outputs for widths in WIDTHS.values()] == [
        256, 480, 512, 512, 512, 528, 832, 832, 1024,
    ]  # fmt: skip
    assert [entering for _, entering, _ in blocks()] == [
        192, 256, 480, 512, 512, 512, 528, 832, 832,
    ]  # fmt: skip


@pytest.mark.parametrize("kernel", [1, 2, 3, 7])
@pytest.mark.parametrize("stride", [1, 2])
def test_padding_is_as_tensorflow_says(kernel: int, stride: int) -> None:
    """SAME: just enough zeros that windows begin at every stride, one more behind if odd."""
    for length in range(1, 20):
        before, after = same_padding(length, kernel, stride)
        starts = np.arange(-(-length // stride)) * stride
        assert before + after == max(starts[-1] + kernel - length, 0)
        assert after - before in (0, 1)


@pytest.mark.parametrize(
    ("kernel", "stride"),
    [
        ((1, 3, 3), (1, 2, 2)),
        ((3, 3, 3), (1, 1, 1)),
        ((3, 3, 3), (2, 2, 2)),
        ((2, 2, 2), (2, 2, 2)),
    ],
)
@pytest.mark.parametrize("shape", [(1, 2, 3), (4, 5, 6), (7, 7, 8)])
def test_pooling_is_that_of_a_picture_padded_with_zeros(
    kernel: tuple[int, int, int], stride: tuple[int, int, int], shape: tuple[int, int, int]
) -> None:
    x = torch.rand(2, 3, *shape, generator=torch.Generator().manual_seed(0))
    sides = [
        side
        for n, k, s in zip(shape[::-1], kernel[::-1], stride[::-1], strict=True)
        for side in same_padding(n, k, s)
    ]
    wanted = F.max_pool3d(F.pad(x, sides), kernel, stride)
    assert torch.equal(same_pool(x, kernel, stride), wanted)
