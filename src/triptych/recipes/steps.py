"""What a row of a table takes, command by command, and what each of them costs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from triptych.recipes.cost import core_hours


@dataclass(frozen=True)
class Step:
    """One command: what it leaves, and its hours on one GPU or on one core of a CPU."""

    leaves: str
    command: str
    hours_on_one_gpu: float = 0.0
    gibibytes: float = 0.0
    hours_on_one_core: float = 0.0


# The papers' examples are videos; by itself a scan cuts those without captions into windows.
SCAN = Step("manifest.parquet", "triptych scan VIDEOS/ --whole --out .")


@dataclass(frozen=True)
class Descriptors:
    """Dense trajectories of a collection, which a recipe's prior reads from ``folder``.

    ``boxes``: with the places of people in ``BOXES/``, by a detector of the user's.
    """

    folder: str
    videos: int
    boxes: bool

    @property
    def file(self) -> Path:
        """What ``prior.file`` names."""
        return Path(self.folder) / "idt.parquet"

    def step(self) -> Step:
        """The command that makes them, and the hours that it takes of one core."""
        boxes = " --boxes BOXES/" if self.boxes else ""
        command = f"triptych describe idt --manifest manifest.parquet --out {self.folder}{boxes}"
        return Step(str(self.file), command, hours_on_one_core=core_hours(self.videos))
