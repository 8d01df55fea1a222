"""The device that trajectories are made on, by its name."""

from __future__ import annotations

import torch

from triptych.errors import UsageError, UserError


def device_of(name: str) -> torch.device:
    """``cpu``, ``cuda`` or ``cuda:1``.

    Raises UsageError where it is none of these, and UserError where there is no such GPU here.
    """
    try:
        device = torch.device(name)
    except RuntimeError:
        device = None
    if device is None or device.type not in ("cpu", "cuda"):
        raise UsageError(f"device {name!r}: must be cpu, cuda, or cuda:1 and so on")
    if device.type == "cuda":
        there = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if (device.index or 0) >= there:
            raise UserError(
                f"device {name}: torch sees {there or 'no'} GPU{'s' * (there > 1)} here; without "
                "--device trajectories are made on the CPU"
            )
    return device
