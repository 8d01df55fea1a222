"""``pretrain``: a manifest and a recipe to a run."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.optim.swa_utils import update_bn

from triptych import config
from triptych.atomic import alone
from triptych.clips.dataset import ClipBatch, ClipLoader, ClipSource, View
from triptych.clips.stored import StoredFeatures
from triptych.encoders import build
from triptych.encoders.encoder import Encoder, Input
from triptych.errors import UserError
from triptych.manifest.schema import Manifest
from triptych.methods.method import Method, declare
from triptych.progress import say, track
from triptych.seeds import derive
from triptych.state import checkpoint
from triptych.state.assignments import Assignment
from triptych.state.feature_bank import FeatureBank
from triptych.state.training_state import (
    TrainingState,
    head_shapes,
    new_heads,
    new_projections,
)
from triptych.training import augmentation, features, joint, memory, optimizer, published
from triptych.training.loop import Loop
from triptych.training.recipe import Recipe
from triptych.training.refresh import refuse_few
from triptych.training.resume import resume_state

CALIBRATION_CLIPS = 1024


@dataclass(frozen=True)
class Pretrained:
    """What a run left: ``checkpoint`` is the one to use, ``finished`` false after a deadline."""

    run: Path
    checkpoint: Path
    sha256: str
    epochs: int
    finished: bool
    clips_per_second: float
    data_wait: float


def pretrain(
    manifest: Manifest,
    recipe: Recipe,
    out: Path,
    source: ClipSource,
    *,
    resume: bool = False,
    init: Path | None = None,
    workers: int = 0,
    deadline: float = float("inf"),
    method: Method | None = None,
    given: dict[str, Assignment] | None = None,
    save_every: float = 60.0,
) -> Pretrained:
    """Train ``recipe`` on ``manifest`` and leave the run in ``out``.

    ``resume`` goes on with the run in ``out`` and refuses a changed recipe or collection; ``init``
    starts anew from the encoder weights of a checkpoint, or of a run's folder, and in a method with
    memory banks from its banks too. With both, a run that was killed before
    it saved anything begins from ``init`` again. ``deadline`` is on the monotonic clock.
    ``method`` replaces the recipe's; with ``given`` its labels come from outside and stay. A
    checkpoint is saved after every epoch and, within one, every ``save_every`` seconds.
    """
    method = method or declare(recipe.method, recipe.modalities)
    memory.refuse(method, recipe)
    joint.refuse(method, recipe)
    _check(manifest, method, None if given else recipe.clustering.k)
    if recipe.batch > len(manifest):
        say(
            f"batch={recipe.batch}: more than the {len(manifest)} clips, so that a step has some "
            "of them several times; a smaller batch takes less memory"
        )
    with alone(out):
        loop = _begin(manifest, recipe, out, source, method, resume, init, workers)
        loop.deadline, loop.given, loop.save_every = deadline, given, save_every
        return _outcome(loop, loop.run())


def _begin(
    manifest: Manifest,
    recipe: Recipe,
    out: Path,
    source: ClipSource,
    method: Method,
    resume: bool,
    init: Path | None,
    workers: int,
) -> Loop:
    """The run in ``out``, new or taken up."""
    last, initial = (out / "checkpoints" / f"{name}.safetensors" for name in ("last", "initial"))
    if last.exists() and not resume:
        raise UserError(f"{out}: holds a run already; --resume goes on with it, or name another")
    fabric = make_fabric(recipe)
    stored = features.opened(recipe, manifest)
    encoders = make_encoders(recipe, manifest, stored)
    prior = memory.read_prior(recipe, manifest)
    description = describe(recipe, method, encoders, manifest)
    description["prior"] = memory.digest(prior)
    description["features"] = features.facts(stored)
    state = new_state(encoders, method, recipe, fabric, len(manifest))
    loader, frozen_loader = (
        ClipLoader(manifest, source, inputs_of(encoders, names), workers, stored)
        for names in (set(encoders) - set(recipe.frozen), recipe.frozen)
    )
    state.memory = memory.new_banks(manifest, method, recipe, loader, fabric.device)
    for pattern in (".tmp*", ".*.part"):  # half a checkpoint of a run that was killed
        for stray in last.parent.glob(pattern):
            stray.unlink()
    # A run that was killed in its first epoch goes on from where it began, be it from --init.
    begun = next((path for path in (last, initial) if path.exists()), None)
    if resume and begun:
        tensors, facts = resume_state(begun, description)
        _take_over(state, tensors, facts, method, recipe, fabric)
    else:
        held = published.load(recipe, encoders, out, init)
        config.save(recipe, out / "recipe.json")
        if init:
            _start_from(state, init)
        else:  # published weights come with their statistics
            held |= {name for name in encoders if build.published(recipe.encoder(name))}
            apart = held | set(stored)
            rest = {name: encoder for name, encoder in encoders.items() if name not in apart}
            every = ClipLoader(manifest, source, inputs_of(rest, set(rest)), workers)
            calibrate(rest, every, derive(recipe.seed, "calibration"), fabric)
    learning = {name: encoders[name] for name in encoders if name not in recipe.frozen}
    augmentation.install(learning, recipe.augmentation)
    return Loop(
        manifest, recipe, method, state, loader, fabric, out, description,
        frozen_loader=frozen_loader, prior=prior,
    )  # fmt: skip


def _outcome(loop: Loop, finished: bool) -> Pretrained:
    chosen = checkpoint.of_run(loop.out)
    seconds = max(loop.trained, 1e-9)
    return Pretrained(
        run=loop.out,
        checkpoint=chosen,
        sha256=checkpoint.load(chosen)[1]["weights"],
        epochs=loop.state.epoch,
        finished=finished,
        clips_per_second=loop.steps * loop.recipe.batch / seconds,
        data_wait=loop.waited / seconds,
    )


def make_fabric(recipe: Recipe) -> Fabric:
    """One device: a GPU where there is one; bf16 where the hardware computes in it."""
    if recipe.threads:
        torch.set_num_threads(recipe.threads)
    precision = recipe.precision
    if precision == "auto":
        if torch.cuda.is_available():
            fast = torch.cuda.is_bf16_supported()
        else:
            fast = torch.cpu._is_avx512_bf16_supported()
        precision = "bf16-mixed" if fast else "32-true"
    # It announces the precision at every start; the log of the run has it.
    logging.getLogger("lightning.fabric.utilities.rank_zero").setLevel(logging.WARNING)
    logging.getLogger("lightning_fabric.utilities.rank_zero").setLevel(logging.WARNING)
    return Fabric(accelerator="auto", devices=1, precision=precision)


def make_encoders(
    recipe: Recipe,
    manifest: Manifest,
    stored: Mapping[str, StoredFeatures] = MappingProxyType({}),
) -> dict[str, Encoder]:
    """The encoder of every modality of the recipe, initialised from its seed.

    ``stored`` has the features that stand in the place of some.
    """
    inputs: dict[str, Input] = {
        "video": recipe.clip.video_input(),
        "audio": recipe.clip.audio_input(),
    }
    inputs |= {name: found.input for name, found in stored.items()}
    if "text" in recipe.modalities:
        texts = [text for text in manifest.column("text") if text]
        inputs["text"] = build.text_input(recipe.encoders.text, texts, recipe.clip.text())
    return {
        name: build.build(
            recipe.encoder(name), name, inputs[name], derive(recipe.seed, "encoder", name)
        )
        for name in recipe.modalities
    }


def inputs_of(encoders: dict[str, Encoder], names: Collection[str]) -> dict[str, Input]:
    """The form in which each encoder of ``names`` wants its clips."""
    return {name: encoder.input for name, encoder in encoders.items() if name in names}


def calibrate(encoders: dict[str, Encoder], loader: ClipLoader, seed: int, fabric: Fabric) -> None:
    """Set BatchNorm's statistics from clips, without labels or gradients.

    A fresh network in evaluation mode would otherwise normalise by mean 0 and deviation 1, and
    the first clusters would be made of features that no training step ever sees.
    """
    for name, encoder in encoders.items():
        rows = np.flatnonzero(loader.manifest.has(name))
        chosen = np.random.default_rng(seed).permutation(rows)[:CALIBRATION_CLIPS]
        batches = [part for part in np.split(chosen, range(64, len(chosen), 64)) if len(part) > 1]
        passes = loader.batches(batches, View(random=False, seed=seed))
        passes = track(passes, len(batches), f"statistics of {name}, batches")
        with torch.no_grad(), fabric.autocast():
            update_bn(_inputs(passes, name), encoder, fabric.device)


def _inputs(batches: Iterable[ClipBatch], modality: str) -> Iterator[Tensor]:
    for batch in batches:
        present = batch.present[modality]
        if present.sum() > 1:
            yield batch.inputs[modality][present]


def describe(
    recipe: Recipe, method: Method, encoders: dict[str, Encoder], manifest: Manifest
) -> dict[str, Any]:
    """What a checkpoint says beside its tensors: enough to use it without the run's folder."""
    return {
        "recipe": recipe.model_dump(mode="json"),
        "method": method.name,
        "clusters": {
            name: list(cluster.of)
            for cluster in method.clusters
            for name in cluster.runs(recipe.aggregation.clusterings)
        },
        "teaches": [
            {"cluster": edge.cluster, "students": list(edge.students)} for edge in method.headed
        ],
        "contrasts": [asdict(contrast) for contrast in method.contrasts],
        "joint": joint.described(method, recipe, dims_of(encoders)),
        "encoders": {
            name: build.describe(recipe.encoder(name), encoder)
            for name, encoder in encoders.items()
        },
        "manifest": manifest.digest,
    }


def _check(manifest: Manifest, method: Method, k: int | None) -> None:
    """Refuse at once what the first clustering would refuse after all clips were read."""
    has = {modality: manifest.has(modality) for modality in method.modalities}
    for modality, clips in has.items():
        if not clips.any():
            raise UserError(
                f"modalities: no clip of the collection has {modality}; leave it out of modalities"
            )
    if k:
        refuse_few(method, has, k)


def new_state(
    encoders: dict[str, Encoder], method: Method, recipe: Recipe, fabric: Fabric, clips: int
) -> TrainingState:
    """The state before the first refresh: encoders and their optimiser, no heads, no labels."""
    modules = nn.ModuleDict(encoders).to(fabric.device)
    for name in recipe.frozen:
        modules[name].eval().requires_grad_(False)
    width = recipe.bank.width if method.bank else method.projection
    dims = dims_of(encoders) if width else {}
    projections = new_projections(dims, width, derive(recipe.seed, "projections")).to(fabric.device)
    banks = {}
    if recipe.clustering.features == "trained":
        banks = {
            name: FeatureBank(clips, encoder.dim)
            for name, encoder in encoders.items()
            if name not in recipe.frozen
        }
    state = TrainingState(modules, nn.ModuleDict(), {}, projections=projections, banks=banks)
    joint.furnish(state, method, recipe, dims_of(encoders), clips, fabric.device)
    lasting = (modules, projections, state.joint, state.decoders)
    learning = [p for part in lasting for p in part.parameters() if p.requires_grad]
    rates = recipe.optimisation
    state.optimizers["encoders"] = optimizer.build(learning, rates.rate, rates)
    return state


def dims_of(encoders: dict[str, Encoder]) -> dict[str, int]:
    """How many features each encoder gives."""
    return {name: encoder.dim for name, encoder in encoders.items()}


def _take_over(
    state: TrainingState,
    tensors: dict[str, Tensor],
    facts: dict[str, Any],
    method: Method,
    recipe: Recipe,
    fabric: Fabric,
) -> None:
    # In the method's order, in which the optimiser numbered their parameters.
    shapes = head_shapes(tensors)
    ordered = {edge.head: shapes[edge.head] for edge in method.headed if edge.head in shapes}
    state.heads = new_heads(ordered, 0).to(fabric.device)
    rates = recipe.optimisation
    state.optimizers["heads"] = optimizer.build(state.heads.parameters(), rates.head_rate, rates)
    state.load(tensors, facts)


def _start_from(state: TrainingState, path: Path) -> None:
    path = checkpoint.of_run(path) if path.is_dir() else path
    tensors, _ = checkpoint.load(path)
    wanted = state.encoders.state_dict()
    found = checkpoint.part(tensors, "encoders")
    wrong = [
        name for name in wanted if name not in found or found[name].shape != wanted[name].shape
    ]
    if wrong:
        raise UserError(
            f"{path}: its encoders are not those of the recipe ({len(wrong)} of {len(wanted)} "
            f"tensors differ, first {wrong[0]}); name the same encoders, modalities and vocabulary"
        )
    state.encoders.load_state_dict({name: found[name] for name in wanted})
    taken = [
        f"the encoder of {name} ({len(one.state_dict())} tensors)"
        for name, one in state.encoders.items()
    ]
    taken += [*memory.take_over(state, tensors, path), *joint.take_over(state, tensors, path)]
    say(f"pretrain: from {path}: {', '.join(taken)}")
