"""``fit``: scan, cache, pretrain, embed, cluster, report, in the time that there is."""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from triptych import config
from triptych.atomic import write_json
from triptych.clips.cache import ClipCache
from triptych.embeddings.clusters import cluster
from triptych.embeddings.embed import embed
from triptych.embeddings.model import Model
from triptych.errors import UsageError, UserError
from triptych.explore.report import report
from triptych.manifest.scan import scan
from triptych.manifest.schema import Manifest
from triptych.methods.method import declare
from triptych.progress import say
from triptych.recipes.background import choose_background
from triptych.recipes.plan import check_overrides, choose, complete, explain, measure_pace, names
from triptych.training import health
from triptych.training.pretrain import Pretrained, pretrain
from triptych.training.recipe import NO_AUGMENTATION, Recipe
from triptych.training.source import open_source, spec_of

# What is left of the time for embedding, clusters and report, at least.
RESERVE_SECONDS = 10.0
LEAST_FREE_SHARE = 0.5  # of the free disk is never taken by the cache


@dataclass
class Clock:
    """The time of a fit: what each stage took, and what is left."""

    began: float
    minutes: float | None
    stages: dict[str, float]

    @classmethod
    def start(cls, minutes: float | None) -> Clock:
        """Begin to count."""
        if minutes is not None and not 0 < minutes < float("inf"):
            raise UsageError(f"minutes={minutes:g}: must be a number above 0")
        return cls(time.monotonic(), minutes, {})

    def done(self, stage: str) -> None:
        """Note that a stage ended now."""
        passed = time.monotonic() - self.began
        self.stages[stage] = max(0.0, round(passed - sum(self.stages.values()), 2))

    def left(self, keep: float) -> float | None:
        """Seconds left after keeping some; None without a limit."""
        if self.minutes is None:
            return None
        return self.minutes * 60 - (time.monotonic() - self.began) - keep


def fit(
    folder: Path,
    out: Path,
    *,
    overrides: Sequence[str] = (),
    minutes: float | None = None,
    disk: float = 20.0,
    resume: bool = False,
    workers: int | None = None,
) -> dict[str, Any]:
    """Everything from a folder of videos; returns what ``--json`` prints."""
    clock = Clock.start(minutes)
    if not disk >= 0:
        raise UsageError(f"disk={disk:g}: must be a number of gigabytes, 0 or more")
    if _last(out).exists() and not resume:
        raise UserError(f"{out}: holds a fit already; --resume goes on with it, or name another")
    check_overrides(overrides)
    found = scan(folder, leave_out=out, workers=workers)
    if resume:
        _refuse_changed(found.manifest, out)
    found.write(out)
    clock.done("scan")
    say(f"scan: {len(found.manifest)} clips; {len(found.problems)} remarks in problems.parquet")
    return fit_manifest(
        found.manifest,
        out,
        clock,
        overrides=overrides,
        disk=disk,
        resume=resume,
        workers=workers,
    )


def fit_manifest(
    manifest: Manifest,
    out: Path,
    clock: Clock,
    *,
    overrides: Sequence[str] = (),
    disk: float = 20.0,
    resume: bool = False,
    workers: int | None = None,
) -> dict[str, Any]:
    """``fit`` from an existing manifest, which is in ``out`` already."""
    if not len(manifest):
        raise UserError(
            f"{manifest.root}: nothing to learn from, not one clip; see {out}/problems.parquet"
        )
    begun = _begun(out, overrides) if resume else None
    recipe = begun or choose(manifest, overrides)[0]
    reasons = explain(manifest, recipe)
    cache = cache_folder(manifest, recipe, out, disk)
    source = open_source(manifest, recipe.clip, cache, workers=workers)
    if not begun and not names(overrides, "clip.background"):
        recipe, line = choose_background(manifest, source, recipe, 0 if cache else workers or 0)
        reasons += [line] if line else []
    clock.done("cache")
    recipe, deadline = _schedule(manifest, recipe, overrides, clock, reasons, out, resume)
    for reason in reasons:
        say(f"fit: {reason}")
    run = pretrain(
        manifest,
        recipe,
        out / "run",
        source,
        resume=resume,
        workers=0 if cache else workers or 0,
        deadline=deadline,
    )
    clock.done("pretrain")
    if not run.finished:
        say(
            f"fit: the time ended training after {_count(run.epochs, 'whole epoch')} of "
            f"{recipe.epochs}; `triptych fit ... --resume` goes on, with more --minutes or none"
        )
    model = Model.load(run.checkpoint)
    table = embed(manifest, model, source, workers=0 if cache else workers or 0)
    table.write(out / "embeddings.parquet")
    clock.done("embed")
    clusters = cluster(out / "embeddings.parquet", out / "clusters.parquet", seed=recipe.seed)
    clock.done("cluster")
    _write_facts(out, manifest, recipe, reasons, run, clock)
    page = report(out)
    clock.done("report")
    return _result(out, page, run, clusters, clock)


def _last(out: Path) -> Path:
    return out / "run" / "checkpoints" / "last.safetensors"


def _refuse_changed(manifest: Manifest, out: Path) -> None:
    """Before the old manifest, of which the run and its tables are, is written over."""
    path = out / "manifest.parquet"
    if _last(out).exists() and path.is_file():
        before = Manifest.read(path)
        if before.digest != manifest.digest:
            raise UserError(
                f"{manifest.root}: not as it was when the fit in {out} began ({len(before)} clips "
                f"then, {len(manifest)} now, or other bytes); give another --out"
            )


def _begun(out: Path, overrides: Sequence[str]) -> Recipe | None:
    """The recipe of the run in ``out``, which the load of the machine must not change.

    What the user changes stays changed, so that the run refuses it.
    """
    path = out / "run" / "recipe.json"
    return config.override(config.load(Recipe, path), overrides) if path.is_file() else None


def cache_folder(manifest: Manifest, recipe: Recipe, out: Path, disk: float) -> Path | None:
    """Where the cache goes; None where it does not fit, and the files are read instead."""
    size = ClipCache.size_of(manifest, spec_of(recipe.clip))
    free = shutil.disk_usage(out).free
    if size > min(disk * 1e9, free * LEAST_FREE_SHARE):
        say(
            f"clip cache: would take {size / 1e9:.1f} GB, allowed are {disk:g} GB (--disk) and "
            f"half of {free / 1e9:.1f} GB free; reading the files at every visit instead"
        )
        return None
    return out / "cache"


def _schedule(
    manifest: Manifest,
    recipe: Recipe,
    overrides: Sequence[str],
    clock: Clock,
    reasons: list[str],
    out: Path,
    resume: bool,
) -> tuple[Recipe, float]:
    """The recipe with its epochs, and the moment by which training must have ended."""
    clips = len(manifest)
    pace = measure_pace(manifest, recipe)
    # A second pass in 32 bits makes the embeddings; the report's map and thumbnails are bounded.
    reserve = RESERVE_SECONDS + 3 * clips / pace.extract + 0.02 * min(clips, 2_500)
    left = clock.left(reserve)
    begun = _begun(out, overrides) if resume else None
    recipe = begun or complete(clips, recipe, pace, left, overrides)
    seconds = recipe.epochs * pace.seconds_an_epoch(clips, recipe)
    method = declare(recipe.method, recipe.modalities)
    if method.clusters:
        reasons.append(f"{recipe.clustering.k} clusters in each clustering to learn from")
    every = f", new clusters every {recipe.refresh_every}" if method.clusters else ""
    if every and method.joint:
        every = f", clusters anew every {recipe.queue.every} steps"
    reasons.append(
        f"{_count(recipe.epochs, 'epoch')}{every}: "
        f"about {seconds:.0f} s of training with {_count(pace.threads, 'thread')}"
    )
    if recipe.augmentation == NO_AUGMENTATION:
        reasons.append(
            "clips as they are, but for window, crop and mirror: each is seen too seldom"
        )
    return recipe, float("inf") if left is None else time.monotonic() + max(left, 0.0)


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _write_facts(
    out: Path,
    manifest: Manifest,
    recipe: Recipe,
    reasons: list[str],
    run: Pretrained,
    clock: Clock,
) -> None:
    write_json(
        out / "fit.json",
        {
            "root": str(manifest.root),
            "clips": len(manifest),
            "videos": len(set(manifest.column("path"))),
            "seconds_of_media": float((manifest.column("end") - manifest.column("start")).sum()),
            "picked": reasons,
            "recipe": recipe.model_dump(mode="json"),
            "rule": health.RULE,
            "checkpoint": run.checkpoint.name,
            "sha256": run.sha256,
            "epochs": run.epochs,
            "finished": run.finished,
            "stages": clock.stages,
        },
    )


def _result(
    out: Path, page: Path, run: Pretrained, clusters: list[dict[str, Any]], clock: Clock
) -> dict[str, Any]:
    return {
        "clusters": clusters,
        "embeddings": str(out / "embeddings.parquet"),
        "checkpoint": str(run.checkpoint),
        "sha256": run.sha256,
        "epochs": run.epochs,
        "finished": run.finished,
        "clips_per_second": round(run.clips_per_second, 1),
        "data_wait": round(run.data_wait, 4),
        "seconds": clock.stages,
        "report": str(page),
    }
