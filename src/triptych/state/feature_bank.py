"""The features that training steps computed, by clip, until the next clustering uses them."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


class FeatureBank:
    """Features of one modality from the last visit of each clip (as DeepCluster-v2 keeps them).

    ``values`` float32 (clips, dim); ``known`` bool (clips,): visited since the last ``clear``.
    """

    def __init__(self, clips: int, dim: int) -> None:
        self.values = np.zeros((clips, dim), np.float32)
        self.known = np.zeros(clips, np.bool_)

    def put(self, rows: Tensor, values: Tensor, present: Tensor) -> None:
        """Keep ``values`` (batch, dim) of the clips ``rows`` (batch,) that are ``present``."""
        places = rows[present].numpy()
        self.values[places] = values.detach().float().cpu().numpy()[present.numpy()]
        self.known[places] = True

    def clear(self) -> None:
        """Forget all: the encoder goes on from here under other labels."""
        self.known[:] = False

    def tensors(self) -> dict[str, Tensor]:
        """For safetensors; ``load`` is the way back."""
        return {"values": torch.from_numpy(self.values), "known": torch.from_numpy(self.known)}

    def load(self, tensors: dict[str, Tensor]) -> None:
        """Take over what ``tensors`` gave."""
        self.values[:] = tensors["values"].numpy()
        self.known[:] = tensors["known"].numpy()
