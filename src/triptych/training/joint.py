"""Methods with one space for all modalities: what recipes may ask, and what runs begin with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from triptych.clips.dataset import ClipBatch, ClipLoader
from triptych.errors import UsageError
from triptych.manifest.schema import Manifest
from triptych.methods.method import Joint, Meeting, Method
from triptych.progress import say
from triptych.seeds import derive
from triptych.state import checkpoint
from triptych.state.joint import decoders, joint_heads
from triptych.state.queue import Queue
from triptych.state.training_state import TrainingState
from triptych.training.recipe import Recipe

Rows = npt.NDArray[np.int64]


def refuse(method: Method, recipe: Recipe) -> None:
    """Raise UsageError where the recipe asks of a joint space, or of its lack, what cannot be."""
    if method.joint is None:
        if recipe.draws.per_file > 1:
            raise UsageError(
                f"draws.per_file={recipe.draws.per_file}: method={method.name} has draws that are "
                "uniform over its clusters, or over clips; leave it out"
            )
        if set(recipe.frozen) == set(recipe.modalities):
            raise UsageError(
                f"frozen names every modality, so nothing would learn: method={method.name} has no "
                "joint space whose heads could"
            )
        return
    asked = {
        "refresh_on=plateau": (
            recipe.refresh_on == "plateau",
            "its clusters, where it has any, follow every step; take refresh_on=epochs",
        ),
        "balance=own": (
            recipe.balance == "own",
            "no clusters teach by heads, and clips are drawn alike; leave balance out",
        ),
        "clustering.features=trained": (
            recipe.clustering.features == "trained",
            "the queue is of training steps by itself; leave it out",
        ),
        "optimisation.label_smoothing": (
            recipe.optimisation.label_smoothing > 0,
            "its labels name centroids, which nothing smooths; set it to 0",
        ),
    }
    for key, (wrong, why) in asked.items():
        if wrong:
            raise UsageError(f"{key}: method={method.name} has a joint space: {why}")
    if recipe.batch % recipe.draws.per_file:
        raise UsageError(
            f"batch={recipe.batch}: not a multiple of draws.per_file={recipe.draws.per_file}; a "
            "batch has as many clips of each of its files"
        )
    rows, k = recipe.queue.size + recipe.batch, recipe.clustering.k
    if method.clusters and recipe.joint.cluster and rows < k:
        raise UsageError(
            f"queue.size={recipe.queue.size} and batch={recipe.batch}: {rows} clips are clustered "
            f"together, too few for clustering.k={k}; take a longer queue or a smaller k"
        )


def meeting_of(joint: Joint | None, recipe: Recipe) -> Meeting:
    """What a step is told of the joint space: the recipe's settings, the method's where null."""
    settings, own = recipe.joint, joint or Joint(())
    return Meeting(
        margin=own.margin if settings.margin is None else settings.margin,
        unit=own.unit if settings.unit is None else settings.unit,
        temperature=own.temperature if settings.temperature is None else settings.temperature,
        cluster=settings.cluster,
        reconstruct=settings.reconstruct,
    )


def furnish(
    state: TrainingState,
    method: Method,
    recipe: Recipe,
    dims: Mapping[str, int],
    clips: int,
    device: torch.device,
) -> None:
    """Give a new state the heads, decoders and queue of a method with a joint space.

    ``dims``: how many features each modality has.
    """
    joint, settings = method.joint, recipe.joint
    if joint is None:
        return
    seed = derive(recipe.seed, "joint")
    state.joint = joint_heads(dims, settings.width, joint.narrow, seed).to(device)
    if joint.rebuilds and settings.reconstruct:
        back = joint.rebuilds == "features"
        state.decoders = decoders(
            dims, settings.width, settings.hidden, back, derive(recipe.seed, "decoders")
        ).to(device)
    if method.clusters and settings.cluster:
        state.queue = Queue(min(recipe.queue.size, clips), settings.width).to(device)


def described(method: Method, recipe: Recipe, dims: Mapping[str, int]) -> dict[str, Any] | None:
    """What a checkpoint says of the joint space: all that it takes to build its heads."""
    if method.joint is None:
        return None
    meeting = meeting_of(method.joint, recipe)
    return {
        "width": recipe.joint.width,
        "features": dict(dims),
        "narrow": list(method.joint.narrow),
        "unit": meeting.unit,
        "temperature": meeting.temperature,
    }


def take_over(state: TrainingState, tensors: Mapping[str, Tensor], path: Path) -> list[str]:
    """Begin with the joint heads of another run, where it has them of the same shape.

    Returns in words what was taken.
    """
    wanted, found = state.joint.state_dict(), checkpoint.part(tensors, "joint")
    if not wanted:
        return []
    if any(name not in found or found[name].shape != wanted[name].shape for name in wanted):
        say(f"{path}: has no heads to a joint space like this one's, which begin anew")
        return []
    state.joint.load_state_dict({name: found[name] for name in wanted})
    return [f"the heads to the joint space ({len(wanted)} tensors)"]


@dataclass(frozen=True)
class Beside:
    """What is known of a batch's clips beside themselves: files, and narrations near in time."""

    files: Tensor  # int64 (clips,): which file each is of
    rows: Tensor  # int64 (C,): the candidates, rows of the manifest
    words: Tensor | None  # (C, ...): as the encoder of text takes them; None where it is frozen
    own: Tensor  # bool (clips, C): which of them are a clip's own


class Surroundings:
    """Finds what is ``Beside`` each batch of a collection.

    ``count``: how many narrations nearest in time may be a clip's; 0 where nobody asks.
    """

    def __init__(
        self, manifest: Manifest, has_text: npt.NDArray[np.bool_] | None, count: int
    ) -> None:
        self.files = np.unique(manifest.column("path").astype(str), return_inverse=True)[1]
        self.near = np.full((len(manifest), 0), -1, np.int64)
        if count and has_text is not None:
            middles = (manifest.column("start") + manifest.column("end")) / 2
            self.near = nearest_in_time(self.files, middles.astype(float), has_text, count)

    def of(self, batch: ClipBatch, loader: ClipLoader, read: bool) -> Beside:
        """Of one batch; ``read``: with the words, which ``loader`` has."""
        near = self.near[batch.rows.numpy()]
        rows = np.unique(near[near >= 0])
        own = (near[:, :, None] == rows).any(1)
        return Beside(
            torch.from_numpy(self.files[batch.rows.numpy()]),
            torch.from_numpy(rows),
            loader.words(rows) if read and len(rows) else None,
            torch.from_numpy(own),
        )


def nearest_in_time(
    files: Rows, middles: npt.NDArray[np.float64], has: npt.NDArray[np.bool_], count: int
) -> Rows:
    """The ``count`` clips of the same file nearest in time to each clip, of those that ``has``.

    (clips, count), -1 where a file has fewer; by the ``middles`` of their spans, in seconds; a clip
    that has it is its own nearest.
    """
    found = np.full((len(files), count), -1, np.int64)
    order = np.lexsort((middles, files))
    for rows in np.split(order, np.flatnonzero(np.diff(files[order])) + 1):
        told = rows[has[rows]]  # in the order of time
        if not len(told):
            continue
        # The nearest on a line are among as many on either side.
        window = np.arange(-count, count + 1)
        before: Rows = np.cumsum(has[rows]) - has[rows]  # how many of those told come before each
        places = before[:, None] + window
        inside = (places >= 0) & (places < len(told))
        near = told[places.clip(0, len(told) - 1)]
        apart = np.where(inside, np.abs(middles[near] - middles[rows][:, None]), np.inf)
        apart = np.where(inside & (near == rows[:, None]), -1, apart)
        best = np.argsort(apart, axis=1, kind="stable")[:, :count]
        chosen = np.take_along_axis(near, best, 1)
        found[rows] = np.where(np.isinf(np.take_along_axis(apart, best, 1)), -1, chosen)
    return found
