"""Real frames, small ones."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np
import torch

from benchmarks.parity import correlations, pairs
from tests.clips.making import write_video
from triptych.descriptors.frames import grey_frames
from triptych.descriptors.pyramid import Floats, Grey

CPU = torch.device("cpu")
FIGHT = Path("surv_fight/videos/fight/fi005.mp4")
BOXING = Path("idt_reference/person01_boxing_d1_uncomp.avi")


def real(data: Path, count: int, film: Path = FIGHT) -> list[Grey]:
    """The first frames of a film in which the camera moves."""
    return list(islice(grey_frames(data / film), count))


def moving(data: Path, folder: Path, count: int = 22) -> Path:
    """The same as a film of its own, cut to 80x64."""
    pictures = [np.repeat(one[:64, :80, None], 3, axis=2) for one in real(data, count)]
    return write_video(
        folder / "moving.mp4", range(0, 40 * count, 40), picture=pictures.__getitem__
    )


def alike(theirs: Floats, ours: Floats, least: int = 30) -> None:
    """Nearly all rows of either are the other's.

    Not all: sums in another order move a camera by its last digits, and that the birth of points.
    """
    matched = pairs(theirs, ours)
    assert len(matched) > least
    assert len(matched) >= 0.95 * max(len(theirs), len(ours))
    one, other = theirs[matched[:, 0]], ours[matched[:, 1]]
    correlated = correlations(one[:, 10:], other[:, 10:])
    assert np.median(correlated) > 0.999
    assert np.quantile(correlated, 0.01) > 0.9
    np.testing.assert_allclose(other[:, 6:10], one[:, 6:10], atol=0.01)


def batch(pictures: list[Grey]) -> torch.Tensor:
    return torch.from_numpy(np.stack(pictures))
