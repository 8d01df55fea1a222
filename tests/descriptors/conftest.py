"""Real rows of trajectories."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from triptych.descriptors.sample import Floats


@pytest.fixture(scope="session")
def boxing(data: Path) -> Floats:
    """What the original program made of a film: 2001 trajectories, 426 columns of descriptors."""
    rows = np.loadtxt(data / "idt_reference" / "person01_boxing_d1.gz", dtype=np.float32)
    return np.ascontiguousarray(rows[:, 10:])
