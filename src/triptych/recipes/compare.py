"""``compare``: recipes along axes and seeds, evaluated, in one table with intervals and a plot."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from triptych.atomic import alone, write_json
from triptych.embeddings.model import Model
from triptych.embeddings.table import EmbeddingTable
from triptych.errors import UsageError, UserError
from triptych.evaluate.bootstrap import COVERAGE
from triptych.evaluate.labels import join, read_labels
from triptych.evaluate.results import read_results, write_results
from triptych.manifest.schema import Manifest
from triptych.progress import say
from triptych.recipes.comparison.across import Across
from triptych.recipes.comparison.clips import Collection, HeldOut, held_out
from triptych.recipes.comparison.plan import Row, plan
from triptych.recipes.comparison.plot import draw_table
from triptych.recipes.comparison.runs import Labels, Run, described, embedded
from triptych.recipes.comparison.scores import Judge, Judged, results
from triptych.recipes.comparison.table import (
    AGREEMENTS,
    STATISTICS,
    Agreement,
    figures,
    write_csv,
)
from triptych.recipes.named import lacking
from triptych.training import features, memory, published

Table = list[dict[str, Any]]
TRAINED = ("method", "supervised")  # kinds of rows that have runs


def compare(
    words: Sequence[str],
    *,
    manifest: Path,
    labels: Path,
    out: Path,
    axes: Sequence[str] = (),
    seeds: int = 3,
    evaluators: Sequence[str] = ("linear",),
    targets: Sequence[str] = (),
    supervised: str | None = None,
    against: str | None = None,
    descriptors: Sequence[str] = (),
    vector: str = "vector_video",
    level: str = "video",
    root: Path | None = None,
    workers: int | None = None,
) -> dict[str, Any]:
    """Run, or reuse, every row of the plan for every seed; returns what ``--json`` prints.

    What can be refused is refused before anything is trained. A run that fails costs its own row,
    which says why; ``failed`` in the result names them.
    """
    if seeds < 1:
        raise UsageError(f"--seeds {seeds}: must be 1 or more")
    rows = plan(
        words, axes, vector=vector, supervised=supervised is not None, descriptors=descriptors
    )
    opponents = _opponents(rows, against)
    _refuse_others(out)
    whole = Manifest.read(manifest, root)
    judge = Judge.make(whole, labels, targets, evaluators, vector, level)
    with alone(out):
        work = _Work(rows, seeds, out, judge, whole)
        work.prepare(labels, supervised, workers)
        work.run()
        table = work.table(opponents)
        failed = [f"{row}: {why}" for row, why in work.failed.items()]
        _write(out, table, work, judge)
        plot = draw_table(out, rows, table)
    measured = (
        f"means of {seeds} seeds on {vector} by {level}; clusters: agreement, retrieval and "
        "localization: on shared vectors, as named, others: accuracy; "
        "[95 %]: over groups of the tested examples"
    )
    return {"table": table, "measured": measured, "out": str(out), "plot": plot, "failed": failed}


def _refuse_others(out: Path) -> None:
    """Raise UserError where the figures of something else would be written over."""
    ours = (out / "table.json").exists() or (out / "runs").is_dir()
    if (out / "results.json").exists() and not ours:
        raise UserError(
            f"{out}: holds a results.json that is of no comparison, and it would be lost; "
            "name another --out"
        )


def _opponents(rows: Sequence[Row], against: str | None) -> dict[str, dict[str, str]]:
    """What each row is compared with: name of the difference -> name of the other row."""
    found: dict[str, dict[str, str]] = {row.name: {} for row in rows}
    known = {row.name for row in rows}
    if against is not None and against not in known | {row.of for row in rows}:
        raise UsageError(f"--against {against!r}: no such row; rows are {', '.join(sorted(known))}")
    for row in rows:
        if row.random:
            found[row.name]["random"] = row.random
        if against is None:
            continue
        # A row's name, or a RECIPE's: then each row meets the one of its own values.
        same = [other.name for other in rows if other.of == against and other.values == row.values]
        other = against if against in known else next(iter(same), None)
        if other and other != row.name:
            found[row.name][against] = other
    return found


@dataclass
class _Work:
    """A comparison in progress."""

    rows: list[Row]
    seeds: int
    out: Path
    judge: Judge
    whole: Manifest
    collections: dict[Path | None, Collection] = field(default_factory=dict)
    runs: dict[tuple[str, int], Run] = field(default_factory=dict)
    scores: dict[str, dict[int, Judged]] = field(default_factory=dict)  # row -> seed
    looked: dict[Path, Collection] = field(default_factory=dict)  # what is only evaluated on
    failed: dict[str, str] = field(default_factory=dict)  # row -> why

    def prepare(self, labels: Path, supervised: str | None, workers: int | None) -> None:
        """Refuse what cannot be, then say what is trained on, before anything is trained."""
        held = held_out(self.whole, labels) if "split" in self.judge.columns else HeldOut()
        if supervised is not None and not held.clips:
            raise UsageError(
                "--supervised: trains on the training part of the labels, and they have no column "
                "split; add one of train and test"
            )
        truth = None if supervised is None else _labels(self.whole, labels, supervised)
        for path in dict.fromkeys((None, *(row.manifest for row in self.rows))):
            manifest = Manifest.read(path) if path else self.whole
            self.collections[path] = _collection(path, manifest, held, self.out / "cache", workers)
        for one in self.judge.across:
            if one.whole is not None:
                manifest = Manifest.read(one.whole)
                every = np.arange(len(manifest))
                self.looked[one.whole] = Collection(manifest, every, self.out / "cache", workers)
        folders = {row.name: row.folder for row in self.rows}
        for row in self.rows:
            if row.file is not None:
                described(row.file, self.judge.clips, self.judge.vector)
            if row.kind not in TRAINED:
                continue
            collection = self.collections[row.manifest]
            if row.kind == "supervised" and truth is not None:
                _refuse_one_label(truth[collection.may], str(supervised))
            for needed in (collection, self.collections[None], *self.looked.values()):
                needed.reach(row.recipe)
            for seed in range(self.seeds):
                collection.check(row, seed)
                seen = collection.rows(row, seed)
                known = truth[seen] if truth is not None and row.kind == "supervised" else None
                folder = self.out / "runs" / row.folder(seed)
                begins = folder.with_name(folders[row.begins](seed)) if row.begins else None
                run = Run(row, seed, folder, collection.manifest, seen, known, begins)
                run.refuse_another()
                if run.state() == "new":
                    published.check(row.recipe)
                    features.check(row.recipe)
                    memory.check_prior(row.recipe)
                self.runs[row.name, seed] = run
        for line in self._remarks(held):
            say(f"compare: {line}")

    def _remarks(self, held: HeldOut) -> list[str]:
        """What is trained on, and what is not what its name says."""
        lines = []
        if "fold" in self.judge.columns:
            lines.append("the labels have folds; pretraining sees the clips of all, without labels")
        if "split" in self.judge.columns:
            count = int(held.of(self.whole).sum())
            lines.append(
                f"{count} of {len(self.whole)} clips are of the test part and train nothing"
            )
        for row in self.rows:
            if row.kind == "method" and not row.begins:
                lines += lacking(row.recipe, row.named)
            if row.kind == "random":
                for name, path in published.named(row.recipe).items():
                    lines.append(
                        f"{row.name}: its {name} encoder is not random, but that of {path}"
                    )
        return list(dict.fromkeys(lines))

    def run(self) -> None:
        """Train, embed and score every row of every seed; a failure is noted and passed over."""
        done, trained, began = 0, 0, time.monotonic()
        for seed in range(self.seeds):
            for row in (row for row in self.rows if row.kind in TRAINED):
                run = self.runs[row.name, seed]
                done += 1
                state = run.state()
                what = {"finished": "reused", "begun": "goes on", "new": "training"}[state]
                place = f"run {done} of {len(self.runs)}"
                left = ""
                if trained and state != "finished":
                    waiting = sum(one.state() != "finished" for one in self.runs.values())
                    minutes = (time.monotonic() - began) / trained * waiting / 60
                    left = f", about {minutes:.0f} minutes left of all"
                say(f"compare: {place}: {row.name}, seed {seed}: {what}{left}")
                trained += state != "finished"
                self._try(row, seed, partial(self._train, row, run))
            for row in (row for row in self.rows if row.kind == "random"):
                self._try(row, seed, partial(self._untrained, row, seed))
            for row in (row for row in self.rows if row.file is not None):
                self._try(row, seed, partial(self._described, row, seed))

    def _try(self, row: Row, seed: int, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:
            # Whatever it is: hours of other runs are not lost with it.
            if os.environ.get("TRIPTYCH_DEBUG"):
                raise
            kind = "" if isinstance(error, UserError) else f"{type(error).__name__}: "
            why = f"seed {seed}: {kind}{error}".splitlines()[0]
            say(f"compare: {row.name} failed: {why}")
            self.failed.setdefault(row.name, why)

    def _train(self, row: Row, run: Run) -> None:
        if row.begins in self.failed:
            raise UserError(f"{row.begins}, from whose run this begins, failed")
        run.refuse_another()
        if run.state() != "finished":
            run.train(self.collections[row.manifest].part(run.rows, row.recipe)[1])
        self._score(row, run.seed, run.folder)

    def _untrained(self, row: Row, seed: int) -> None:
        run = self.runs[row.start, seed]
        weights = run.folder / "checkpoints" / "initial.safetensors"
        if not weights.exists() and row.start in self.failed:
            raise UserError(f"{row.start}, whose first weights these are, failed before it had any")
        self._score(row, seed, weights)

    def _score(self, row: Row, seed: int, weights: Path) -> None:
        clips, source = self.collections[None].part(self.judge.rows, row.recipe)
        path = self.out / "runs" / f"{row.folder(seed)}.parquet"
        table = embedded(weights, row.recipe, clips, source, path)

        def of(one: Across) -> EmbeddingTable:
            if one.rows is None:
                return table
            held = self.looked[one.whole] if one.whole else self.collections[None]
            where = path.with_name(f"{row.folder(seed)}.{one.digest}.parquet")
            return embedded(weights, row.recipe, *held.part(one.rows, row.recipe), where)

        self._judge(row, seed, table, of, partial(Model.load, weights))

    def _described(self, row: Row, seed: int) -> None:
        assert row.file is not None
        table = described(row.file, self.judge.clips, self.judge.vector)
        self._judge(row, seed, table, lambda _: table)

    def _judge(self, row: Row, seed: int, table: EmbeddingTable, *rest: Any) -> None:
        folder = self.out / "scores"
        found = self.judge.score(table, seed, folder, row.name)
        across = self.judge.score_across(seed, folder, row.name, *rest)
        self.scores.setdefault(row.name, {})[seed] = {**found, **across}

    def table(self, opponents: Mapping[str, Mapping[str, str]]) -> Table:
        """The rows of the table; one of which a seed failed has its reason and no figure."""
        say("compare: intervals")
        agreements = [Agreement(name) for name in AGREEMENTS]
        table = []
        for row in self.rows:
            others = {
                name: list(self.scores[other].values())
                for name, other in opponents[row.name].items()
                if other not in self.failed
            }
            for evaluator, target in self.judge.evaluations():
                begin = {"row": row.name, **row.values}
                if row.name in self.failed:
                    table += [
                        {**begin, "probe": probe, "target": target, **self._failure(row)}
                        for probe in self.judge.probes(evaluator)
                    ]
                    continue
                runs = list(self.scores[row.name].values())
                for figure in figures(evaluator, target, runs, others, agreements):
                    table.append({**begin, **figure, **self._pace(row)})
        return table

    def _failure(self, row: Row) -> dict[str, Any]:
        nothing = dict.fromkeys(("value", "low", "high"))
        done = len(self.scores.get(row.name, {}))
        return {**nothing, "seeds": done, "failed": self.failed[row.name]}

    def _pace(self, row: Row) -> dict[str, float]:
        if row.kind not in TRAINED:
            return {}
        paces = [self.runs[row.name, seed].pace() for seed in range(self.seeds)]
        seconds, rate = np.mean(paces, axis=0)
        return {
            "training_seconds": round(float(seconds), 1),
            "clips_per_second": round(float(rate), 1),
        }


def _labels(manifest: Manifest, labels: Path, target: str) -> Labels:
    """The label of every clip, (clips,), "" where there is none."""
    ids, paths = manifest.column("clip_id"), manifest.column("path")
    joined = join(read_labels(labels, target), list(ids), list(paths), manifest.root)
    found = np.full(len(manifest), "", object)
    found[joined.rows] = joined.labels
    return found


def _refuse_one_label(labels: Labels, target: str) -> None:
    found = sorted(set(labels) - {""})
    if len(found) < 2:
        raise UserError(
            f"--supervised {target}: the training part has {len(found)} different labels "
            f"({', '.join(found)}), needs at least 2"
        )


def _collection(
    path: Path | None, manifest: Manifest, held: HeldOut, cache: Path, workers: int | None
) -> Collection:
    may = np.flatnonzero(~held.of(manifest))
    if not len(may):
        where = path or "the collection"
        raise UserError(f"{where}: every clip is of the test part, so nothing is left to train on")
    return Collection(manifest, may, cache, workers)


def _write(out: Path, table: Table, work: _Work, judge: Judge) -> None:
    """results.json, table.json and table.csv."""
    before = out / "results.json"
    evaluations = read_results(before) if before.exists() else {}
    for row, seeds in work.scores.items():
        for seed, found in seeds.items():
            evaluations |= results(row, seed, found)
    write_results(out / "results.json", evaluations)
    split = "split" in judge.columns
    protocol = {
        **STATISTICS,
        "interval": f"percentiles {COVERAGE[0]} and {COVERAGE[1]}",
        "seeds": list(range(work.seeds)),
        "vector": judge.vector,
        "level": judge.level,
        "pretraining": (
            "without the test part of the labels" if split else "on all clips, without labels"
        ),
        "random": "weights before the first step of the first RECIPE's run of the same seed",
        "recipes": {
            row.name: str(row.file) if row.file else row.recipe.model_dump(mode="json")
            for row in work.rows
        },
    }
    write_json(out / "table.json", {"table": table, "protocol": protocol})
    write_csv(out / "table.csv", table)
