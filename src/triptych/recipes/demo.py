"""``demo``: the narrated demo collection, fitted, and compared with no training and with labels."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pydantic import TypeAdapter, ValidationError

from triptych import config
from triptych.clips.dataset import ClipSource
from triptych.demo.collection import Collection, clip_labels, make_collection, write_clip_labels
from triptych.demo.knobs import Knobs
from triptych.embeddings.embed import embed
from triptych.embeddings.model import Model
from triptych.embeddings.table import EmbeddingTable
from triptych.errors import UsageError, UserError
from triptych.evaluate.clusters import cluster_features, compare
from triptych.evaluate.evaluate import evaluate
from triptych.evaluate.supervised import train_supervised
from triptych.explore.search import search
from triptych.manifest.problems import write_problems
from triptych.manifest.scan import scan
from triptych.manifest.schema import Manifest
from triptych.progress import say
from triptych.recipes.fit import Clock, fit_manifest
from triptych.recipes.plan import choose, complete, measure_pace
from triptych.training.pretrain import pretrain
from triptych.training.recipe import Recipe
from triptych.training.source import open_source

SHORTEST_CLIP = 2.0  # seconds: a caption of the demo is one step
TARGETS = ("action", "task", "motion")
SHOWN = "stir the pot"
MINUTES_BESIDE = 0.7  # that a fit takes for cache, pace, embeddings, clusters and report
TOP = 5
Row = dict[str, Any]


@dataclass(frozen=True)
class Part:
    """The training or the test videos: their clips, and where to read them."""

    manifest: Manifest
    source: ClipSource
    labels: list[dict[str, str]]

    def column(self, name: str) -> npt.NDArray[np.object_]:
        """One column of the ground truth, (clips,), "" where a clip meets no step."""
        return np.array([row[name] for row in self.labels], object)


def demo(
    out: Path,
    *,
    seed: int = 0,
    minutes: float = 1.2,
    overrides: Sequence[str] = (),
    workers: int | None = None,
) -> dict[str, Any]:
    """Make the collection, fit it, and print the comparison; returns what ``--json`` prints.

    Nothing is trained on a test video, and training and test videos share no scene. ``minutes``
    is the time of each training; ``overrides`` are knobs of the collection.
    """
    if not 0 < minutes < float("inf"):
        raise UsageError(f"minutes={minutes:g}: must be a number above 0")
    if (out / "table.json").exists() or (out / "fit" / "run").exists():
        raise UserError(f"{out}: holds a demo already; name another folder or remove it")
    began = time.monotonic()
    collection = make_collection(out / "collection", _knobs(overrides, seed), workers=workers)
    say(f"demo: collection made in {time.monotonic() - began:.0f} s")
    read = scan(collection.videos, out, min_caption=SHORTEST_CLIP, workers=workers)
    scanned = read.manifest
    truth = out / "clip_labels.csv"
    ids, spans = scanned.table["clip_id"].to_pylist(), _spans(scanned)
    write_clip_labels(collection, truth, ids, *spans)
    train = _part(collection, scanned, "train", out / "fit", workers)
    files = set(train.manifest.column("path"))
    remarks = [problem for problem in read.problems if problem.path in files]
    write_problems(out / "fit" / "problems.parquet", remarks)
    test = _part(collection, scanned, "test", out / "test", workers)
    checkpoints, fitted = _train_all(train, out, seed, minutes, workers)
    say(f"demo: embedding and scoring {', '.join(checkpoints)}")
    rows: list[Row] = []
    for name, checkpoint in checkpoints.items():
        table = _embed(name, checkpoint, train, test)
        table.write(out / f"embeddings_{name}.parquet")
        rows += _score(name, out / f"embeddings_{name}.parquet", truth, train, test, seed)
    hits, found = _search(checkpoints["xdc"], collection, test)
    return {
        "table": rows,
        "query": SHOWN,
        "hits": hits,
        "search": found,
        "seconds": round(time.monotonic() - began, 1),
        "training": _how_far(fitted, out),
        "report": fitted["report"],
        "next": f'open the report in a browser; triptych search {out}/fit "{SHOWN}"',
    }


def _how_far(fitted: dict[str, Any], out: Path) -> str:
    """Whether the figures are of the whole schedule, which a busy machine does not get through."""
    planned = config.load(Recipe, out / "fit" / "run" / "recipe.json").epochs
    if fitted["finished"]:
        return f"all {planned} epochs"
    return (
        f"cut by the clock after {fitted['epochs']} of {planned} epochs, so figures are below "
        "those of a free machine (docs/results.md); --minutes gives more time"
    )


def _knobs(pairs: Sequence[str], seed: int) -> Knobs:
    names = [field.name for field in fields(Knobs)]
    values: dict[str, str | int] = {"seed": seed}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or name not in names:
            raise UsageError(f"{pair!r}: expected KNOB=VALUE; knobs are {', '.join(names)}")
        values[name] = value
    try:
        return TypeAdapter(Knobs).validate_python(values)
    except ValidationError as error:
        first = error.errors()[0]
        raise UsageError(f"{first['loc'][0]}={first['input']!r}: {first['msg']}") from None


def _part(
    collection: Collection, scanned: Manifest, split: str, folder: Path, workers: int | None
) -> Part:
    labels = clip_labels(collection, *_spans(scanned))
    rows = np.array([i for i, row in enumerate(labels) if row["split"] == split])
    manifest = scanned.select(rows)
    manifest.write(folder / "manifest.parquet")
    source = open_source(manifest, Recipe().clip, folder / "cache", workers=workers)
    return Part(manifest, source, [labels[i] for i in rows])


def _spans(manifest: Manifest) -> tuple[list[str], list[float], list[float]]:
    """Path, start and end of every clip."""
    table = manifest.table
    return table["path"].to_pylist(), table["start"].to_pylist(), table["end"].to_pylist()


def _train_all(
    train: Part, out: Path, seed: int, minutes: float, workers: int | None
) -> tuple[dict[str, Path], dict[str, Any]]:
    """The checkpoint of every row of the table, and what the fit returned."""
    say("demo: xdc, by `fit`")
    clock = Clock.start(minutes + MINUTES_BESIDE)
    fitted = fit_manifest(
        train.manifest, out / "fit", clock, overrides=[f"seed={seed}"], workers=workers
    )
    recipe, _ = choose(train.manifest, ["method=sdc", "modalities=video", f"seed={seed}"])
    pace = measure_pace(train.manifest, recipe)
    for name in ("sdc", "supervised"):
        say(f"demo: {name}")
        deadline = time.monotonic() + minutes * 60
        chosen = complete(len(train.manifest), recipe, pace, minutes * 60, ())
        if name == "sdc":
            pretrain(train.manifest, chosen, out / name, train.source, deadline=deadline)
        else:
            labels = train.column("action")
            train_supervised(
                train.manifest, labels, chosen, out / name, train.source, deadline=deadline
            )
    folders = {"xdc": out / "fit" / "run", "sdc": out / "sdc", "supervised": out / "supervised"}
    checkpoints = {"random": folders["xdc"] / "checkpoints" / "initial.safetensors"}
    return checkpoints | folders, fitted


def _embed(name: str, checkpoint: Path, train: Part, test: Part) -> EmbeddingTable:
    model = Model.load(checkpoint)
    tables = [embed(part.manifest, model, part.source) for part in (train, test)]
    clips = pa.concat_tables([table.table for table in tables])
    # By the row's name, by which results.json keeps them apart.
    return EmbeddingTable(tables[0].root, clips, {**tables[0].info, "method": name})


def _score(
    name: str, embeddings: Path, truth: Path, train: Part, test: Part, seed: int
) -> list[Row]:
    rows = []
    for what in ("knn", "linear"):
        for target in TARGETS:
            found = evaluate(
                embeddings, truth, what=what, target=target, level="clip", seed=seed,
                out=embeddings.with_name("results.json"),
            )  # fmt: skip
            rows += [_row(name, what, target, row) for row in found if row["metric"] == "accuracy"]
    vectors, present = EmbeddingTable.read(embeddings).vectors("vector_video")
    labels = np.concatenate([train.column("action"), test.column("action")])
    groups = np.concatenate([train.manifest.column("path"), test.manifest.column("path")])
    kept = np.flatnonzero(present & (labels != ""))
    actions = len(set(labels[kept]))
    clusters = cluster_features(vectors[kept], actions, seed)
    outcome = compare(clusters, labels[kept].astype(str), groups[kept].astype(str), seed)
    measured = next(item for item in outcome.measures if item.metric == "nmi")
    return [*rows, _row(name, "clusters (NMI)", "action", measured._asdict())]


def _row(name: str, probe: str, target: str, measured: Row) -> Row:
    kept = {key: round(float(measured[key]), 4) for key in ("value", "low", "high")}
    return {"row": name, "probe": probe, "target": target, **kept, "seeds": 1}


def _search(run: Path, collection: Collection, test: Part) -> tuple[list[Row], list[Row]]:
    """The hits for one step, and how often the first hits of every step's words are right."""
    model = Model.load(run)
    table = embed(test.manifest, model, test.source)
    truth = dict(zip(test.manifest.column("clip_id"), test.labels, strict=True))
    shown: list[Row] = []
    right: dict[str, list[float]] = {"video": [], "audio": [], "all": []}
    for words, action in collection.queries():
        try:
            query = model.embed_text(words)
        except UserError:  # words that no caption of the training part had: nothing is found
            for shares in right.values():
                shares.append(0.0)
            continue
        for by, shares in right.items():
            hits = search(table, query, TOP, through=() if by == "all" else (by,))
            good = [truth[hit.clip_id]["action"] == action for hit in hits]
            shares.append(float(np.mean(good)))
            if words == SHOWN and by == "video":
                shown = [
                    {**hit.row(), "is": truth[hit.clip_id]["action"], "right": ok}
                    for hit, ok in zip(hits, good, strict=True)
                ]
    share = [np.mean(test.column("action") == action) for _, action in collection.queries()]
    names = {"video": "what is seen", "audio": "what is heard", "all": "seen, heard and said"}
    return shown, [
        {
            "search by words in": names[by],
            f"right of the first {TOP}": round(float(np.mean(shares)), 4),
            "by chance": round(float(np.mean(share)), 4),
            "queries": len(shares),
        }
        for by, shares in right.items()
    ]
