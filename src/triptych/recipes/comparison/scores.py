"""The judge of a comparison: embeddings against labels, example by example, kept and reused."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from triptych.atomic import write_table
from triptych.embeddings.model import Model
from triptych.embeddings.table import EmbeddingTable
from triptych.errors import UsageError, UserError
from triptych.evaluate.across import ACROSS
from triptych.evaluate.clusters import FeatureClusters
from triptych.evaluate.evaluate import LEVELS, PROBES, examples, provenance, remarks
from triptych.evaluate.evaluator import Evaluator, Examples, cross_validate
from triptych.evaluate.folds import Strings
from triptych.evaluate.joint import NoSpace
from triptych.evaluate.labels import Joined, LabelFile, describe, join, read_labels
from triptych.evaluate.results import Row
from triptych.manifest.schema import MODALITIES, Manifest
from triptych.progress import say
from triptych.recipes.comparison.across import Across, Tallied, is_across, names_twice, read
from triptych.recipes.comparison.plan import modality, plain

FORMAT = 2
META = b"triptych.scores"
MADE_OF = ("checkpoint", "manifest", "clip")  # what decides an embedding table
AGREEMENTS = ("nmi", "ami")  # of clusters
EVALUATORS: dict[str, Evaluator] = {**PROBES, "clusters": FeatureClusters()}


@dataclass(frozen=True)
class Scores:
    """One evaluation of one run: columns are [N], the examples that were tested; R is its draws."""

    names: Strings  # path, or clip_id
    groups: Strings
    labels: Strings
    found: Strings  # [N, R] predicted labels, or cluster numbers
    rows: list[Row]  # of results.json
    protocol: dict[str, Any]

    def write(self, path: Path, key: dict[str, Any]) -> None:
        """Write as Parquet; ``key`` says what they are of."""
        columns = ("names", "groups", "labels", "found")
        table = pa.table({name: pa.array(getattr(self, name).tolist()) for name in columns})
        about = json.dumps({"key": key, "rows": self.rows, "protocol": self.protocol})
        write_table(path, table.replace_schema_metadata({META: about}))

    @classmethod
    def read(cls, path: Path, key: dict[str, Any]) -> Scores | None:
        """What ``write`` wrote for the same ``key``; None where there is nothing of it."""
        if not path.is_file():
            return None
        try:
            table = pq.read_table(path)
            about = json.loads((table.schema.metadata or {})[META])
        except (pa.ArrowInvalid, OSError, KeyError, ValueError):
            return None  # it is made again
        if about["key"] != key:
            return None
        columns = {name: np.array(table[name].to_pylist()) for name in table.column_names}
        return cls(rows=about["rows"], protocol=about["protocol"], **columns)


Judged = Mapping[tuple[str, str], Scores | Tallied]  # (evaluator, target) -> of one run


def _no_model() -> Model:
    raise NoSpace("descriptors share no space with words")


@dataclass(frozen=True)
class Judge:
    """Evaluators and labels, checked before any training; ``clips`` are the labelled ones."""

    clips: Manifest
    rows: Any  # of the collection, int64 (clips,)
    files: list[LabelFile]
    joined: list[Joined]  # to ``clips``
    evaluators: tuple[str, ...]
    vector: str
    level: str
    digest: str  # of the labels file
    across: tuple[Across, ...] = ()  # evaluators across modalities

    @classmethod
    def make(
        cls,
        manifest: Manifest,
        labels: Path,
        targets: Sequence[str],
        evaluators: Sequence[str],
        vector: str,
        level: str,
    ) -> Judge:
        """Read the labels and try every evaluation on empty features, so that none fails later."""
        plain_ones = tuple(dict.fromkeys(name for name in evaluators if not is_across(name)))
        unknown = [name for name in plain_ones if name not in EVALUATORS]
        if unknown or not evaluators:
            wrong = repr(unknown[0]) if unknown else "none"
            raise UsageError(f"--evaluate {wrong}: choose {', '.join((*EVALUATORS, *ACROSS))}")
        if level not in LEVELS:
            raise UsageError(f"--level {level!r}: choose {' or '.join(LEVELS)}")
        wanted: list[str | None] = [*dict.fromkeys(targets)] or [None]
        files = [read_labels(labels, target) for target in wanted]
        known = [_join(file, manifest) for file in files]
        rows = np.unique(np.concatenate([joined.rows for joined in known]))
        clips = manifest.select(rows)
        joins = [_join(file, clips) for file in files]
        across = _across(evaluators, manifest, clips, [file.target for file in files], joins)
        judge = cls(
            clips, rows, files, joins, plain_ones, vector, level,
            hashlib.sha256(labels.read_bytes()).hexdigest()[:16], across,
        )  # fmt: skip
        judge._try()
        for file, joined in zip(files, known, strict=True):
            for line in describe(file, joined):
                say(line)
        return judge

    @property
    def targets(self) -> list[str]:
        """The label columns."""
        return [file.target for file in self.files]

    @property
    def columns(self) -> frozenset[str]:
        """Which of fold, group and split the labels file has."""
        return frozenset[str]().union(*(file.columns for file in self.files))

    def evaluations(self) -> Iterator[tuple[str, str]]:
        """Every (evaluator, target), in the order of the table."""
        yield from self._probed()
        yield from ((one.name, one.target) for one in self.across)

    def _probed(self) -> Iterator[tuple[str, str]]:
        return ((name, target) for name in self.evaluators for target in self.targets)

    def probes(self, evaluator: str) -> list[str]:
        """What an evaluator's rows are called."""
        found = [one.probes for one in self.across if one.name == evaluator]
        return found[0] if found else probes(evaluator)

    def score_across(
        self,
        seed: int,
        folder: Path,
        row: str,
        of: Callable[[Across], EmbeddingTable],
        model: Callable[[], Model] = _no_model,
    ) -> dict[tuple[str, str], Tallied]:
        """The same for evaluators across modalities; ``of`` gives the vectors that one looks at."""
        found = {}
        for one in self.across:
            table = of(one)
            key = {
                "format": FORMAT,
                "embeddings": {part: table.info.get(part) for part in MADE_OF},
                "labels": [self.digest, one.digest],
                "evaluate": [one.name, one.target, one.settings.model_dump(mode="json"), seed],
            }
            path = folder / f"{plain(f'{row}-{seed}_{one.name}_{one.target}')}.parquet"
            tallied = Tallied.read(path, key)
            if tallied is None:
                tallied = one.judge(table, model, row, seed)
                tallied.write(path, key)
            found[one.name, one.target] = tallied
        return found

    def score(
        self, table: EmbeddingTable, seed: int, folder: Path, row: str
    ) -> dict[tuple[str, str], Scores]:
        """Scores by (evaluator, target); those in ``folder`` that are of these vectors are kept."""
        found = {}
        for name, target in self._probed():
            key = {
                "format": FORMAT,
                "embeddings": {part: table.info.get(part) for part in MADE_OF},
                "labels": self.digest,
                "evaluate": [name, target, self.vector, self.level, seed],
            }  # fmt: skip
            path = folder / f"{plain(f'{row}-{seed}_{name}_{target}')}.parquet"
            scores = Scores.read(path, key)
            if scores is None:
                scores = self._score(table, name, target, seed, row)
                scores.write(path, key)
            found[name, target] = scores
        return found

    def _score(self, table: EmbeddingTable, name: str, target: str, seed: int, row: str) -> Scores:
        place = self.targets.index(target)
        file, joined = self.files[place], self.joined[place]
        asked = self._examples(table, joined, name)
        outcome = EVALUATORS[name](asked, seed)
        about = {"vector": self.vector, "target": target, "level": self._level(name)}
        rows = [
            {"row": row, "probe": name, **about, **measure._asdict(), "seeds": 1}
            for measure in outcome.measures
        ]
        where = Path(f"{plain(row)}-{seed}.parquet")
        protocol = {**about, **provenance(table, file, joined, where, seed), **outcome.protocol}
        predicted = outcome.predictions.reshape(len(asked.labels), -1)
        tested = predicted[:, 0] != ""
        assert asked.names is not None
        return Scores(
            asked.names[tested], asked.groups[tested], asked.labels[tested],
            predicted[tested], rows, protocol,
        )  # fmt: skip

    def _level(self, evaluator: str) -> str:
        return "clip" if evaluator == "clusters" else self.level

    def _examples(self, table: EmbeddingTable, joined: Joined, evaluator: str) -> Examples:
        return examples(table, joined, self.vector, self._level(evaluator))

    def _try(self) -> None:
        """Raise UserError for what an evaluation would refuse whatever the features are."""
        wanted = modality(self.vector)
        present = np.logical_or.reduce(
            [self.clips.has(name) for name in MODALITIES if wanted in (None, name)]
        )
        nothing = np.zeros((len(self.clips), 1), np.float32)
        table = EmbeddingTable.build(self.clips, {self.vector: (nothing, present)}, "")
        for name, target in self._probed():
            joined = self.joined[self.targets.index(target)]
            asked = self._examples(table, joined, name)
            if name == "clusters":
                if len(np.unique(asked.usable().labels)) < 2:
                    raise UserError(f"labels: the column {target!r} holds one class only")
            else:
                outcome = cross_validate(
                    asked, lambda _, known, test, __: known[:1].repeat(len(test)), 0
                )
                for line in remarks(outcome):
                    say(f"{target}: {line}")


def _across(
    evaluators: Sequence[str],
    manifest: Manifest,
    clips: Manifest,
    targets: Sequence[str],
    joined: Sequence[Joined],
) -> tuple[Across, ...]:
    labelled = list(zip(targets, joined, strict=True))
    found = [
        one
        for word in evaluators
        if is_across(word)
        for one in read(word, manifest, clips, labelled)
    ]
    names_twice(found)
    for one in found:
        one.attempt(clips)
    return tuple(found)


def probes(evaluator: str) -> list[str]:
    """What the rows of a probe or of clusters are called."""
    if evaluator != "clusters":
        return [evaluator]
    return [f"clusters ({metric.upper()})" for metric in AGREEMENTS]


def _join(file: LabelFile, manifest: Manifest) -> Joined:
    ids, paths = manifest.column("clip_id"), manifest.column("path")
    return join(file, list(ids), list(paths), manifest.root)


def results(row: str, seed: int, found: Judged) -> dict[str, dict[str, Any]]:
    """The evaluations of a run, as results.json has them."""
    named = {}
    for (evaluator, _), scores in found.items():
        if "lacks" in scores.protocol:
            continue
        place = (scores.protocol[key] for key in ("vector", "target", "level"))
        name = "/".join((f"{row} seed {seed}", evaluator, *place))
        named[name] = {"rows": scores.rows, "protocol": scores.protocol}
    return named
