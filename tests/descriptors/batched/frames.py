"""Real frames, small ones."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np
import torch

from triptych.descriptors.frames import grey_frames
from triptych.descriptors.pyramid import Grey

CPU = torch.device("cpu")
FIGHT = Path("surv_fight/videos/fight/fi005.mp4")
BOXING = Path("idt_reference/person01_boxing_d1_uncomp.avi")


def real(data: Path, count: int, film: Path = FIGHT) -> list[Grey]:
    """The first frames of a film in which the camera moves."""
    return list(islice(grey_frames(data / film), count))


def batch(pictures: list[Grey]) -> torch.Tensor:
    return torch.from_numpy(np.stack(pictures))
