"""The runs of a comparison on disk: trained, taken up where they stopped, or reused.

``runs/ROW-SEED/`` is the run as `pretrain` leaves it. Beside it lie ``ROW-SEED.json``, which says
what the run is of and whether it is finished, and ``ROW-SEED.parquet``, its embeddings.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from triptych import config
from triptych.atomic import write_json
from triptych.clips.dataset import ClipSource
from triptych.descriptors.table import DescriptorTable
from triptych.embeddings.embed import embed
from triptych.embeddings.model import Model
from triptych.embeddings.table import EmbeddingTable
from triptych.errors import UserError
from triptych.evaluate.supervised import train_supervised
from triptych.manifest.schema import Manifest
from triptych.recipes.comparison.clips import Rows, chosen
from triptych.recipes.comparison.plan import Row, value_of
from triptych.state import checkpoint
from triptych.training import features, memory, published
from triptych.training.log import read_metrics
from triptych.training.pretrain import pretrain
from triptych.training.recipe import Recipe

Labels = npt.NDArray[np.object_]


@dataclass(frozen=True)
class Run:
    """One training: a row, a seed, and which clips of a collection it sees.

    With ``labels`` (clips,), "" where unknown, it is a supervised one.
    """

    row: Row
    seed: int
    folder: Path
    collection: Manifest
    rows: Rows
    labels: Labels | None = None
    begins: Path | None = None  # the folder of the run from whose weights and banks it begins

    @property
    def recipe(self) -> Recipe:
        """The row's recipe with the run's seed."""
        return self.row.recipe.model_copy(update={"seed": self.seed})

    @property
    def clips(self) -> Manifest:
        """What it is trained on. Made when asked for: many runs may see many clips."""
        return chosen(self.collection, self.rows)

    @property
    def record(self) -> Path:
        """The file that says what the run is of."""
        return self.folder.with_name(f"{self.folder.name}.json")

    def identity(self) -> dict[str, Any]:
        """What decides the run's weights."""
        labels = None if self.labels is None else _digest("\x1f".join(map(str, self.labels)))
        return {
            "recipe": self.recipe.model_dump(mode="json"),
            "clips": len(self.rows),
            "manifest": self.clips.digest,
            "labels": labels,
            "published": published.hashes(self.recipe),
            "prior": memory.hash_of_prior(self.recipe),
            "features": features.digests(self.recipe) or None,
            "begins": self.begins and self.begins.name,
            "begins_with": self.begins and _weights(self.begins),
        }

    def refuse_another(self) -> None:
        """Raise UserError where the folder holds a run of another recipe, of other clips or labels.

        A key that the recipe has since gained counts as its default.
        """
        if not self.record.exists():
            return
        found, wanted = self._found(), self.identity()
        before = config.validated(Recipe, found["recipe"], str(self.record))
        changed = [
            f"{key} {value_of(before, key)} became {value_of(self.recipe, key)}"
            for key in config.keys(Recipe)
            if value_of(before, key) != value_of(self.recipe, key)
        ]
        changed += [
            f"its {key} {found.get(key)} became {wanted[key]}"
            for key in ("clips", "manifest", "labels")
            if found.get(key) != wanted[key]
        ]
        if found.get("begins") != wanted["begins"]:
            changed.append(f"from {found.get('begins')} became {wanted['begins']}")
        elif wanted["begins_with"] not in (None, found.get("begins_with")):
            changed.append(f"the run {wanted['begins']}, from which it began, became another")
        if wanted["prior"] not in (None, found.get("prior")):
            changed.append("the file of prior.file became another")
        if wanted["features"] not in (None, found.get("features")):
            changed.append("the stored features became others")
        read = found.get("published", {})
        changed += [
            f"the file of weights.{name} became another"
            for name, digest in wanted["published"].items()
            if read.get(name, digest) != digest
        ]
        if changed:
            raise UserError(
                f"{self.folder}: holds another run of this name ({', '.join(changed)}); "
                "name another --out, or remove the folder and its .json"
            )

    def state(self) -> str:
        """Whether it is "finished", "begun" or "new"."""
        if not self.record.exists():
            return "new"
        found = self._found()
        weights = _weights(self.folder)
        return "finished" if weights and found.get("weights") == weights else "begun"

    def train(self, source: ClipSource) -> None:
        """Train to the end, from where the run stopped if it had begun."""
        write_json(self.record, self.identity())
        self.clips.write(self.folder / "manifest.parquet")  # so that the run can be looked into
        if self.labels is None:
            done = pretrain(
                self.clips, self.recipe, self.folder, source, resume=True, init=self.begins
            )
        else:
            done = train_supervised(
                self.clips, self.labels, self.recipe, self.folder, source, resume=True
            )
        write_json(self.record, {**self.identity(), "weights": done.sha256, "epochs": done.epochs})

    def pace(self) -> tuple[float, float]:
        """Seconds of training, and clips per second in them, over all of its processes."""
        rows = [row for row in read_metrics(self.folder / "metrics.jsonl") if "seconds" in row]
        seconds = sum(row["seconds"] for row in rows)
        clips = sum(row["seconds"] * row["clips_per_second"] for row in rows)
        return seconds, clips / seconds if seconds else 0.0

    def _found(self) -> dict[str, Any]:
        try:
            found = json.loads(self.record.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise UserError(f"{self.record}: cannot be read ({error}); remove it") from None
        if not isinstance(found, dict) or "recipe" not in found:
            raise UserError(f"{self.record}: not the record of a run; remove it")
        return found


def described(file: Path, manifest: Manifest, vector: str) -> EmbeddingTable:
    """The descriptors in ``file`` as vectors of the clips of ``manifest``, called ``vector``.

    Raises UserError where it has none of them.
    """
    table = DescriptorTable.read(file)
    starts = manifest.column("start").tolist()
    values, present = table.of(manifest.column("path").tolist(), starts)
    if not present.any():
        raise UserError(
            f"{file}: has descriptors of none of the {len(manifest)} labelled clips; its paths "
            "must be those of the manifest, below its root"
        )
    with file.open("rb") as opened:
        digest = hashlib.file_digest(opened, "sha256").hexdigest()
    return EmbeddingTable.build(manifest, {vector: (values, present)}, digest[:16])


def embedded(
    weights: Path, recipe: Recipe, manifest: Manifest, source: ClipSource, out: Path
) -> EmbeddingTable:
    """The vectors of ``manifest`` by a run's folder or a checkpoint; those in ``out`` if they are.

    They are where weights, clips and the form of the clips are the same.
    """
    file = checkpoint.of_run(weights) if weights.is_dir() else weights
    made_of = {
        "checkpoint": checkpoint.load(file)[1].get("weights"),
        "manifest": manifest.digest,
        "clip": recipe.clip.model_dump(mode="json"),
        "features": features.digests(recipe) or None,
    }
    if out.exists():
        there = EmbeddingTable.read(out)
        if {key: there.info.get(key) for key in made_of} == made_of:
            return there
    table = embed(manifest, Model.load(file), source)
    added = {key: made_of[key] for key in ("clip", "features")}
    table = replace(table, info={**table.info, **added})
    table.write(out)
    return table


def _weights(folder: Path) -> str | None:
    """What tells the weights of a run from others; None where it has none."""
    try:
        return checkpoint.load(checkpoint.of_run(folder))[1].get("weights")
    except UserError:
        return None


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
