"""Rows of features to what a model takes: the maximum over time, unit length, side by side.

Miech et al. (2019) and MCN give each clip the maximum over its rows of every stream, each at unit
length, one beside the other; and each second of a long video the same, after its rows were brought
to one a second.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

Floats = NDArray[np.float32]

FRAMES_PER_SECOND = 100  # of the spectrograms that AVLnet and MCN gave out: a hop of 10 ms
HALF_WINDOW = 4  # seconds before and behind a second whose sound is heard, as MCN evaluates


def unit(rows: NDArray[np.floating]) -> Floats:
    """Rows at unit length; one of zeros stays so."""
    wide = rows.astype(np.float64)
    lengths = np.linalg.norm(wide, axis=-1, keepdims=True)
    return (wide / np.where(lengths > 0, lengths, 1)).astype(np.float32)


def pooled(feature: NDArray[np.floating]) -> Floats:
    """The maximum over time of (T, D) rows; (D,) is one already."""
    found = feature.max(axis=0) if feature.ndim == 2 else feature
    return np.asarray(found, np.float32)


def between(rows: NDArray[np.floating], rate: float, start: float, end: float) -> Floats | None:
    """The maximum over the rows of ``start`` to ``end`` seconds; None where none are left.

    Rows int(start * rate) to int(end * rate), both included, as HowTo100M's and MCN's loaders cut.
    """
    held = rows[int(start * rate) : int(end * rate) + 1]
    return pooled(held) if len(held) else None


def spread(rows: NDArray[np.floating], count: int) -> Floats:
    """(T, D) rows brought to ``count``: each the maximum over its share, shares may overlap.

    Row i of the result is of rows floor(i T / count) to ceil((i + 1) T / count) - 1, which is the
    adaptive maximum of PyTorch; the protocol of HowTo100M brings features to annotations by it.
    """
    if len(rows) == count:
        return np.asarray(rows, np.float32)
    wide = torch.from_numpy(np.ascontiguousarray(rows.T, dtype=np.float32))[None]
    found: Floats = torch.nn.functional.adaptive_max_pool1d(wide, count)[0].T.numpy()
    return np.ascontiguousarray(found)


def side_by_side(streams: Sequence[NDArray[np.floating]]) -> Floats:
    """Streams (N, D_i) to (N, sum of D_i), each row of each stream at unit length."""
    return np.concatenate([unit(rows) for rows in streams], axis=-1)


@dataclass(frozen=True)
class Spectrograms:
    """Log-mel spectrograms of N clips, (bands, frames) each; one without frames is of no sound."""

    clips: tuple[NDArray[np.floating], ...]
    most: int  # frames; those beyond are cut
    bands: int = 40

    def __len__(self) -> int:
        return len(self.clips)

    @property
    def frames(self) -> NDArray[np.int64]:
        """How many frames of each clip are of it, (N,); what stands behind them is padding."""
        return np.array([min(clip.shape[1], self.most) for clip in self.clips], np.int64)

    @property
    def present(self) -> NDArray[np.bool_]:
        """Which clips have sound, (N,)."""
        return self.frames > 0

    def batch(
        self, rows: Sequence[int] | NDArray[np.int64], width: int = 0, padding: float = 0.0
    ) -> tuple[Floats, NDArray[np.int64]]:
        """Spectrograms (rows, bands, width) and how many frames of each are valid, (rows,).

        ``width`` 0 is the longest of these rows. The releases pad with 0, which is their *loudest*
        level; frames beyond the valid ones must not be averaged.
        """
        valid = np.minimum(self.frames[np.asarray(rows, np.int64)], width or self.most)
        width = width or max(1, int(valid.max(initial=0)))
        made = np.full((len(rows), self.bands, width), padding, np.float32)
        for one, row, count in zip(made, rows, valid, strict=True):
            one[:, :count] = self.clips[row][:, :count]
        return made, valid


def windows(spectrogram: NDArray[np.floating], seconds: int, most: int = 1024) -> Spectrograms:
    """The sound around each of ``seconds`` seconds: 8 s, moved to lie inside the video, as in MCN.

    ``spectrogram``, (bands, frames) of the whole video at 100 frames a second, is not copied. A
    frame is of a time by where its analysis window of 25 ms ends; those before 0 are frame 0.
    """
    found = []
    for second in range(seconds):
        start = max(0, min(second - HALF_WINDOW, seconds - 2 * HALF_WINDOW))
        found.append(spectrogram[:, _frame(start) : _frame(start + 2 * HALF_WINDOW)])
    return Spectrograms(tuple(found), most, spectrogram.shape[0])


def _frame(second: int) -> int:
    # Half an analysis of 400 samples at 16 kHz is 1.25 frames; the released code then counts down
    # to a negative frame at 0 s, which empties the clip.
    return max(0, (second * FRAMES_PER_SECOND * 4 - 5) // 4)
