"""Random, SDC and XDC on real clips: linear probe and kNN over given folds, several seeds.

    python -m benchmarks.real_data fight FOLDER --out WORK [--seeds 3] [KEY=VALUE ...]
    python -m benchmarks.real_data esc10 FOLDER --out WORK [--seeds 3] [KEY=VALUE ...]

FOLDER is the data set's. A figure is the mean over seeds; its interval is a bootstrap over groups
of each example's share of right answers over the seeds, so it holds the test sample's spread and
not the seeds'; the seeds' own figures stand beside it. Without epochs=N the schedule is what `fit`
takes when it has time. Runs that are there already are kept.
"""

from __future__ import annotations

import argparse
import csv
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from rich.console import Console
from sklearn.metrics import adjusted_mutual_info_score

from triptych import config
from triptych.atomic import whole_file, write_json
from triptych.clips.dataset import ClipSource
from triptych.embeddings.embed import embed
from triptych.embeddings.model import Model
from triptych.evaluate import bootstrap
from triptych.evaluate.evaluate import examples
from triptych.evaluate.knn import NearestNeighbours
from triptych.evaluate.labels import LabelFile, join, read_labels
from triptych.evaluate.linear_probe import LinearProbe
from triptych.manifest.scan import scan
from triptych.manifest.schema import Manifest
from triptych.recipes.background import choose_background
from triptych.recipes.plan import Pace, choose, complete, names
from triptych.training.pretrain import pretrain
from triptych.training.source import open_source
from triptych.verbs.render import table

THREADS = 2  # bits depend on it


@dataclass(frozen=True)
class Task:
    media: str
    vector: str
    methods: dict[str, list[str]]  # row -> overrides


TASKS = {
    "fight": Task(
        "videos",
        "vector_video",
        {
            "sdc": ["method=sdc", "modalities=video"],
            "xdc": ["method=xdc", "modalities=video,audio"],
        },
    ),
    "esc10": Task("audio", "vector_audio", {"sdc": ["method=sdc", "modalities=audio"]}),
}


def labels_of(name: str, folder: Path, out: Path) -> Path:
    """The labels as a CSV of path, label, fold, group; paths relative to the media folder."""
    source = folder / ("splits.csv" if name == "fight" else "meta/esc10.csv")
    with source.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    if name == "fight":
        kept = [
            (row["file"].removeprefix("videos/"), row["label"], row["fold"], row["group"])
            for row in rows
        ]
    else:
        kept = [
            (row["filename"].replace(".wav", ".ogg"), row["category"], row["fold"], row["src_file"])
            for row in rows
        ]
    path = out / "labels.csv"
    with whole_file(path) as beside, beside.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("path", "label", "fold", "group"), *kept])
    return path


def run(
    method: list[str], seed: int, manifest: Manifest, source: ClipSource, out: Path, more: list[str]
) -> Path:
    """The run's folder, trained if it is not there."""
    recipe, _ = choose(manifest, [*method, f"seed={seed}", *more])
    if not names(more, "clip.background"):
        recipe, _ = choose_background(manifest, source, recipe)
    recipe = complete(len(manifest), recipe, Pace(1.0, 1.0, THREADS), None, more)
    if not (out / "done.json").exists():
        done = pretrain(manifest, recipe, out, source, resume=True)
        write_json(out / "done.json", {"epochs": done.epochs, "sha256": done.sha256})
    return out


def what_clusters_hold(
    out: Path, task: Task, manifest: Manifest, labels: LabelFile
) -> list[dict[str, str]]:
    """AMI of every run's last clusters with the labels and with the groups, one figure a seed."""
    ids, paths = manifest.column("clip_id"), manifest.column("path")
    joined = join(labels, list(ids), list(paths), manifest.root)
    found: dict[tuple[str, str], dict[str, list[str]]] = {}
    for row in task.methods:
        for run in sorted(out.glob(f"{row}_*")):
            last = pq.read_table(max((run / "assignments").glob("*.parquet")))
            for name in last.column_names[1:]:
                clusters = last[name].to_numpy()[joined.rows]
                known = clusters >= 0
                agreement = found.setdefault((row, name), {"labels": [], "groups": []})
                for truth in ("labels", "groups"):
                    score = adjusted_mutual_info_score(
                        getattr(joined, truth)[known], clusters[known]
                    )
                    agreement[truth].append(f"{score:.3f}")
    return [
        {"row": row, "clusters of": name}
        | {f"AMI with {truth}": " ".join(scores) for truth, scores in agreement.items()}
        for (row, name), agreement in found.items()
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("task", choices=TASKS)
    parser.add_argument("folder", type=Path)
    parser.add_argument("overrides", nargs="*")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first-seed", type=int, default=0)
    given = parser.parse_intermixed_args()
    task = TASKS[given.task]
    given.out.mkdir(parents=True, exist_ok=True)
    manifest = scan(given.folder / task.media, given.out).manifest
    recipe, _ = choose(manifest, given.overrides)
    source = open_source(manifest, recipe.clip, given.out / "cache")
    labels = read_labels(labels_of(given.task, given.folder, given.out), "label")
    right: dict[tuple[str, str], list[np.ndarray]] = {}
    groups = np.array([])
    for seed in range(given.first_seed, given.first_seed + given.seeds):
        checkpoints = {}
        for row, method in task.methods.items():
            folder = given.out / f"{row}_{seed}"
            run(method, seed, manifest, source, folder, given.overrides)
            checkpoints.setdefault("random", folder / "checkpoints" / "initial.safetensors")
            checkpoints[row] = folder
        for row, checkpoint in checkpoints.items():
            embedded = embed(manifest, Model.load(checkpoint), source)
            ids, paths = embedded.column("clip_id"), embedded.column("path")
            joined = join(labels, list(ids), list(paths), embedded.root)
            asked = examples(embedded, joined, task.vector, "video")
            groups = asked.groups
            for probe in (LinearProbe(), NearestNeighbours()):
                outcome = probe(asked, seed)
                hit = (outcome.predictions == asked.labels).astype(float)
                right.setdefault((row, probe.name), []).append(hit)
    rows = []
    for (row, probe), hits in right.items():
        mean = np.mean(hits, axis=0)
        gain = bootstrap.paired_difference(mean, np.mean(right["random", probe], axis=0), groups, 0)
        value, low, high = bootstrap.share(mean, groups, 0)
        rows.append(
            {
                "row": row,
                "probe": probe,
                "value": value,
                "low": low,
                "high": high,
                "seeds": " ".join(f"{hit.mean():.3f}" for hit in hits),
                "over random": ""
                if row == "random"
                else f"{gain.value:+.3f} [{gain.low:+.3f} {gain.high:+.3f}]",
            }
        )
    write_json(given.out / "table.json", rows)
    shown = [
        {
            "row": row["row"],
            "probe": row["probe"],
            "accuracy [95 %]": f"{row['value']:.3f} [{row['low']:.3f} {row['high']:.3f}]",
            "of each seed": row["seeds"],
            "over random [95 %]": row["over random"],
        }
        for row in rows
    ]
    Console(width=140).print(table(shown))
    Console(width=140).print(table(what_clusters_hold(given.out, task, manifest, labels)))
    print(json.dumps({"recipe": config.override(recipe, []).model_dump(mode="json")}))


if __name__ == "__main__":
    main()
