"""The device that trajectories are made on, by its name."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from triptych.errors import UsageError, UserError

FRAMES = 256
PIXELS = 340 * 256


@dataclass(frozen=True)
class Device:
    """``cpu``, ``cuda`` or ``cuda:1``, and how many pictures of 340x256 it holds at once.

    Of larger pictures it holds fewer. Raises UsageError where it is none of these, and UserError
    where there is no such GPU here.
    """

    name: str
    frames: int = FRAMES

    def __post_init__(self) -> None:
        _device(self.name)
        if self.frames < 1:
            raise UsageError(f"{self.frames} frames at once: must be at least 1")

    @property
    def torch(self) -> torch.device:
        """As torch has it."""
        return _device(self.name)


def device_of(name: str | None, frames: int | None, *, fast: bool = False) -> Device | None:
    """What was asked for; None where nothing was, and UsageError where only ``frames`` was."""
    if name is not None and fast:
        raise UsageError(f"device {name}: has no fast mode; leave out one of the two")
    if name is not None:
        return Device(name, FRAMES if frames is None else frames)
    if frames is not None:
        raise UsageError("--frames says how many a device holds at once; give --device too")
    return None


def _device(name: str) -> torch.device:
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
                "--device all is made on the CPU"
            )
    return device
