"""Supervised training of an encoder from scratch: the ceiling beside which self-supervision stands.

It is the training loop itself, with labels in the place of clusters and no refresh, so that clips,
augmentation, optimiser, schedule and class balance are those of the runs it is compared with.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from triptych.clips.dataset import ClipSource
from triptych.clustering.whiten import Whitening
from triptych.errors import UserError
from triptych.manifest.schema import Manifest
from triptych.methods.method import Cluster, Method, Teach
from triptych.state.assignments import Assignment
from triptych.training.pretrain import Pretrained, pretrain
from triptych.training.recipe import Recipe


def train_supervised(
    manifest: Manifest,
    labels: npt.NDArray[np.object_],
    recipe: Recipe,
    out: Path,
    source: ClipSource,
    *,
    resume: bool = False,
    workers: int = 0,
    deadline: float = float("inf"),
) -> Pretrained:
    """Train the encoders of the recipe's modalities on ``labels`` (clips,), "" where unknown.

    ``resume`` goes on with the run in ``out``; that its labels are the same is the caller's care.
    """
    known = np.array([bool(label) for label in labels])
    names, ids = np.unique(labels[known].astype(str), return_inverse=True)
    if len(names) < 2:
        raise UserError(f"supervised training: {len(names)} different labels, needs at least 2")
    targets = np.full(len(manifest), -1, np.int64)
    targets[known] = ids
    # Labels from outside: there is no feature space in which they would place a new clip.
    given = Assignment(targets, np.zeros((len(names), 0), np.float32), Whitening.none(0))
    method = Method(
        name="supervised",
        modalities=recipe.modalities,
        clusters=(Cluster("label", of=recipe.modalities),),
        teaches=tuple(Teach("label", student=name) for name in recipe.modalities),
    )
    return pretrain(
        manifest,
        recipe.model_copy(update={"method": "supervised", "refresh_on": "epochs"}),
        out,
        source,
        method=method,
        given={"label": given},
        resume=resume,
        workers=workers,
        deadline=deadline,
    )
