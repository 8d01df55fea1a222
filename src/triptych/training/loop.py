"""The training loop: refresh, step, save. It is the same for every method."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from lightning_fabric import Fabric

from triptych.clips.dataset import ClipBatch, ClipLoader, View
from triptych.embeddings.extract import Features, evaluating, extract
from triptych.manifest.schema import Manifest
from triptych.methods.method import Method, Teach
from triptych.progress import say, track
from triptych.seeds import derive
from triptych.state import checkpoint
from triptych.state.assignments import Assignment
from triptych.state.training_state import TrainingState
from triptych.training import health, memory, online, optimizer, sampler
from triptych.training.held_back import held_back, stopped_falling
from triptych.training.joint import Surroundings, meeting_of
from triptych.training.log import Log
from triptych.training.recipe import Recipe
from triptych.training.refresh import cluster_features, install, project, write_assignments
from triptych.training.sampler import Draws, Labels
from triptych.training.step import BatchStep, recall_of, terms, train_step, triplets_of

EXTRACT_BATCH = 64


@dataclass
class Loop:
    """A run in progress. ``description`` is what a checkpoint says beside its tensors.

    ``loader`` reads what learning encoders take, ``frozen_loader`` what frozen ones do.
    """

    manifest: Manifest
    recipe: Recipe
    method: Method
    state: TrainingState
    loader: ClipLoader
    fabric: Fabric
    out: Path
    description: dict[str, Any]
    deadline: float = float("inf")  # on the monotonic clock
    frozen_loader: ClipLoader | None = None
    given: dict[str, Assignment] | None = None  # labels from outside, never refreshed
    prior: Features | None = None  # descriptors from outside that choose neighbours
    save_every: float = 60.0  # seconds between checkpoints within an epoch
    log: Log = field(init=False)
    waited: float = 0.0  # seconds in which training steps waited for data
    trained: float = 0.0  # seconds of training steps
    steps: int = 0  # taken by this process

    def __post_init__(self) -> None:
        self.log = Log(self.out, self.state.epoch)
        self.steps_an_epoch = -(-len(self.manifest) // self.recipe.batch)
        self.held = np.zeros(len(self.manifest), np.bool_)
        if self.recipe.refresh_on == "plateau":
            seed = derive(self.recipe.seed, "held back")
            self.held = held_back(self.manifest.column("path"), self.recipe.held_back, seed)

    def run(self) -> bool:
        """Train until the recipe's last epoch or the deadline; whether all epochs were done."""
        if self.state.refreshed < 0:
            self._save("initial", self.state.model_tensors())
        while self.state.epoch < self.recipe.epochs:
            if self._refresh_is_due():
                self.refresh()
            if not self.train_epoch():
                break
        trained = self.state.refreshed < self.state.epoch or self.state.step
        if trained and self.given is None:
            self.refresh()  # only to judge the last weights: the labels made here teach nobody
            row = {"epoch": self.state.epoch, "new_clusters": True, **self.state.health}
            self.log.write(row, self.recipe.epochs)
        self.log.close()
        return self.state.epoch >= self.recipe.epochs

    def _refresh_is_due(self) -> bool:
        state = self.state
        if state.step > 0 or state.refreshed == state.epoch:
            return False
        if self.given is not None:
            return state.refreshed < 0
        if state.refreshed < 0:
            return True
        if self.recipe.refresh_on == "plateau":
            return stopped_falling(state.held_back, self.recipe.patience)
        return state.epoch - state.refreshed >= self.recipe.refresh_every

    def refresh(self) -> None:
        """New labels from the present weights; the weights that were best so far are kept."""
        state = self.state
        if self.given is not None:
            state.health = {"clusterings": {}, "effective_rank": {}, "agreement": {}}
            install(state, self.method, self.given, self.recipe, self.fabric.device)
            return
        if self.method.joint:
            self._look_at_the_queue()
            return
        began = time.monotonic()
        features = self._remembered() if self.method.bank else {**self.frozen, **self._features()}
        extracted = time.monotonic()
        found, inertia = self._cluster(features)
        first = [cluster.runs(1)[0] for cluster in self.method.clusters]
        state.health = health.examine(features, state.assignments, found, inertia, first)
        state.health["extract_seconds"] = extracted - began
        state.health["cluster_seconds"] = time.monotonic() - extracted
        if state.refreshed >= 0:  # before the first step nothing can have collapsed
            health.alarm(state.health, {*self.recipe.frozen, *self.recipe.stored})
            self._keep_if_best()
        changed = found is not state.assignments
        install(state, self.method, found, self.recipe, self.fabric.device)
        if found and changed:
            write_assignments(self.out, self.manifest, state)

    def _look_at_the_queue(self) -> None:
        """Health, of what the steps left in the queue: their clusters are made in the steps."""
        state = self.state
        features, found, inertia = online.examined(state, self.method)
        state.health = health.examine(features, {}, found, inertia)
        if state.refreshed >= 0:
            # Clusters that run together are no reason to stop: pairs still tell clips apart.
            health.alarm({**state.health, "clusterings": {}})
        state.refreshed = state.epoch

    def _cluster(
        self, features: dict[str, Features]
    ) -> tuple[dict[str, Assignment], dict[str, float]]:
        """Every clustering of the method, and its inertia per clip; a fixed one is made once."""
        state, seed = self.state, derive(self.recipe.seed, "clusters", self.state.epoch)
        if not self.method.bank:
            projected = project(state.projections, features, self.fabric.device)
            return cluster_features(self.method, features, self.recipe.clustering, seed, projected)
        if state.assignments and memory.fixed(self.recipe):
            return state.assignments, {}
        return memory.cluster_banks(
            self.method, features, self.recipe, seed, self.prior, self.fabric.device
        )

    def _remembered(self) -> dict[str, Features]:
        """The memory banks; rows that are still of chance are first filled, if they are clustered.

        Clusters of chance would draw clips together that have nothing in common.
        """
        banks = self.state.memory
        lacking = [bank.members & ~bank.known for bank in banks.values()]
        rows = torch.stack(lacking).any(0).cpu().numpy().nonzero()[0]
        if len(rows) and self.method.clusters:
            encoders = dict(self.state.encoders.items())
            found = self._extract(self.loader, encoders, rows)
            found = project(self.state.projections, found, self.fabric.device)
            for name, missing in zip(banks, lacking, strict=True):
                memory.fill(banks[name], missing, found[name])
        return {name: memory.rows_of(bank) for name, bank in banks.items()}

    @cached_property
    def frozen(self) -> dict[str, Features]:
        """The features of all clips by the encoders that do not learn: computed once."""
        names: tuple[str, ...] = self.recipe.frozen
        if not names or self.frozen_loader is None:
            return {}
        encoders = {name: self.state.encoders[name] for name in names}
        return self._extract(self.frozen_loader, encoders, np.arange(len(self.manifest)))

    def _features(self) -> dict[str, Features]:
        """Of all clips by the encoders that learn; what the bank has is not extracted again."""
        names = [name for name in self.method.modalities if name not in self.recipe.frozen]
        encoders = {name: self.state.encoders[name] for name in names}
        banks = self.state.banks
        known = np.zeros(len(self.manifest), np.bool_)
        if banks:
            lacking = [self.loader.has(name) & ~bank.known for name, bank in banks.items()]
            known = ~np.logical_or.reduce(lacking)
        found = self._extract(self.loader, encoders, np.flatnonzero(~known))
        for name, bank in banks.items():
            part, kept = found[name], known & bank.known
            part.values[kept], part.present[kept] = bank.values[kept], True
        return found

    def _extract(
        self, loader: ClipLoader, encoders: dict[str, Any], rows: npt.NDArray[np.int64]
    ) -> dict[str, Features]:
        batches = [rows[i : i + EXTRACT_BATCH] for i in range(0, len(rows), EXTRACT_BATCH)]
        passes = loader.batches(batches, View(random=False, seed=0))
        shown = track(passes, len(batches), "features, batches")
        return extract(encoders, shown, len(self.manifest), self.fabric)

    def _keep_if_best(self) -> None:
        state = self.state
        score = health.score(state.health)
        state.health["best"] = False
        if score is not None and health.is_best(score, state.best):
            state.best = max(score, state.best or 0.0)
            state.health["best"] = True
            # With the heads and clusters that these weights were trained on, not the new ones.
            self._save("best", self.state.model_tensors())

    def train_epoch(self) -> bool:
        """One pass of balanced draws from where the state says; False when time ran out.

        At least one step is taken however late it is: what is left then is always a model.
        """
        state, began = self.state, time.monotonic()
        draws = self._draws()
        first, saved = state.step, began
        steps = self.recipe.epochs * self.steps_an_epoch
        for batch, weights in self._batches(draws, first):
            place = state.epoch * self.steps_an_epoch + state.step
            rates = self.recipe.optimisation
            # The heads' own rate stays: in the last rounds too, new ones have to learn at once.
            optimizer.set_rate(state.optimizers["encoders"], optimizer.factor(place, steps, rates))
            torch.manual_seed(derive(self.recipe.seed, "step", state.epoch, state.step))
            self._step(batch, weights)
            state.step += 1
            self.steps += 1
            if time.monotonic() > self.deadline:
                self._save("last", state.tensors())
                self._account(began)
                done = f"{state.step} of {self.steps_an_epoch} steps of epoch {state.epoch + 1}"
                say(f"time is up after {done}; the recipe has {self.recipe.epochs} epochs")
                return False
            if time.monotonic() - saved > self.save_every:
                self._save("last", state.tensors())
                saved = time.monotonic()
        self._finish_epoch(self._account(began), first)
        return True

    def _account(self, began: float) -> float:
        """Add an epoch, or the part of it that was trained, to the sums; its seconds."""
        seconds = time.monotonic() - began
        self.waited += self.loader.waited
        self.trained += seconds
        return seconds

    def _draws(self) -> Draws:
        seed = derive(self.recipe.seed, "draws", self.state.epoch)
        count = self.steps_an_epoch * self.recipe.batch
        labels: dict[str, Labels] = {}
        if self.method.bank:  # each clip is to be told from all others, so each is drawn alike
            for name in self.method.modalities:
                labels[name] = np.where(self.loader.has(name), 0, -1)
            return sampler.plain_draws(labels, count, seed)
        if self.method.joint:  # a clip with one modality alone has nothing to be drawn to
            for pair in self.method.pairs:
                both = self._shown(pair.one) & self._shown(pair.other)
                labels[pair.term] = np.where(both, 0, -1)
            if self.recipe.draws.per_file == 1:
                return sampler.plain_draws(labels, count, seed)
            files = self.surroundings.files
            return sampler.draws_by_file(labels, files, count, self.recipe.draws.per_file, seed)
        for edge in self.method.teaches:
            known = self.state.assignments[edge.cluster].labels
            shown = ~self.held & np.logical_and.reduce([self._shown(s) for s in edge.students])
            labels[edge.head] = np.where(shown, known, -1)
            if self.recipe.balance == "own":
                labels[edge.head] = self._own(edge, labels[edge.head])
        draw = sampler.plain_draws if self.recipe.balance == "none" else sampler.balanced_draws
        return draw(labels, count, seed)

    def _own(self, edge: Teach, labels: Labels) -> Labels:
        """The clusters of the student's own features, where it has any, of the clips it learns."""
        for cluster in self.method.clusters:
            if cluster.of == edge.students:
                return np.where(labels >= 0, self.state.assignments[cluster.name].labels, -1)
        return labels

    def _shown(self, modality: str) -> npt.NDArray[np.bool_]:
        """Which clips an encoder can be shown, (clips,).

        A draw of any other would be lost, and the clusters with many of them would count less. So
        what the last refresh could not read is left out too.
        """
        if modality in self.frozen:
            return self.frozen[modality].present
        shown = self.loader.has(modality)
        for cluster in self.method.clusters:
            if self.given is None and cluster.of == (modality,):
                shown = shown & (self.state.assignments[cluster.name].labels >= 0)
        return shown

    def _batches(
        self, draws: Draws, first: int
    ) -> Iterator[tuple[ClipBatch, dict[str, torch.Tensor]]]:
        size = self.recipe.batch
        spans = [slice(i * size, (i + 1) * size) for i in range(first, self.steps_an_epoch)]
        rows: list[npt.NDArray[np.int64]] = [draws.rows[span] for span in spans]
        seed = derive(self.recipe.seed, "view", self.state.epoch)
        view = View(random=True, seed=seed, shares=self.recipe.augmentation.crops)
        # A pass that goes on in the middle draws its crops from where it stopped.
        batches = self.loader.batches(rows, view, first * size)
        shown = track(batches, len(spans), f"epoch {self.state.epoch + 1}, steps")
        for batch, span in zip(shown, spans, strict=True):
            weights = {
                edge: torch.from_numpy(values[span]) for edge, values in draws.weights.items()
            }
            yield batch, weights

    def _step(self, batch: ClipBatch, weights: dict[str, torch.Tensor]) -> None:
        step = self.step_of(batch, weights)
        try:
            values = train_step(step, self.fabric)
        except FloatingPointError as error:
            raise health.Collapse(
                f"epoch {self.state.epoch + 1}: the loss is not finite ({error}); "
                "lower optimisation.rate, or set precision=32-true"
            ) from None
        for name, value in values.items():
            self.state.totals[name] = self.state.totals.get(name, 0.0) + value
        for name, (value, clips) in step.noted.items():
            before = self.state.noted.get(name, [0.0, 0.0])
            self.state.noted[name] = [before[0] + value, before[1] + clips]

    def step_of(self, batch: ClipBatch, weights: dict[str, torch.Tensor]) -> BatchStep:
        """What the method's loss sees of a batch now; ``weights`` (clips,) of every edge."""
        recipe, state = self.recipe, self.state
        step = BatchStep(
            self.method,
            state,
            batch,
            weights,
            self.fabric.device,
            recipe.optimisation.label_smoothing,
            triplets_of(recipe, state.epoch),
            recall_of(recipe),
            self.frozen,
        )
        if joint := self.method.joint:
            step.meeting = meeting_of(joint, recipe)
            step.beside = self.surroundings.of(batch, self.loader, "text" not in self.frozen)
            step.plan = online.plan_of(recipe, joint, state.epoch, state.step, self.steps_an_epoch)
        return step

    @cached_property
    def surroundings(self) -> Surroundings:
        """What is beside the clips of a batch, in a method with a joint space."""
        recipe = self.recipe
        asked = recipe.joint.candidates if "text" in recipe.modalities else 0
        asked *= self.method.joint is not None and self.method.joint.near
        told = self._shown("text") if asked else None
        return Surroundings(self.manifest, told, asked)

    @torch.no_grad()
    def _loss_held_back(self) -> float:
        """Mean loss on the clips that are never trained on, in evaluation mode, unweighted."""
        rows = np.flatnonzero(self.held)
        torch.manual_seed(derive(self.recipe.seed, "held back", self.state.epoch))
        total = 0.0
        with evaluating(self.state.encoders.values()):  # type: ignore[arg-type]
            size = self.recipe.batch
            batches = [rows[i : i + size] for i in range(0, len(rows), size)]
            for batch in self.loader.batches(batches, View(random=False, seed=0)):
                weights = {e.head: torch.ones(len(batch.rows)) for e in self.method.teaches}
                values, _ = terms(self.step_of(batch, weights), self.fabric)
                total += sum(values.values()) * len(batch.rows)
        return total / len(rows)

    def _finish_epoch(self, seconds: float, first: int) -> None:
        state, steps = self.state, self.steps_an_epoch
        waited = self.loader.waited  # by the steps, not by what looks at held-back clips
        if self.recipe.refresh_on == "plateau":
            if self.recipe.alpha(state.epoch) != self.recipe.alpha(max(0, state.epoch - 1)):
                state.held_back = []  # losses of other weights of the terms tell no plateau
            state.held_back = [*state.held_back, self._loss_held_back()]
        noted = state.noted.items()
        row = {
            "epoch": state.epoch,
            "step": (state.epoch + 1) * steps,
            "loss": {name: value / steps for name, value in state.totals.items()},
            **({"noted": {name: a / max(b, 1) for name, (a, b) in noted}} if noted else {}),
            "learning_rate": state.optimizers["encoders"].param_groups[0]["lr"],
            "clips_per_second": (steps - first) * self.recipe.batch / seconds,
            "data_wait": waited / seconds,
            "seconds": seconds,
            "new_clusters": state.refreshed == state.epoch,
            **({"held_back_loss": state.held_back[-1]} if state.held_back else {}),
            **state.health,
        }
        # Before the checkpoint: a kill between the two repeats the epoch, and its row with it.
        self.log.write(row, self.recipe.epochs)
        state.epoch, state.step, state.totals, state.noted = state.epoch + 1, 0, {}, {}
        self._save("last", state.tensors())

    def _save(self, name: str, tensors: dict[str, torch.Tensor]) -> None:
        facts = {**self.description, "state": self.state.facts()}
        facts["weights"] = checkpoint.weights_hash(tensors)
        checkpoint.save(self.out / "checkpoints" / f"{name}.safetensors", tensors, facts)
