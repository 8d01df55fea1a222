"""Where training reads its clips: the cache, made when it is not there, or the files."""

from __future__ import annotations

from pathlib import Path

from triptych.clips.build import build
from triptych.clips.cache import CachedClips, ClipCache
from triptych.clips.dataset import ClipSource
from triptych.clips.files import FileClips
from triptych.clips.sample import ClipSpec
from triptych.errors import UserError
from triptych.manifest.schema import Manifest
from triptych.progress import say
from triptych.training.recipe import Clip
from triptych.workers import available_cores


def spec_of(clip: Clip) -> ClipSpec:
    """What the clips of a recipe need from their files."""
    return ClipSpec(
        clip.frames, clip.frame_rate, clip.size, clip.sample_rate, clip.segments, clip.resize
    )


def open_source(
    manifest: Manifest,
    clip: Clip,
    cache: Path | None,
    *,
    workers: int | None = None,
    reads: bool = True,
) -> ClipSource:
    """The cache in ``cache``, made first if need be; without a folder, the files themselves.

    ``reads``: whether any clip will be read; where none is there is nothing to make or to miss.
    """
    if not reads:
        return FileClips(manifest)
    if not manifest.root.is_dir() and (cache is None or not cache.exists()):
        raise UserError(
            f"{manifest.root}: no such folder, and the videos were there; "
            "say where they are now with --root"
        )
    if cache is None:
        return FileClips(manifest)
    spec = spec_of(clip)
    if not cache.exists():
        for problem in build(manifest, spec, cache, workers=workers or available_cores()):
            say(f"clip cache: {problem.path}: {problem.reason}; {problem.action}")
    return CachedClips(ClipCache.open(cache, manifest, spec))
