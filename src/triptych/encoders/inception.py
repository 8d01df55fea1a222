"""What I3D and S3D share: the nine blocks of GoogLeNet (Szegedy et al., CVPR 2015) and their pools.

A block has four branches side by side: 1x1; 1x1 then 3x3; 1x1 then a second 3x3; pooling then 1x1.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from torch import Tensor
from torch.nn import functional as F

Size = tuple[int, int, int]


class Widths(NamedTuple):
    """Channels of a block: 1x1, reduction and outcome of two 3x3, 1x1 after the pool."""

    plain: int
    first_in: int
    first: int
    second_in: int
    second: int
    pooled: int

    @property
    def outputs(self) -> int:
        """Of the four branches together."""
        return self.plain + self.first + self.second + self.pooled


ENTERING = 192
WIDTHS = {
    "3b": Widths(64, 96, 128, 16, 32, 32),
    "3c": Widths(128, 128, 192, 32, 96, 64),
    "4b": Widths(192, 96, 208, 16, 48, 64),
    "4c": Widths(160, 112, 224, 24, 64, 64),
    "4d": Widths(128, 128, 256, 24, 64, 64),
    "4e": Widths(112, 144, 288, 32, 64, 64),
    "4f": Widths(256, 160, 320, 32, 128, 128),
    "5b": Widths(256, 160, 320, 32, 128, 128),
    "5c": Widths(384, 192, 384, 48, 128, 128),
}
# Before these blocks time and space are halved; the kernels of the pools.
POOLS: dict[str, Size] = {"4b": (3, 3, 3), "5b": (2, 2, 2)}


def blocks() -> Iterator[tuple[str, int, Widths]]:
    """Name, channels that enter, widths of every block in order."""
    entering = ENTERING
    for name, widths in WIDTHS.items():
        yield name, entering, widths
        entering = widths.outputs


def same_padding(length: int, kernel: int, stride: int) -> tuple[int, int]:
    """TensorFlow's SAME: ceil(length / stride) values come out, the odd zero goes to the end."""
    total = max(kernel - (length % stride or stride), 0)
    return total // 2, total - total // 2


def same_pool(x: Tensor, kernel: Size, stride: Size) -> Tensor:
    """Maximum with SAME padding of values that are nowhere below 0, (clips, channels, t, h, w).

    As zeros and what is left out then make no difference, nothing need be padded at the end. A
    kernel is odd or as long as its stride.
    """
    before = [same_padding(n, k, s)[0] for n, k, s in zip(x.shape[2:], kernel, stride, strict=True)]
    return F.max_pool3d(x, kernel, stride, before, ceil_mode=True)
