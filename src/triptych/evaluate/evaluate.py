"""From an embedding table and a labels file to rows with intervals, and results.json."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from triptych.errors import UsageError, UserError
from triptych.evaluate.clusters import compare
from triptych.evaluate.described import Described, Table, read
from triptych.evaluate.evaluator import Evaluator, Examples, Outcome
from triptych.evaluate.few_shot import FewShot
from triptych.evaluate.folds import Strings
from triptych.evaluate.knn import NearestNeighbours
from triptych.evaluate.labels import Joined, LabelFile, describe, join, read_labels
from triptych.evaluate.linear_probe import LinearProbe
from triptych.evaluate.results import Row, add_result, read_results
from triptych.progress import say

NAMED = 3  # classes that a remark names
SHOTS = (1, 5, 10, 20)
PROBES: dict[str, Evaluator] = {
    "knn": NearestNeighbours(),
    "linear": LinearProbe(),
    **{f"{shots}-shot": FewShot(shots) for shots in SHOTS},
}
CHOICES = ", ".join((*PROBES, "clusters", "retrieval", "localization"))
LEVELS = ("video", "clip")


def evaluate(
    embeddings: Path,
    labels: Path,
    *,
    what: str,
    manifest: Path | None = None,
    vector: str | None = None,
    target: str | None = None,
    level: str = "video",
    seed: int = 0,
    out: Path | None = None,
) -> list[Row]:
    """Score ``vector`` by ``what``, a name of PROBES or "clusters", against a column of ``labels``.

    ``embeddings`` may be a file of descriptors too, of which ``manifest`` names the clips. At level
    "video" the vectors of a file's clips are averaged first; clusters are always compared clip by
    clip. Adds to the results file ``out`` where given. Each row is flat: row, probe, vector,
    target, level, metric, value, low, high, seeds, n.
    """
    if what not in {*PROBES, "clusters"}:
        raise UsageError(f"evaluate: {what!r} is not known; choose one of {CHOICES}")
    if level not in LEVELS:
        raise UsageError(f"evaluate: level {level!r} is not known; choose video or clip")
    if out is not None and out.exists():
        read_results(out)  # refused now, not after the work
    table, vector = read(embeddings, vector, level, manifest)
    file = read_labels(labels, target)
    described = isinstance(table, Described)
    if described:
        _refuse_clips(embeddings, file, what, known=manifest is not None)
    joined = join(file, list(table.column("clip_id")), list(table.column("path")), table.root)
    for line in describe(file, joined, f"in the {'descriptors' if described else 'embeddings'}"):
        say(line)
    if what == "clusters":
        vector, level = "cluster", "clip"
        clusters = table.column("cluster")[joined.rows].astype(np.int64)
        outcome = compare(clusters, joined.labels, joined.groups, seed)
    else:
        outcome = PROBES[what](examples(table, joined, vector, level), seed)
    for line in remarks(outcome):
        say(line)
    place = {"vector": vector, "target": file.target, "level": level}
    rows = _rows(outcome, {"row": _name(table, embeddings), "probe": what, **place})
    if out is not None:
        protocol = provenance(table, file, joined, embeddings, seed)
        name = "/".join((rows[0]["row"], what, *place.values()))
        add_result(out, name, rows, {**place, **protocol, **outcome.protocol})
    return rows


def _refuse_clips(file: Path, labels: LabelFile, what: str, *, known: bool) -> None:
    """Raise UserError where what only embeddings have is asked of descriptors."""
    if labels.by_clip and not known:
        raise UserError(
            f"{labels.name}: goes by clip_id, which {file} does not have; name the clips with "
            "--manifest, or label by path"
        )
    if what == "clusters":
        raise UsageError(
            f"clusters: {file} holds descriptors and no clusters; `triptych compare --descriptor "
            "--evaluate clusters` makes some"
        )


def examples(table: Table, joined: Joined, vector: str, level: str) -> Examples:
    """The labelled clips, or videos, with their features of column ``vector``."""
    vectors, present = table.vectors(vector)
    vectors, present = vectors[joined.rows], present[joined.rows]
    if level == "clip":
        names = table.column("clip_id")[joined.rows].astype(str)
        return Examples(
            vectors, present, joined.labels, joined.groups, joined.folds, joined.split, names
        )
    paths = table.column("path")[joined.rows].astype(str)
    names, first, video = np.unique(paths, return_index=True, return_inverse=True)
    for column, what in (
        (joined.labels, "label"),
        (joined.groups, "group"),
        (joined.folds, "fold"),
        (joined.split, "split"),
    ):
        if column is not None:
            _refuse_mixed(column, first, video, names, what)
    # The mean over the clips that have the vector; in float64 so that their order does not show.
    sums = np.zeros((len(names), vectors.shape[1]))
    np.add.at(sums, video[present], vectors[present])
    counts = np.bincount(video[present], minlength=len(names))
    return Examples(
        (sums / np.maximum(counts, 1)[:, None]).astype(np.float32),
        counts > 0,
        joined.labels[first],
        joined.groups[first],
        None if joined.folds is None else joined.folds[first],
        None if joined.split is None else joined.split[first],
        names,
    )


def _refuse_mixed(column: Strings, first: Any, video: Any, names: Strings, what: str) -> None:
    mixed = np.unique(video[column != column[first][video]])
    if len(mixed):
        raise UserError(
            f"labels: the clips of {len(mixed)} files differ in their {what}, first those of "
            f"{str(names[mixed[0]])!r}, so the file as a whole has none; evaluate at level clip"
        )


def _rows(outcome: Outcome, place: dict[str, str]) -> list[Row]:
    return [{**place, **measure._asdict(), "seeds": 1} for measure in outcome.measures]


def _name(table: Table, embeddings: Path) -> str:
    return str(table.info.get("method") or embeddings.stem)


def remarks(outcome: Outcome) -> list[str]:
    """What of an outcome a reader should know, a line each."""
    lines = []
    protocol = outcome.protocol
    if protocol.get("groups_in_both_training_and_test"):
        lines.append(
            f"labels: {protocol['groups_in_both_training_and_test']} groups are in both training "
            "and test, so the score may owe something to having seen the source"
        )
    unseen = sum(fold["n_test_of_classes_not_in_training"] for fold in protocol.get("per_fold", []))
    if unseen:
        lines.append(
            f"labels: {unseen} test examples are of classes that their training part does not "
            "have; they count as wrong"
        )
    if fewer := protocol.get("classes_with_fewer_examples"):
        lines.append(
            f"evaluate: classes with fewer than {protocol['shots']} examples in a training part "
            f"give all they have: {', '.join(map(repr, fewer[:NAMED]))}"
            + (f" and {len(fewer) - NAMED} more" if len(fewer) > NAMED else "")
        )
    for key, lack in (("n_without_vector", "vector"), ("n_without_cluster", "cluster")):
        if protocol.get(key):
            lines.append(
                f"evaluate: {protocol[key]} labelled examples have no such {lack}; scores are over "
                "the others"
            )
    return lines


def provenance(
    table: Table, file: LabelFile, joined: Joined, embeddings: Path, seed: int
) -> dict[str, Any]:
    """What was scored against which labels, for the protocol of an evaluation."""
    made = {key: table.info[key] for key in ("descriptors",) if key in table.info}
    return {
        **made,
        "embeddings": embeddings.name,
        "checkpoint": table.info.get("checkpoint"),
        "manifest": table.info.get("manifest"),
        "labels": Path(file.name).name,
        "video_features": table.info.get("video_features", "mean of the file's clips"),
        "n_clips_labelled": len(joined.rows),
        "n_clips_without_label": joined.unlabelled,
        "n_labels_without_clip": len(joined.unknown),
        "n_rows_with_empty_label": file.blank,
        "group": "column group" if "group" in file.columns else "path",
        "seeds": [seed],
    }
