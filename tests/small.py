"""A small real collection: six narrated demo videos, scanned and cached, and a recipe for it."""

from dataclasses import dataclass
from pathlib import Path

from triptych.clips.dataset import ClipSource
from triptych.demo.collection import make_collection
from triptych.demo.knobs import Knobs
from triptych.manifest.scan import scan
from triptych.manifest.schema import Manifest
from triptych.training.recipe import Clip, Clustering, Recipe
from triptych.training.source import open_source

RECIPE = Recipe(
    modalities=("video", "audio", "text"),
    clip=Clip(frames=4, frame_rate=8.0, size=32, vocabulary=40),
    clustering=Clustering(k=4, starts=1, components=8),
    epochs=3,
    refresh_every=1,
    batch=8,
    precision="32-true",
)


@dataclass(frozen=True)
class Small:
    manifest: Manifest
    source: ClipSource
    cache: Path


def make_small(folder: Path) -> Small:
    knobs = Knobs(videos=6, steps=4, step_seconds=2.0, width=64, height=48, frame_rate=10.0)
    collection = make_collection(folder / "collection", knobs, workers=0)
    manifest = scan(collection.videos, folder, min_caption=1.5, workers=1).manifest
    source = open_source(manifest, RECIPE.clip, folder / "cache", workers=1)
    return Small(manifest, source, folder / "cache")
