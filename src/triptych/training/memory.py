"""Memory banks of a run: made, taken over from another run, and the prior that goes with them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from triptych.clips.dataset import ClipLoader
from triptych.clustering.kmeans import kmeans
from triptych.clustering.whiten import Whitening, unit
from triptych.descriptors.table import DescriptorTable
from triptych.embeddings.extract import Features
from triptych.errors import UsageError, UserError
from triptych.manifest.schema import Manifest
from triptych.methods.method import Method
from triptych.progress import say
from triptych.seeds import derive
from triptych.state import checkpoint
from triptych.state.assignments import Assignment
from triptych.state.memory_bank import MemoryBank, keys_of
from triptych.state.training_state import TrainingState
from triptych.training.recipe import Clustering, Prior, Recipe
from triptych.training.refresh import explained, fit_whitening, refuse_too_few


def refuse(method: Method, recipe: Recipe) -> None:
    """Raise UsageError where the recipe asks of a method with banks what it cannot do."""
    aggregates = any(cluster.over == "bank" for cluster in method.clusters)
    if recipe.prior.file is not None and not aggregates:
        raise UsageError(
            f"prior.file: method={method.name} has no neighbours for a prior to choose; take "
            "method=la, or leave it out"
        )
    if recipe.prior.file is None and recipe.prior.space == "joint":
        raise UsageError(
            "prior.space=joint: there is no prior to join; name its descriptors with prior.file, "
            "or leave it out"
        )
    _refuse_idle(recipe.prior)
    if not method.bank:
        return
    asked = {
        "refresh_on=plateau": (
            recipe.refresh_on == "plateau",
            "clips that are held back would have no place in the bank; take refresh_on=epochs",
        ),
        "balance=own": (
            recipe.balance == "own",
            "no clusters teach by heads, and every clip is drawn once an epoch; leave balance out",
        ),
        "clustering.features=trained": (
            recipe.clustering.features == "trained",
            "the bank is of training steps by itself; leave it out",
        ),
        "optimisation.label_smoothing": (
            recipe.optimisation.label_smoothing > 0,
            "there are no labels to smooth; set it to 0",
        ),
        f"frozen={','.join(recipe.frozen)}": (
            bool(recipe.frozen),
            "each modality learns by itself, so a frozen one would have no part; leave it out of "
            "modalities",
        ),
    }
    for key, (wrong, why) in asked.items():
        if wrong:
            raise UsageError(f"{key}: method={method.name} has a memory bank: {why}")


def _refuse_idle(prior: Prior) -> None:
    """Raise UsageError where a setting was changed that has no part in what is learned."""
    idle = {
        "weight": (
            prior.space != "joint",
            "it weighs the descriptors in the joint space, and nothing else; take "
            "prior.space=joint, or leave it out",
        ),
        "column": (
            prior.file is None,
            "there is no file to take it from; name one with prior.file, or leave it out",
        ),
    }
    for name, (unused, why) in idle.items():
        value = getattr(prior, name)
        if unused and value != Prior.model_fields[name].default:
            raise UsageError(f"prior.{name}={value}: {why}")


def new_banks(
    manifest: Manifest, method: Method, recipe: Recipe, loader: ClipLoader, device: torch.device
) -> dict[str, MemoryBank]:
    """A bank of chance for every modality of a method that has banks."""
    if not method.bank:
        return {}
    keys = keys_of(manifest.column("clip_id").tolist())
    return {
        name: MemoryBank(
            keys.clone(),
            torch.from_numpy(loader.has(name).copy()),
            recipe.bank.width,
            derive(recipe.seed, "bank", name),
        ).to(device)
        for name in method.modalities
    }


def take_over(state: TrainingState, tensors: Mapping[str, Tensor], path: Path) -> list[str]:
    """Begin with the banks of another run, and with the linear layers that made their vectors.

    Returns in words what was taken. A clip is found by what it is, wherever it stands in the two
    collections; how many are not there is said.
    """
    taken = []
    for name, bank in state.memory.items():
        kept = checkpoint.part(tensors, f"memory.{name}")
        layer = checkpoint.part(tensors, f"projections.{name}")
        if not kept or not layer:
            say(f"{path}: has no memory bank of {name}, which begins anew")
            continue
        width = kept["values"].shape[1]
        if width != bank.values.shape[1]:
            raise UserError(
                f"{path}: its memory bank of {name} holds {width} numbers a clip, bank.width is "
                f"{bank.values.shape[1]}; set bank.width={width}"
            )
        state.projections[name].load_state_dict(layer)
        found = bank.take(kept)
        if missing := len(bank) - found:
            say(
                f"{path}: {missing} of {len(bank)} clips are not in its memory bank of {name}; "
                "theirs begin anew"
            )
        taken.append(f"the memory bank of {name} ({found} of {len(bank)} clips)")
    return taken


def read_prior(recipe: Recipe, manifest: Manifest) -> Features | None:
    """The descriptors that the recipe names, by the manifest's rows; None where it names none.

    Raises UserError where too few clips have one, or too few of them differ, for the clusters.
    """
    path, column = recipe.prior.file, recipe.prior.column
    if path is None:
        return None
    table = DescriptorTable.read(path, column)
    starts = manifest.column("start").tolist()
    values, known = table.of(manifest.column("path").tolist(), starts)
    clips, count, k = len(manifest), int(known.sum()), recipe.clustering.k
    if count < k:
        raise UserError(
            f"prior.file={path}: has descriptors of {count} of the {clips} clips, too few for "
            f"clustering.k={k}; its paths must be those of the manifest, below its root"
        )
    different = _different(values[known], k)
    if different < k:
        raise UserError(
            f"prior.file={path}: only {different} of its descriptors of {count} clips differ, too "
            f"few for clustering.k={k}; take a smaller k, or other descriptors"
        )
    if count < clips:
        say(
            f"prior: {clips - count} of {clips} clips have no descriptor in {path}; they are in no "
            "cluster, and close to themselves alone"
        )
    return Features(values, known)


def _different(rows: npt.NDArray[np.float32], enough: int) -> int:
    """How many of the rows differ, counted no further than ``enough``."""
    seen: set[bytes] = set()
    for row in rows:
        seen.add(row.tobytes())
        if len(seen) == enough:
            break
    return len(seen)


def check_prior(recipe: Recipe) -> None:
    """Raise UserError where the file of the prior is not there; it is not read."""
    path = recipe.prior.file
    if path is not None and not path.is_file():
        raise UserError(f"prior.file={path}: no such file; name a Parquet file of descriptors")


def hash_of_prior(recipe: Recipe) -> str | None:
    """SHA-256 of the prior's file; None where there is none."""
    path = recipe.prior.file
    if path is None or not path.is_file():
        return None
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest(prior: Features | None) -> str | None:
    """SHA-256 of the descriptors as they are used: another file of the same name is another run."""
    if prior is None:
        return None
    found = hashlib.sha256(prior.present.tobytes())
    found.update(np.ascontiguousarray(prior.values).data)
    return found.hexdigest()


def fill(bank: MemoryBank, wanted: Tensor, features: Features) -> None:
    """Give the rows ``wanted``, bool (clips,), their vectors; drop what could not be read."""
    rows = wanted.nonzero()[:, 0]
    read = torch.from_numpy(features.present).to(rows.device)[rows]
    vectors = torch.from_numpy(features.values).to(rows.device)[rows[read]]
    bank.update(rows[read], vectors, momentum=0.0)
    bank.meet(rows[read], rows[~read])


def rows_of(bank: MemoryBank) -> Features:
    """The bank's vectors as features of the modality."""
    return Features(bank.values.cpu().numpy(), bank.members.cpu().numpy())


def fixed(recipe: Recipe) -> bool:
    """Whether the clusters are of the prior alone, which does not change."""
    return recipe.prior.file is not None and recipe.prior.space == "prior"


def cluster_banks(
    method: Method,
    features: Mapping[str, Features],
    recipe: Recipe,
    seed: int,
    prior: Features | None,
    device: torch.device,
) -> tuple[dict[str, Assignment], dict[str, float]]:
    """Every run of every clustering over a bank or a prior, and its inertia per clip.

    No new clip is ever placed in these clusters, so their centroids are not kept.
    """
    found: dict[str, Assignment] = {}
    inertia: dict[str, float] = {}
    settings = recipe.clustering
    for cluster in method.clusters:
        values, present = space(features[cluster.of[0]], prior, recipe)
        try:
            refuse_too_few(len(values), settings.k)
            for name in cluster.runs(recipe.aggregation.clusterings):
                run = kmeans(
                    values,
                    settings.k,
                    seed=derive(seed, name),
                    iterations=settings.iterations,
                    starts=settings.starts,
                    device=device,
                )
                labels = np.full(len(present), -1, np.int64)
                labels[present] = run.labels
                centroids = np.zeros((settings.k, 0), np.float32)
                found[name] = Assignment(labels, centroids, Whitening.none(0))
                found[name].check(present)
                inertia[name] = run.inertia / len(values)
        except UserError as error:
            raise explained(error, method, cluster) from None
    return found, inertia


def space(
    bank: Features, prior: Features | None, recipe: Recipe
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
    """What is clustered: vectors (clips used, dim), and which clips those are, (clips,).

    Bank and prior are whitened and brought to unit length each by itself, as the recipe's
    clustering says, so that in the joint space nothing but ``prior.weight`` sets one against the
    other: the squared distance of two clips is that in the bank and weight^2 times that in the
    prior.
    """
    if prior is None:
        return _prepared(bank.values[bank.present], recipe.clustering), bank.present
    present = bank.present & prior.present
    outside = _prepared(prior.values[present], recipe.clustering)
    if recipe.prior.space == "prior":
        return outside, present
    inside = _prepared(bank.values[present], recipe.clustering)
    return np.concatenate([inside, np.float32(recipe.prior.weight) * outside], axis=1), present


def _prepared(values: npt.NDArray[np.float32], recipe: Clustering) -> npt.NDArray[np.float32]:
    if recipe.whiten:
        return fit_whitening(values, recipe).apply(values)
    return unit(values) if recipe.l2 else values
