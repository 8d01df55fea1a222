"""The clips that runs of a comparison are trained on, and what is kept from them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from triptych.clips.cache import CachedClips, ClipCache, description
from triptych.clips.dataset import ClipSource
from triptych.errors import UserError
from triptych.evaluate.labels import join, read_labels
from triptych.manifest.schema import MODALITIES, Manifest
from triptych.methods.method import declare
from triptych.recipes.comparison.plan import Row
from triptych.seeds import derive
from triptych.training.features import reads_clips
from triptych.training.recipe import Clip, Recipe
from triptych.training.source import open_source, spec_of

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class HeldOut:
    """What no run may be trained on: single clips, and whole files by their bytes."""

    clips: frozenset[str] = frozenset()
    files: frozenset[str] = frozenset()

    def of(self, manifest: Manifest) -> npt.NDArray[np.bool_]:
        """Which clips of any collection are held out, (clips,)."""
        files = _files(manifest)
        held = [
            file in self.files or clip in self.clips
            for file, clip in zip(files, _clips(manifest, files), strict=True)
        ]
        return np.array(held, np.bool_)


def held_out(manifest: Manifest, labels: Path) -> HeldOut:
    """The test part by the column split of ``labels``.

    A file whose labelled clips are all of the test part is held out whole, with the clips that
    have no label, and under whatever name it is met again. In a file of both parts only the clips
    themselves are: their labels say that this is meant.
    """
    parts = read_labels(labels, "split")
    joined = join(
        parts, list(manifest.column("clip_id")), list(manifest.column("path")), manifest.root
    )
    tested = np.char.lower(joined.labels) == "test"
    files = np.array(_files(manifest), object)
    clips = np.array(_clips(manifest, list(files)), object)[joined.rows]
    of_labelled = files[joined.rows]
    return HeldOut(
        frozenset(clips[tested]), frozenset(of_labelled[tested]) - frozenset(of_labelled[~tested])
    )


def _files(manifest: Manifest) -> list[str]:
    """A key for every clip's file: its bytes, or where they are not known its path."""
    prints, paths = manifest.column("fingerprint"), manifest.column("path")
    return [str(known or path) for known, path in zip(prints, paths, strict=True)]


def _clips(manifest: Manifest, files: list[str]) -> list[str]:
    # Two collections may call different files alike.
    return [f"{clip} {file}" for clip, file in zip(manifest.column("clip_id"), files, strict=True)]


@dataclass
class Collection:
    """A whole collection, which of its clips may be trained on, and its caches."""

    manifest: Manifest
    may: Rows
    cache: Path
    workers: int | None = None
    opened: dict[Path, CachedClips] = field(default_factory=dict)

    def rows(self, row: Row, seed: int) -> Rows:
        """The clips that the run of ``seed`` is trained on, in order.

        Fewer clips are the beginning of one random order of them all, so that 100 are among 200.
        """
        if row.clips is None:
            return self.may
        order = np.random.default_rng(derive(seed, "clips")).permutation(self.may)
        return np.sort(order[: row.clips])

    def check(self, row: Row, seed: int) -> None:
        """Raise UserError where the run of ``seed`` has too few clips to begin with."""
        if row.clips is not None and row.clips > len(self.may):
            raise UserError(
                f"{row.name}: only {len(self.may)} clips are there to train on; ask for fewer"
            )
        rows = self.rows(row, seed)
        have = {name: self.manifest.has(name)[rows] for name in MODALITIES}
        for name in row.recipe.modalities:
            if not have[name].any():
                raise UserError(
                    f"{row.name}: none of its {len(rows)} clips has {name}; leave it out of "
                    "modalities"
                )
        if row.kind != "method":
            return
        k = row.recipe.clustering.k
        for cluster in declare(row.recipe.method, row.recipe.modalities).clusters:
            count = int(cluster.holds(have).sum())
            if count < k:
                raise UserError(
                    f"{row.name}: {count} of its {len(rows)} clips have {'+'.join(cluster.of)}, "
                    f"too few for clustering.k={k}; take fewer clusters or more clips"
                )

    def reach(self, recipe: Recipe) -> None:
        """Raise UserError where there is no cache for its clips, and no videos to make it of."""
        if not reads_clips(recipe):
            return
        if not self.manifest.root.is_dir() and not self._folder(recipe.clip).exists():
            raise UserError(
                f"{self.manifest.root}: no such folder, and the videos were there; "
                "say where they are now with --root"
            )

    def _folder(self, clip: Clip) -> Path:
        return self.cache / cache_name(self.manifest, clip)

    def part(self, rows: Rows, recipe: Recipe) -> tuple[Manifest, ClipSource]:
        """Some of the clips, read from the cache of the whole collection, if they are read.

        Every recipe whose clips need the same frames and samples of a file shares one cache.
        """
        clips = chosen(self.manifest, rows)
        if not reads_clips(recipe):
            return clips, open_source(clips, recipe.clip, None, reads=False)
        folder = self._folder(recipe.clip)
        if folder not in self.opened:
            source = open_source(self.manifest, recipe.clip, folder, workers=self.workers)
            assert isinstance(source, CachedClips)
            self.opened[folder] = source
        return clips, part_of(self.opened[folder], rows)


def chosen(manifest: Manifest, rows: Rows) -> Manifest:
    """Some of the clips, in order; where that is all of them, no copy is made."""
    return manifest if len(rows) == len(manifest) else manifest.select(rows)


def cache_name(manifest: Manifest, clip: Clip) -> str:
    """A folder's name that two caches share just when they would hold the same bytes."""
    spec = spec_of(clip)
    about = json.dumps(description(manifest, spec))
    digest = hashlib.sha256(about.encode()).hexdigest()[:8]
    return f"{spec.size}px-{spec.frame_rate:g}fps-{spec.sample_rate}hz-{digest}"


def part_of(source: CachedClips, rows: Rows) -> CachedClips:
    """The cache as if it were of these clips only: its index says where each one lies."""
    cache = source.cache
    index = {name: column[rows] for name, column in cache.index.items()}
    return CachedClips(ClipCache(cache.folder, cache.info, index))
