"""Which cluster every clip belongs to, and what places a clip that was not there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from triptych.clustering.kmeans import place
from triptych.clustering.whiten import Whitening


@dataclass(frozen=True)
class Assignment:
    """One clustering of the collection, keyed by the clip's row in the manifest.

    ``labels`` int64 (clips,), -1 exactly where the clip lacks the clustered modalities; any other
    gap is refused, because a label silently left at 0 is a wrong label.
    """

    labels: npt.NDArray[np.int64]
    centroids: npt.NDArray[np.float32]  # (k, dim) after whitening
    whitening: Whitening

    def check(self, present: npt.NDArray[np.bool_]) -> None:
        """Refuse labels that do not cover just the clips that are ``present``."""
        if len(self.labels) != len(present):
            raise ValueError(
                f"assignments are of {len(self.labels)} clips, the collection has {len(present)}"
            )
        without = int(((self.labels < 0) & present).sum())
        beyond = int(((self.labels >= 0) & ~present).sum())
        if without or beyond:
            raise ValueError(
                f"assignments do not cover the collection: {without} clips have no label, "
                f"{beyond} have one for a modality that they lack"
            )
        if self.labels.max(initial=-1) >= len(self.centroids):
            raise ValueError(
                f"assignments name cluster {self.labels.max()}, there are {len(self.centroids)}"
            )

    def place(self, features: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
        """The nearest cluster of new clips' features (clips, dim)."""
        return place(self.whitening.apply(features), self.centroids)

    def tensors(self) -> dict[str, Tensor]:
        """For safetensors; ``from_tensors`` is the way back."""
        return {
            "labels": torch.from_numpy(self.labels),
            "centroids": torch.from_numpy(self.centroids),
            **{f"whitening.{name}": value for name, value in self.whitening.tensors().items()},
        }

    @classmethod
    def from_tensors(cls, tensors: dict[str, Tensor]) -> Assignment:
        """What ``tensors`` gave."""
        whitening = {
            name.removeprefix("whitening."): value
            for name, value in tensors.items()
            if name.startswith("whitening.")
        }
        return cls(
            tensors["labels"].numpy(),
            tensors["centroids"].numpy(),
            Whitening.from_tensors(whitening),
        )
