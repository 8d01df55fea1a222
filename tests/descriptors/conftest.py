"""Real rows of trajectories; and which tests cannot run without OpenCV or numba."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from triptych.descriptors.needed import missing
from triptych.descriptors.sample import Floats

collect_ignore = (
    [
        f"test_{name}.py"
        for name in (
            "polynomial",
            "displacement",
            "pyramid",
            "camera",
            "histograms",
            "tracks",
            "trajectories",
            "frames",
            "decimal",
            "rows",
            "extract",
            "collection",
            "how",
            "kernels",
            "videos",
        )
    ]
    + ["batched"]
    if missing()
    else []
)


@pytest.fixture(scope="session")
def reference(data: Path) -> Floats:
    """What the original program made of a film: 2001 trajectories, 436 columns."""
    return np.loadtxt(data / "idt_reference" / "person01_boxing_d1.gz", dtype=np.float32)


@pytest.fixture(scope="session")
def boxing(reference: Floats) -> Floats:
    """The columns of it that describe, 426."""
    return np.ascontiguousarray(reference[:, 10:])
