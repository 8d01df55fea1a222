from pathlib import Path

import numpy as np
import pytest
import torch

from tests.descriptors.batched.frames import CPU, batch, real
from tests.descriptors.test_histograms import plain
from triptych.descriptors.batched.histograms import Cells, gathered
from triptych.descriptors.histograms import BINS, ROWS, WIDTH, describe
from triptych.descriptors.pyramid import Floats, Grey, Pyramid

CORNERS = ((0, 0), (16, 3), (7, 2), (1, 3))


def patches(pyramid: Pyramid, greys: list[list[Grey]], flows: list[list[Floats]]) -> np.ndarray:
    """Of each frame and level, those of ``CORNERS``, (frames, levels, corners, 132)."""
    cells = Cells(pyramid, CPU)
    sums = cells.sums(
        [batch(list(level)) for level in zip(*greys, strict=True)],
        [torch.from_numpy(np.stack(level, 1)) for level in zip(*flows, strict=True)],
    )
    out = np.empty((len(greys), len(pyramid.sizes), len(CORNERS), WIDTH), np.float32)
    for level, start in enumerate(cells.starts(len(greys))[:-1]):
        rows, columns = cells.sizes[level]
        for frame in range(len(greys)):
            at = [start + (frame * rows + y) * ROWS * columns + x for x, y in CORNERS]
            wide = torch.full((len(CORNERS),), columns)
            out[frame, level] = gathered(sums, torch.tensor(at), wide).numpy()
    return out


def by_histogram(cells: np.ndarray) -> np.ndarray:
    """Patches (..., 132) by cell and bin, as the compiled program has them, in the rows' order."""
    bins = cells.reshape(*cells.shape[:-1], 4, ROWS)
    parts = np.split(bins, np.cumsum(BINS)[:-1], axis=-1)
    return np.concatenate([part.reshape(*cells.shape[:-1], -1) for part in parts], axis=-1)


@pytest.mark.parametrize("strength", [0.3, 3.0])
def test_patches_of_real_frames(data: Path, strength: float) -> None:
    """Against the compiled ones at every level, and a loop over pixels at one."""
    pictures = [picture[:50, :70].copy() for picture in real(data, 2)]
    pyramid = Pyramid(50, 70)
    random = np.random.default_rng(0)
    greys = [pyramid.greys(picture) for picture in pictures]
    flows = [
        [(random.normal(size=(2, *size)) * strength).astype(np.float32) for size in pyramid.sizes]
        for _ in pictures
    ]
    flows[1][0][:, :25, :30] = 0
    found = patches(pyramid, greys, flows)
    corners = np.array(CORNERS, np.int32)
    order, slots = np.argsort(corners[:, 1], kind="stable"), np.arange(len(CORNERS))
    for frame in range(2):
        for level in range(len(pyramid.sizes)):
            sums = np.zeros((len(CORNERS), 3, WIDTH), np.float32)
            picture, flow = greys[frame][level], flows[frame][level]
            describe(picture, flow, corners, order, slots, slots * 0, sums)
            np.testing.assert_allclose(found[frame, level], by_histogram(sums[:, 0]), atol=1e-5)
    wanted = plain(greys[1][0], flows[1][0], CORNERS[1])
    np.testing.assert_allclose(found[1, 0, 1], by_histogram(wanted), atol=1e-3)
