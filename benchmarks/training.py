"""A training epoch from the clip cache against the bare step on tensors in memory.

    python -m benchmarks.training [FOLDER] [epochs]

FOLDER holds videos (default: a demo collection made for the purpose). Both numbers are clips per
second of wall time of the same network, batch and precision, measured in turns in one run.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path

import torch
from rich.console import Console

from triptych.clips.dataset import ClipLoader, View
from triptych.demo.collection import make_collection
from triptych.demo.knobs import Knobs
from triptych.manifest.scan import scan
from triptych.methods.method import declare
from triptych.training.loop import Loop
from triptych.training.pretrain import (
    calibrate,
    describe,
    inputs_of,
    make_encoders,
    make_fabric,
    new_state,
)
from triptych.training.recipe import Clustering, Recipe
from triptych.training.source import open_source
from triptych.training.step import train_step
from triptych.verbs.render import table

ROUNDS = 5


def main() -> None:
    given = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    with tempfile.TemporaryDirectory() as scratch:
        rows = [measure(name, given, Path(scratch) / name) for name in ("video", "video+audio")]
    Console().print("training epoch from the cache against the bare step, medians", table(rows))


def measure(name: str, folder: Path | None, out: Path) -> dict[str, object]:
    modalities = tuple(name.split("+"))
    if folder is None:
        folder = make_collection(out / "collection", Knobs(videos=24)).videos
    manifest = scan(folder, out, min_caption=2.0).manifest
    recipe = Recipe(
        method="xdc" if len(modalities) > 1 else "sdc",
        modalities=modalities,
        clustering=Clustering(k=8),
        epochs=1000,
        refresh_every=1000,
    )
    source = open_source(manifest, recipe.clip, out / "cache")
    fabric, method = make_fabric(recipe), declare(recipe.method, modalities)
    encoders = make_encoders(recipe, manifest)
    loader = ClipLoader(manifest, source, inputs_of(encoders, modalities))
    state = new_state(encoders, method, recipe, fabric, len(manifest))
    calibrate(encoders, loader, 0, fabric)
    facts = describe(recipe, method, encoders, manifest)
    loop = Loop(manifest, recipe, method, state, loader, fabric, out / "run", facts)
    loop.refresh()
    loop.train_epoch()
    batch = next(iter(loader.batches([range(recipe.batch)], View(random=True, seed=0))))
    ones = {edge.head: torch.ones(recipe.batch) for edge in method.teaches}
    epochs, bare = [], []
    for _ in range(ROUNDS):
        began, steps = time.monotonic(), loop.steps
        loop.train_epoch()
        epochs.append((loop.steps - steps) * recipe.batch / (time.monotonic() - began))
        began = time.monotonic()
        for _ in range(loop.steps_an_epoch):
            train_step(loop.step_of(batch, ones), fabric)
        bare.append(loop.steps_an_epoch * recipe.batch / (time.monotonic() - began))
    epoch, step = statistics.median(epochs), statistics.median(bare)
    return {
        "modalities": name,
        "clips": len(manifest),
        "epoch, clips/s": round(epoch, 1),
        "bare step, clips/s": round(step, 1),
        "ratio": round(epoch / step, 3),
        "aim": 0.9,
    }


if __name__ == "__main__":
    main()
