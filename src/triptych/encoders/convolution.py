"""Convolutions over time: short clips, and how weights begin."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F


class Conv3d(nn.Conv3d):
    """A zero-padded 3-D convolution without bias; maps may be smaller than its kernel."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: tuple[int, int, int],
        stride: tuple[int, int, int] = (1, 1, 1),
    ) -> None:
        """Padded by half the kernel on each side."""
        margin = (kernel[0] // 2, kernel[1] // 2, kernel[2] // 2)
        super().__init__(inputs, outputs, kernel, stride, margin, bias=False)
        self.margin = margin

    def forward(self, x: Tensor) -> Tensor:
        """(clips, inputs, t, h, w) to (clips, outputs, ceil(t/stride), ...)."""
        if all(n >= k for n, k in zip(x.shape[2:], self.kernel_size, strict=True)):
            return super().forward(x)
        # Where an axis is shorter than the kernel, oneDNN's gradient of the weights in bf16 holds
        # memory it never wrote, and at times writes where it must not (torch 2.13, measured). With
        # the padding made before the convolution it does not.
        sides = [side for margin in self.margin[::-1] for side in (margin, margin)]
        return F.conv3d(F.pad(x, sides), self.weight, None, self.stride)


class TemporalConv(Conv3d):
    """A convolution over time alone, zero-padded."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1, kernel: int = 3) -> None:
        super().__init__(inputs, outputs, (kernel, 1, 1), (stride, 1, 1))


def initialise(network: nn.Module) -> None:
    """He initialisation of convolutions by fan-out, unit BatchNorm (He et al., 2015)."""
    for module in network.modules():
        if isinstance(module, nn.Conv3d | nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        elif isinstance(module, nn.BatchNorm3d | nn.BatchNorm2d):
            nn.init.ones_(module.weight)
            nn.init.zeros_(module.bias)
