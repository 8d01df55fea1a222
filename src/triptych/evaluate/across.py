"""From an embedding table to figures of evaluations across modalities, and results.json."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from triptych import config
from triptych.embeddings.model import Model
from triptych.embeddings.table import EmbeddingTable
from triptych.errors import UsageError
from triptych.evaluate.joint import same_weights, worded
from triptych.evaluate.labels import describe, join, read_labels
from triptych.evaluate.localization import localize
from triptych.evaluate.placing import Localization
from triptych.evaluate.results import Row, add_result, read_results
from triptych.evaluate.retrieval import Retrieval, retrieve
from triptych.evaluate.steps import read_steps
from triptych.evaluate.tally import Found
from triptych.progress import say

ACROSS: dict[str, type[Retrieval] | type[Localization]] = {
    "retrieval": Retrieval,
    "localization": Localization,
}


def evaluate_across(
    embeddings: Path,
    file: Path | None,
    *,
    what: str,
    settings: Sequence[str] = (),
    run: Path | None = None,
    target: str | None = None,
    seed: int = 0,
    out: Path | None = None,
) -> list[Row]:
    """Retrieval, with ``file`` of labels or none, or localization, with ``file`` of steps.

    ``settings`` are ``key=value`` of `Retrieval` or `Localization`; ``run`` is the run, or
    checkpoint, whose words ask. Adds to the results file ``out`` where given. Each row is flat:
    row, probe, vector, target, level, metric, value, low, high, n, chance, seeds.
    """
    protocol = config.override(ACROSS[what](), settings)
    if out is not None and out.exists():
        read_results(out)  # refused now, not after the work
    table = EmbeddingTable.read(embeddings)
    model = None
    if run is not None:
        model = Model.load(run)
        same_weights(table, model)
    if isinstance(protocol, Retrieval):
        found, place = _retrieval(table, file, target, protocol, model)
    else:
        found, place = _localization(table, file, target, protocol, model)
    row = str(table.info.get("method") or embeddings.stem)
    probe = " ".join([what, *settings])  # two protocols are two evaluations
    rows = rows_of(found, {"row": row, "probe": probe, **place}, seed)
    if out is not None:
        about = {
            "embeddings": embeddings.name,
            "checkpoint": table.info.get("checkpoint"),
            "manifest": table.info.get("manifest"),
            "file": file and file.name,
            "seeds": [seed],
        }
        name = "/".join((row, probe, *place.values()))
        add_result(out, name, rows, {**place, **about, **found.protocol})
    return rows


def rows_of(found: Found, place: dict[str, str], seed: int) -> list[Row]:
    """A row for each measure, with what chance gives beside it."""
    return [
        {**place, **tally.measure(seed)._asdict(), "chance": found.chance[tally.metric], "seeds": 1}
        for tally in found.tallies
    ]


def place_of(settings: dict[str, Any], target: str) -> dict[str, str]:
    """What the figures are of, as rows say it: which modalities ask, and which are looked at."""
    asks = "+".join(settings.get("query", ("text",)))
    if settings.get("right", "words") == "words":
        asks = "words"
    vector = f"{asks} to {'+'.join(settings['through'])}"
    return {"vector": vector, "target": target, "level": "clip"}


def _retrieval(
    table: EmbeddingTable,
    file: Path | None,
    target: str | None,
    settings: Retrieval,
    model: Model | None,
) -> tuple[Found, dict[str, str]]:
    if file is None:
        if settings.right != "clip":
            raise UsageError(f"right={settings.right}: needs a labels file after the embeddings")
        found = retrieve(table, settings)
        return found, place_of(found.protocol, "clip")
    labels = read_labels(file, target)
    joined = join(labels, list(table.column("clip_id")), list(table.column("path")), table.root)
    for line in describe(labels, joined):
        say(line)
    words = {}
    if settings.right == "words":
        words = worded(_needed(model, "right=words"), map(str, joined.labels))
    found = retrieve(table, settings, joined=joined, words=words)
    return found, place_of(found.protocol, "clip" if settings.right == "clip" else labels.target)


def _localization(
    table: EmbeddingTable,
    file: Path | None,
    target: str | None,
    settings: Localization,
    model: Model | None,
) -> tuple[Found, dict[str, str]]:
    if file is None:
        raise UsageError("localization: needs a CSV of steps after the embeddings")
    videos, split = read_steps(file, target)
    if split:
        say(f"{file}: has a column split; {len(videos)} files of its test part are evaluated")
    words = worded(
        _needed(model, "localization"), (word for video in videos for word in video.words)
    )
    found = localize(table, videos, words, settings)
    for key, what in (
        ("n_files_not_in_the_embeddings", "files with steps are not in the embeddings"),
        ("n_steps_unknown_to_the_model", "steps have no word that the model knows"),
    ):
        if found.protocol[key]:
            say(f"{file}: {found.protocol[key]} {what}")
    return found, place_of(found.protocol, "steps")


def _needed(model: Model | None, what: str) -> Model:
    if model is None:
        raise UsageError(f"{what}: needs --run RUN, whose model turns words into vectors")
    return model
