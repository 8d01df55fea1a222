"""Features of all clips in one pass: for `embed`, and for every refresh of the training labels."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch

from triptych.clips.dataset import ClipBatch
from triptych.encoders.encoder import Encoder


class Device(Protocol):
    """The part of Lightning Fabric that a forward pass needs."""

    @property
    def device(self) -> torch.device:
        """Where tensors go."""

    def autocast(self) -> AbstractContextManager[None]:
        """The precision of forward passes."""


@dataclass(frozen=True)
class Features:
    """Features of one modality: ``values`` float32 (clips, dim), zeros where not ``present``."""

    values: npt.NDArray[np.float32]
    present: npt.NDArray[np.bool_]


@torch.no_grad()
def extract(
    encoders: Mapping[str, Encoder], batches: Iterable[ClipBatch], clips: int, device: Device
) -> dict[str, Features]:
    """Features of ``clips`` clips, BatchNorm and dropout in evaluation mode.

    ``batches`` visit rows 0 to ``clips`` - 1 in any order; a modality that a clip lacks, or that
    failed to decode, is marked absent.
    """
    found = {
        name: Features(np.zeros((clips, encoder.dim), np.float32), np.zeros(clips, bool))
        for name, encoder in encoders.items()
    }
    with evaluating(encoders.values()):
        for batch in batches:
            for name, encoder in encoders.items():
                present = batch.present[name]
                if not present.any():
                    continue
                inputs = batch.inputs[name][present].to(device.device, non_blocking=True)
                with device.autocast():
                    values = encoder(inputs)
                rows = batch.rows[present].numpy()
                found[name].values[rows] = values.float().cpu().numpy()
                found[name].present[rows] = True
    return found


@contextmanager
def evaluating(encoders: Collection[Encoder]) -> Iterator[None]:
    """Evaluation mode, and afterwards, come what may, the mode that each was in."""
    modes = [(module, module.training) for encoder in encoders for module in encoder.modules()]
    for encoder in encoders:
        encoder.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training
