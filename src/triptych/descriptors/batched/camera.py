"""Many frames as a camera that had not moved would have seen them, and where corners went."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from triptych.descriptors.batched.fused import fused
from triptych.descriptors.camera import MARGIN
from triptych.descriptors.pyramid import Floats


@fused
def steady(before: Tensor, now: Tensor, cameras: Tensor) -> Tensor:
    """``camera.steady`` of many pairs of frames (n, h, w), uint8; ``cameras`` (n, 3, 3), float64.

    The same numbers to the bit, but where the last digit of a place decides.
    """
    count, height, width = now.shape
    y = torch.arange(height, device=now.device, dtype=torch.float64)[:, None]
    x = torch.arange(width, device=now.device, dtype=torch.float64)
    rows = cameras[:, :, :, None, None].unbind(1)
    depth, over, down = (
        row[:, 1] * y + row[:, 2] + row[:, 0] * x for row in (rows[2], rows[0], rows[1])
    )
    from_x, from_y = over / depth, down / depth  # of depth 0 are infinite, or no numbers: outside
    inside = (from_x > MARGIN) & (from_x < width - 1 - MARGIN)
    inside = inside & (from_y > MARGIN) & (from_y < height - 1 - MARGIN)
    fine_x = torch.where(inside, from_x * 32, 0.0).round().int()
    fine_y = torch.where(inside, from_y * 32, 0.0).round().int()
    right, below = fine_x & 31, fine_y & 31
    pictures = torch.arange(count, device=now.device)[:, None, None]
    corner = (pictures * height + (fine_y >> 5)) * width + (fine_x >> 5)
    flat = now.flatten()
    upper = flat[corner].int() * (32 - right) + flat[corner + 1].int() * right
    lower = flat[corner + width].int() * (32 - right) + flat[corner + width + 1].int() * right
    looked_up = (upper * (32 - below) + lower * below + 512) >> 10
    return torch.where(inside, looked_up.to(torch.uint8), before)


def carried(flow: Tensor, pixels: Sequence[npt.NDArray[np.int64]]) -> list[Floats]:
    """Where flow (2, n, h, w) carries pixels of each frame, (m, 2: x, y) of n frames.

    The flow of all of them comes from the device in one piece.
    """
    frames = np.repeat(np.arange(len(pixels)), [len(some) for some in pixels])
    every = np.concatenate([np.empty((0, 2), np.int64), *pixels])
    at = (frames * flow.shape[2] + every[:, 1]) * flow.shape[3] + every[:, 0]
    moves = flow.flatten(1)[:, torch.from_numpy(at).to(flow.device)].cpu().numpy()
    ends = (every + moves.T).astype(np.float32)
    return np.split(ends, np.cumsum([len(some) for some in pixels])[:-1])
