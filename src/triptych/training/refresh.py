"""The refresh: features of all clips, clusters of the features, fresh heads."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from triptych.atomic import write_table
from triptych.clustering.kmeans import kmeans
from triptych.clustering.whiten import Whitening, unit
from triptych.embeddings.extract import Features
from triptych.errors import UserError
from triptych.manifest.schema import Manifest
from triptych.methods.method import Cluster, Method, Teach
from triptych.seeds import derive
from triptych.state.assignments import Assignment
from triptych.state.training_state import TrainingState, new_heads
from triptych.training import optimizer
from triptych.training.recipe import Clustering, Recipe

CLIPS_A_COMPONENT = 8


def cluster_features(
    method: Method,
    features: Mapping[str, Features],
    recipe: Clustering,
    seed: int,
    projected: Mapping[str, Features] = MappingProxyType({}),
) -> tuple[dict[str, Assignment], dict[str, float]]:
    """Every clustering of the method, and its inertia per clip.

    ``projected``: the features behind the method's projections, where it has any.
    """
    assignments, inertia = {}, {}
    for cluster in method.clusters:
        values, present = joined(cluster, projected if cluster.projected else features)
        place = derive(seed, cluster.name)
        try:
            assignments[cluster.name], inertia[cluster.name] = _cluster(
                values, present, recipe, place
            )
        except UserError as error:
            raise explained(error, method, cluster) from None
    return assignments, inertia


def refuse_few(method: Method, has: Mapping[str, npt.NDArray[np.bool_]], k: int) -> None:
    """Raise UserError where a clustering would have fewer than ``k`` clips.

    ``has``: for each modality which clips have it, (clips,).
    """
    for cluster in method.clusters:
        count = int(cluster.holds(has).sum())
        try:
            refuse_too_few(count, k)
        except UserError as error:
            raise explained(error, method, cluster) from None


def refuse_too_few(count: int, k: int) -> None:
    """Raise UserError where ``count`` clips cannot be cut into ``k`` clusters."""
    if count < k:
        most = max(2, count // CLIPS_A_COMPONENT)
        advice = f"set it to {count} at most, or to {most} for clusters of eight clips and more"
        if count < 2:
            advice = "take more clips"
        raise UserError(f"{count} clips have it, but clustering.k={k}; {advice}")


def explained(error: UserError, method: Method, cluster: Cluster) -> UserError:
    """What is wrong with a clustering, and what else can be done about it."""
    without = ""
    if len(cluster.of) > 1:
        without = ", or take a method that clusters each modality by itself"
    elif len(method.modalities) > 1:
        without = f", or leave {cluster.of[0]} out of modalities"
    return UserError(f"clustering of {cluster.name}: {error}{without}")


@torch.no_grad()
def project(
    projections: nn.ModuleDict, features: Mapping[str, Features], device: torch.device
) -> dict[str, Features]:
    """What the method's projections make of the features; zeros stay where a clip has none."""
    found = {}
    for name, layer in projections.items():
        part = features[name]
        values = layer(torch.from_numpy(part.values).to(device)).cpu().numpy()
        found[name] = Features(values * part.present[:, None], part.present)
    return found


def joined(
    cluster: Cluster, features: Mapping[str, Features]
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
    """The features that are clustered, and which clips have all of the modalities they need.

    Several modalities are L2-normalised one by one before they are joined, so that their lengths do
    not decide.
    """
    parts = [features[modality] for modality in cluster.of]
    present = np.logical_and.reduce([part.present for part in parts])
    if len(parts) == 1:
        return parts[0].values, present
    return np.concatenate([unit(part.values) for part in parts], axis=1), present


def _cluster(
    values: npt.NDArray[np.float32],
    present: npt.NDArray[np.bool_],
    recipe: Clustering,
    seed: int,
) -> tuple[Assignment, float]:
    used = values if present.all() else values[present]  # no second copy of a large collection
    refuse_too_few(len(used), recipe.k)
    if recipe.whiten:
        whitening = fit_whitening(used, recipe)
    else:
        whitening = Whitening.none(used.shape[1], recipe.l2)
    found = kmeans(
        whitening.apply(used),
        recipe.k,
        seed=seed,
        iterations=recipe.iterations,
        starts=recipe.starts,
    )
    labels = np.full(len(present), -1, np.int64)
    labels[present] = found.labels
    assignment = Assignment(labels, found.centroids, whitening)
    assignment.check(present)
    return assignment, found.inertia / len(used)


def fit_whitening(used: npt.NDArray[np.float32], recipe: Clustering) -> Whitening:
    """Fitted to ``used`` (clips, dim), in as many directions as so many clips can bear.

    Whitened in nearly as many directions as there are clips, all clips are equally far from each
    other, and clusters are chance.
    """
    most = max(2, len(used) // CLIPS_A_COMPONENT)
    return Whitening.fit(used, min(recipe.components or most, most), recipe.l2)


def install(
    state: TrainingState,
    method: Method,
    assignments: dict[str, Assignment],
    recipe: Recipe,
    device: torch.device,
) -> None:
    """Make new clusters the labels; reset the heads and their optimiser with them.

    Cluster ids are arbitrary, so the old heads' outputs mean nothing for the new labels; and a
    head that its optimiser does not know never learns (what befell Rai et al.'s release).
    """
    state.assignments = assignments
    state.refreshed = state.epoch
    state.held_back = []
    for bank in state.banks.values():
        bank.clear()
    if not method.headed or (method.heads == "keep" and len(state.heads)):
        return
    shapes = {
        edge.head: (
            len(assignments[edge.cluster].centroids),
            _seen(state, method, edge),
        )
        for edge in method.headed
    }
    state.heads = new_heads(shapes, derive(recipe.seed, "heads", state.epoch)).to(device)
    rates = recipe.optimisation
    state.optimizers["heads"] = optimizer.build(state.heads.parameters(), rates.head_rate, rates)


def write_assignments(run: Path, manifest: Manifest, state: TrainingState) -> None:
    """Leave the clusters of every clip in ``assignments/`` of a run."""
    import pyarrow as pa

    columns = {"clip_id": manifest.table["clip_id"]}
    for name, assignment in state.assignments.items():
        columns[name] = pa.array(assignment.labels)
    # The clusters of weights that ran out of time within an epoch teach nobody; they must not take
    # the place of those that taught in it.
    within = f"_step_{state.step:06d}" if state.step else ""
    path = run / "assignments" / f"epoch_{state.epoch:04d}{within}.parquet"
    write_table(path, pa.table(columns))


def _seen(state: TrainingState, method: Method, edge: Teach) -> int:
    """How many numbers the head of an edge sees of a clip."""
    if method.cluster(edge.cluster).projected:
        return method.projection * len(edge.students)
    dims = [int(state.encoders[name].dim) for name in edge.students]  # type: ignore[arg-type]
    return sum(dims)
