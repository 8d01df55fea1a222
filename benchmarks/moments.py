"""What search's settings give on a demo collection: weights, joining of neighbours, steps.

    python -m benchmarks.moments DEMO [--run RUN] [--window 1.5]

DEMO is what `triptych demo` left, RUN another run on its training videos. Each action's words are
looked for in the test videos, which training has not seen: in the clips that their captions cut, of
some of which the words are taken away, and in windows of a fixed length, as where no captions cut.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pyarrow as pa
from rich.console import Console
from sklearn.metrics import average_precision_score

from triptych.clips.files import FileClips
from triptych.demo.collection import Collection, Knobs, clip_labels
from triptych.embeddings.catalogue import Catalogue
from triptych.embeddings.embed import embed
from triptych.embeddings.model import Model
from triptych.embeddings.table import EmbeddingTable
from triptych.explore.comparison import Comparison, Query
from triptych.explore.moments import join, single
from triptych.explore.search import best
from triptych.explore.steps import Placement, place
from triptych.manifest.schema import SCHEMA, Manifest, clip_id
from triptych.verbs.render import table

TOP = 5
Segment = tuple[str, float, float]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("demo", type=Path)
    parser.add_argument("--run", type=Path)
    parser.add_argument("--window", type=float, default=1.5, help="seconds")
    given = parser.parse_args()
    console = Console(width=140)
    collection = Collection(given.demo / "collection", Knobs())
    clips = Manifest.read(given.demo / "test" / "manifest.parquet")
    model = Model.load(given.run or given.demo / "fit" / "run")
    asked = {action: model.embed_text(words) for words, action in collection.queries()}
    said = embed(clips, model, FileClips(clips))
    console.print(
        f"\nacross, and right of the first {TOP} / average precision",
        table(weights(collection, said, asked)),
    )
    cuts = cut(clips, given.window)
    windows = Catalogue.of(embed(cuts, model, FileClips(cuts)))
    console.print(
        "\nneighbours joined from this share on", table(shares(collection, windows, asked))
    )
    console.print("\nsteps of every test video", table(steps(collection, windows, asked)))


def cut(clips: Manifest, seconds: float) -> Manifest:
    """The same videos in windows, with what is said in the middle of each."""
    rows, made = clips.table.to_pylist(), []
    for path in sorted({row["path"] for row in rows}):
        own = [row for row in rows if row["path"] == path]
        for start in np.arange(0.0, max(row["end"] for row in own) - seconds, seconds).tolist():
            middle, end = start + seconds / 2, start + seconds
            text = " ".join(row["text"] for row in own if row["start"] <= middle < row["end"])
            ident = clip_id(path, start, end)
            times = {"clip_id": ident, "start": start, "end": end}
            made.append({**own[0], **times, "text": text, "has_text": bool(text)})
    return Manifest(clips.root, pa.Table.from_pylist(made, SCHEMA))


def weights(
    collection: Collection, said: EmbeddingTable, asked: dict[str, Query]
) -> list[dict[str, str]]:
    spans = (said.table[name].to_pylist() for name in ("path", "start", "end"))
    truth = np.array([row["action"] for row in clip_labels(collection, *spans)])
    rows = []
    for missing in (0.0, 0.3, 0.5, 0.8):
        row = {"clips without words": f"{missing:.0%}"}
        for across in (0.1, 0.25, 0.5, 1.0, 2.0):
            found = []
            for seed in range(3 if missing else 1):
                some = without_words(said, missing, seed)
                for action, query in asked.items():
                    comparison = Comparison.of(some, [query], across=across)
                    scores = comparison.exactly(np.arange(len(said)))[0]
                    right = truth == action
                    first = np.argsort(-scores, kind="stable")[:TOP]
                    found.append((right[first].mean(), average_precision_score(right, scores)))
            row[f"{across:g}"] = "{:.2f} / {:.2f}".format(*np.mean(found, axis=0))
        rows.append(row)
    return rows


def without_words(said: EmbeddingTable, share: float, seed: int) -> Catalogue:
    kept = np.random.default_rng(seed).random(len(said)) >= share
    found = said.table
    for name in ("vector_text", "shared_text"):
        lists = found[name].combine_chunks()
        values, present = said.vectors(name)
        mask = pa.array(~(present & kept))
        lists = pa.FixedSizeListArray.from_arrays(values.ravel(), values.shape[1], mask=mask)
        found = found.set_column(found.column_names.index(name), name, lists)
    return Catalogue.of(EmbeddingTable(said.root, found, said.info))


def segments(collection: Collection) -> dict[str, list[tuple[str, Segment]]]:
    """By video, in order: each action and where it is."""
    found: dict[str, list[tuple[str, Segment]]] = {}
    for row in collection.steps:
        if row["split"] == "test" and row["action"]:
            span = (row["path"], float(row["start"]), float(row["end"]))
            found.setdefault(row["path"], []).append((row["action"], span))
    return found


def overlap(a: Segment, b: Segment) -> float:
    """Intersection over union of two stretches of time."""
    if a[0] != b[0]:
        return 0.0
    inside = max(0.0, min(a[2], b[2]) - max(a[1], b[1]))
    return inside / (a[2] - a[1] + b[2] - b[1] - inside)


def shares(
    collection: Collection, windows: Catalogue, asked: dict[str, Query]
) -> list[dict[str, object]]:
    true: dict[str, list[Segment]] = {}
    for video in segments(collection).values():
        for action, span in video:
            true.setdefault(action, []).append(span)
    files, owners = windows.files, windows.values("path")
    starts, ends = windows.values("start"), windows.values("end")
    rows = []
    for share in (None, 0.95, 0.9, 0.8, 0.7, 0.5, 0.3):
        row: dict[str, object] = {"share": "not joined" if share is None else f"{share:g}"}
        for name, through in (("all", ()), ("video", ("video",)), ("audio", ("audio",))):
            found = []
            for action, query in asked.items():
                comparison = Comparison.of(windows, [query], through)
                ranked = best(comparison, 64)
                moments = (
                    single(windows, ranked, TOP)
                    if share is None
                    else join(
                        windows, ranked, lambda x, of=comparison: of.exactly(x)[0], TOP, share
                    )
                )
                left = list(true.get(action, []))
                for one in moments:
                    at = files[owners[one.best]], starts[one.rows].min(), ends[one.rows].max()
                    nearest = max(left, key=lambda span, at=at: overlap(span, at), default=None)
                    value = overlap(nearest, at) if nearest else 0.0
                    if value >= 0.5 and nearest:
                        left.remove(nearest)
                    found.append((value >= 0.5, value))
            row[name] = "{:.2f}, IoU {:.2f}".format(*np.mean(found, axis=0))
        rows.append(row)
    return rows


def steps(
    collection: Collection, windows: Catalogue, asked: dict[str, Query]
) -> list[dict[str, object]]:
    rows = []
    for through in ((), ("video",), ("audio",)):
        overlaps: list[float] = []
        ranks: list[int] = []
        for path, video in segments(collection).items():
            names = [action for action, _ in video]
            queries = [asked[name] for name in names]
            inside = place(windows, names, queries, through=through, within=path)[0]
            overlaps += [overlap(span, at(inside, i)) for i, (_, span) in enumerate(video)]
            found = place(windows, names, queries, len(windows.files), through=through)
            ranks.append(1 + [one.path for one in found].index(path))
        rows.append(
            {
                "through": " ".join(through) or "all",
                "IoU of the steps": f"{np.mean(overlaps):.2f}",
                "at 0.5 or more": f"{np.mean(np.array(overlaps) >= 0.5):.2f}",
                "own video first": f"{np.mean(np.array(ranks) == 1):.2f}",
                "median rank": f"{np.median(ranks):g} of {len(windows.files)}",
            }
        )
    return rows


def at(placed: Placement, step: int) -> Segment:
    """Where a step was put; nowhere is a stretch of no length."""
    one = placed.steps[step]
    return placed.path, one.start or 0.0, one.end or 0.0


if __name__ == "__main__":
    main()
