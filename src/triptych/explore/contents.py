"""What a work folder holds for the report; a part that is missing says so in a sentence."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from triptych.embeddings.clusters import Clusters
from triptych.embeddings.table import EmbeddingTable
from triptych.errors import UserError
from triptych.manifest.problems import KINDS, Problem, read_problems
from triptych.manifest.schema import MODALITIES, Manifest

Part = TypeVar("Part")

ROWS_PER_KIND = 200
LOST = {"unreadable", "not-media", "zero-length", "crashed", "timeout"}
PARTLY = {"damaged", "cut-short"}
SAYS = {
    "unreadable": "could not be opened",
    "not-media": "are neither video nor sound",
    "zero-length": "hold nothing",
    "damaged": "decode only in part",
    "cut-short": "end before their header says",
    "crashed": "brought the decoder down",
    "timeout": "took the decoder too long",
    "no-audio": "have no sound",
    "silent": "have a soundtrack of silence",
    "no-video": "are sound only",
    "variable-rate": "have uneven frame times",
    "captions": "have captions that needed care",
}
FIRST = {  # the same of one file
    "are": "is",
    "have": "has",
    "hold": "holds",
    "decode": "decodes",
    "end": "ends",
}


@dataclass(frozen=True)
class Contents:
    """The parts that were found; ``lacks`` says of each missing one why, by its name."""

    work: Path
    manifest: Manifest | None
    problems: list[Problem] | None
    facts: dict[str, Any]  # fit.json
    metrics: list[dict[str, Any]]
    embeddings: EmbeddingTable | None
    clusters: Clusters | None
    lacks: dict[str, str]

    @classmethod
    def read(cls, work: Path) -> Contents:
        """Read what is there. Raises UserError where nothing is."""
        lacks: dict[str, str] = {}
        manifest = _try(lacks, "manifest", lambda: Manifest.read(work / "manifest.parquet"))
        embeddings = _try(
            lacks, "embeddings", lambda: EmbeddingTable.read(work / "embeddings.parquet")
        )
        clusters = _try(lacks, "clusters", lambda: Clusters.read(work / "clusters.parquet"))
        if clusters and not (embeddings and clusters.describe(embeddings)):
            lacks["clusters"] = (
                "these clusters are of other embeddings than those here; "
                "run `triptych cluster` again"
            )
            clusters = None
        path = work / "problems.parquet"
        problems = read_problems(path) if path.is_file() else None
        metrics = read_metrics(work / "run" / "metrics.jsonl")
        if manifest is None and embeddings is None and problems is None and not metrics:
            raise UserError(
                f"{work}: nothing to report on, neither manifest nor embeddings; "
                "make them with `triptych fit`"
            )
        facts = _read_json(work / "fit.json")
        return cls(work, manifest, problems, facts, metrics, embeddings, clusters, lacks)

    @property
    def root(self) -> Path:
        """The folder of the videos."""
        known = self.embeddings or self.manifest
        return known.root if known else self.work

    def totals(self) -> dict[str, Any]:
        """Clips, files, seconds and clips per modality of the collection."""
        known = self.manifest or self.embeddings
        if known is None:
            return {}
        return {
            "clips": len(known),
            "files": len(set(known.column("path"))),
            "seconds": float((known.column("end") - known.column("start")).sum()),
            "has": {name: int(known.column(f"has_{name}").sum()) for name in MODALITIES},
        }

    def read_and_not(self) -> list[dict[str, Any]]:
        """Problems by kind, gravest first: kind, grade, sentence, count, rows, how many more."""
        by_kind = Counter(problem.kind for problem in self.problems or ())
        return [
            {
                "kind": kind,
                "grade": "lost" if kind in LOST else "partly" if kind in PARTLY else "remark",
                "says": _says(kind, by_kind[kind]),
                "rows": [p for p in self.problems or () if p.kind == kind][:ROWS_PER_KIND],
                "more": max(0, by_kind[kind] - ROWS_PER_KIND),
            }
            for kind in KINDS
            if by_kind[kind]
        ]


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """The rows of metrics.jsonl, without a last line that a kill cut short."""
    rows: list[dict[str, Any]] = []
    if path.is_file():
        for line in path.read_text(encoding="utf-8").splitlines():
            try:
                rows.append(json.loads(line))
            except json.JSONDecodeError:
                break
    return rows


def recipe_lines(recipe: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """A recipe as (key, value) with dotted keys, as ``key=value`` would set them."""
    lines: list[tuple[str, str]] = []
    for key, value in recipe.items():
        if isinstance(value, Mapping):
            lines += recipe_lines(value, f"{prefix}{key}.")
        else:
            shown = ",".join(map(str, value)) if isinstance(value, list) else json.dumps(value)
            lines.append((prefix + key, shown.strip('"')))
    return lines


def _try(lacks: dict[str, str], name: str, read: Callable[[], Part]) -> Part | None:
    try:
        return read()
    except UserError as error:
        lacks[name] = str(error)
        return None


def _read_json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, json.JSONDecodeError):
        return {}
    return value if isinstance(value, dict) else {}


def _says(kind: str, count: int) -> str:
    words = SAYS[kind]
    if count > 1:
        return f"{count:,} files {words}"
    first, _, rest = words.partition(" ")
    return f"1 file {FIRST.get(first, first)} {rest}"
