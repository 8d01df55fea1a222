"""Evaluations across modalities in a comparison: retrieval, localization; checked before runs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from triptych import config
from triptych.atomic import write_table
from triptych.embeddings.model import Model
from triptych.embeddings.table import EmbeddingTable
from triptych.errors import UsageError
from triptych.evaluate.across import ACROSS, place_of, rows_of
from triptych.evaluate.joint import Floats, NoSpace, worded
from triptych.evaluate.labels import Joined
from triptych.evaluate.localization import localize
from triptych.evaluate.placing import Localization
from triptych.evaluate.results import Row
from triptych.evaluate.retrieval import Retrieval, retrieve
from triptych.evaluate.steps import Steps, located, read_steps
from triptych.evaluate.tally import Found, Tally
from triptych.manifest.schema import MODALITIES, Manifest

META = b"triptych.tallies"
FILES = ("steps", "clips", "words")  # what an evaluator may name beside its protocol
SHOWN = {
    "retrieval": ("R@1", "R@5", "R@10", "median rank", "mAP"),
    "localization": ("recall", "IoD", "IoU", "frames"),
}
COLUMNS = ("names", "groups", "weights", "classes")


@dataclass(frozen=True)
class Tallied:
    """One evaluation of one run; where its modalities share no space ``lacks`` says so."""

    tallies: list[Tally]
    chance: dict[str, float]
    rows: list[Row]  # of results.json
    protocol: dict[str, Any]
    lacks: str = ""

    def write(self, path: Path, key: dict[str, Any]) -> None:
        """Write as Parquet, a row for each example of each measure; ``key`` says what it is of."""
        columns: dict[str, list[Any]] = {name: [] for name in ("metric", "value", *COLUMNS)}
        for tally in self.tallies:
            columns["metric"] += [tally.metric] * len(tally.names)
            columns["value"] += tally.values[:, 0].tolist()
            for name in COLUMNS:
                found = getattr(tally, name)
                columns[name] += [None] * len(tally.names) if found is None else found.tolist()
        kinds = {"value": pa.float64(), "weights": pa.float64()}
        table = pa.table(
            {name: pa.array(column, kinds.get(name, pa.string()))
             for name, column in columns.items()}
        )  # fmt: skip
        about = {
            "key": key, "chance": self.chance, "rows": self.rows, "protocol": self.protocol,
            "lacks": self.lacks,
            "medians": [one.metric for one in self.tallies if one.statistic == "median"],
        }  # fmt: skip
        write_table(path, table.replace_schema_metadata({META: json.dumps(about)}))

    @classmethod
    def read(cls, path: Path, key: dict[str, Any]) -> Tallied | None:
        """What ``write`` wrote for the same ``key``; None where there is nothing of it."""
        if not path.is_file():
            return None
        try:
            table = pq.read_table(path)
            about = json.loads((table.schema.metadata or {})[META])
        except (pa.ArrowInvalid, OSError, KeyError, ValueError):
            return None  # it is made again
        if about.pop("key") != key:
            return None
        medians = about.pop("medians")
        metrics = np.array(table["metric"].to_pylist(), object)
        tallies = []
        for metric in dict.fromkeys(metrics):
            part = table.take(pa.array(np.flatnonzero(metrics == metric)))
            more = {
                name: None if part[name].null_count else np.array(part[name].to_pylist())
                for name in COLUMNS
            }
            values = part["value"].to_numpy()[:, None]
            kind = "median" if metric in medians else "mean"
            tallies.append(Tally(metric, values, statistic=kind, **more))  # type: ignore[arg-type]
        return cls(tallies=tallies, **about)


@dataclass(frozen=True)
class Across:
    """One such evaluator with all that it needs; ``clips`` are its own, None: the labelled ones."""

    name: str
    target: str
    settings: Retrieval | Localization
    digest: str  # of the file of steps
    joined: Joined | None = None
    videos: list[Steps] = field(default_factory=list)
    clips: Manifest | None = None
    whole: Path | None = None  # the manifest that ``clips`` are of, where it is another one
    rows: npt.NDArray[np.int64] | None = None  # of that manifest

    @property
    def kind(self) -> str:
        """retrieval or localization."""
        return "retrieval" if isinstance(self.settings, Retrieval) else "localization"

    @property
    def probes(self) -> list[str]:
        """What its rows of the table are called."""
        several = self.kind == "localization" or self.settings.right != "clip"  # type: ignore[union-attr]
        return [
            f"{self.name} {metric}" for metric in SHOWN[self.kind] if metric != "mAP" or several
        ]

    @property
    def words(self) -> list[str]:
        """The words that ask, whose vectors it needs."""
        if isinstance(self.settings, Localization):
            return [word for video in self.videos for word in video.words]
        if self.settings.right == "words" and self.joined is not None:
            return [str(label) for label in np.unique(self.joined.labels)]
        return []

    def found(self, table: EmbeddingTable, words: Mapping[str, Floats]) -> Found:
        """The figures of ``table``."""
        if isinstance(self.settings, Localization):
            return localize(table, self.videos, words, self.settings)
        return retrieve(table, self.settings, joined=self.joined, words=words)

    def judge(
        self, table: EmbeddingTable, model: Callable[[], Model], row: str, seed: int
    ) -> Tallied:
        """The figures of a run; ``model`` loads it where words are needed."""
        try:
            words = worded(model(), self.words) if self.words else {}
            found = self.found(table, words)
        except NoSpace as why:
            return Tallied([], {}, [], {"lacks": str(why)}, str(why))
        place = place_of(found.protocol, self.target)
        rows = rows_of(found, {"row": row, "probe": self.name, **place}, seed)
        protocol = {**place, "checkpoint": table.info.get("checkpoint"), **found.protocol}
        return Tallied(found.tallies, found.chance, rows, {**protocol, "seeds": [seed]})

    def attempt(self, labelled: Manifest) -> None:
        """Raise UserError for what it would refuse whatever the vectors are."""
        clips = labelled if self.clips is None else self.clips
        nothing = np.zeros((len(clips), 1), np.float32)
        columns = {f"shared_{name}": (nothing, clips.has(name)) for name in MODALITIES}
        blank = np.zeros(1, np.float32)
        self.found(EmbeddingTable.build(clips, columns, ""), dict.fromkeys(self.words, blank))


def is_across(word: str) -> bool:
    """Whether an evaluator, as written, is one of these."""
    return word.partition(":")[0] in ACROSS


def read(
    word: str, manifest: Manifest, clips: Manifest, labelled: Sequence[tuple[str, Joined]]
) -> list[Across]:
    """``NAME`` or ``NAME:key=value;key=value`` as evaluators, one for each target that it has.

    ``labelled`` are the label columns, joined to ``clips``, those of ``manifest`` that have one.
    Raises UsageError or UserError for what is known to be wrong.
    """
    kind, _, rest = word.partition(":")
    pairs = [part.strip() for part in rest.split(";") if part.strip()]
    files = {key: value for key, _, value in (one.partition("=") for one in pairs) if key in FILES}
    own = [pair for pair in pairs if pair.partition("=")[0] not in FILES]
    settings = config.override(ACROSS[kind](), own)
    name = " ".join([kind, *own])
    if isinstance(settings, Localization):
        tested = None
        joined = labelled[0][1]
        if joined.split is not None:
            tested = set(clips.column("path")[joined.rows[joined.split == "test"]])
        return [_localization(name, settings, files, manifest, tested)]
    if files:
        raise UsageError(f"--evaluate {word}: {next(iter(files))} is of localization")
    if settings.right == "clip":
        return [Across(name, "clip", settings, "", labelled[0][1])]
    return [Across(name, target, settings, "", joined) for target, joined in labelled]


def _localization(
    name: str,
    settings: Localization,
    files: Mapping[str, str],
    manifest: Manifest,
    tested: set[str] | None,
) -> Across:
    if "steps" not in files:
        raise UsageError(
            "--evaluate localization: say where the true steps are, as localization:steps=FILE.csv"
        )
    steps = Path(files["steps"])
    videos, split = read_steps(steps, files.get("words"))
    whole = Path(files["clips"]) if "clips" in files else None
    clips = Manifest.read(whole) if whole else manifest
    paths = clips.column("path")
    videos, _ = located(videos, list(paths), clips.root)
    if not split and tested is not None:
        # The steps do not say which videos are tested; those of the labels train nothing.
        videos = [video for video in videos if video.path in tested]
        if not videos:
            raise UsageError(f"{steps}: none of its files is of the labels' test part")
    rows = np.flatnonzero(np.isin(paths.astype(str), [video.path for video in videos]))
    digest = hashlib.sha256(steps.read_bytes()).hexdigest()[:16]
    return Across(
        name, "steps", settings, digest, videos=videos, clips=clips.select(rows), whole=whole,
        rows=rows,
    )  # fmt: skip


def names_twice(evaluators: Iterable[Across]) -> None:
    """Raise UsageError where two evaluators would have one name."""
    seen = set()
    for one in evaluators:
        if (one.name, one.target) in seen:
            raise UsageError(f"--evaluate {one.name}: is asked for twice; keep one")
        seen.add((one.name, one.target))
