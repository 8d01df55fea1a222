"""``pretrain``, ``embed`` and ``cluster``: manifest to run to embeddings to clusters."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

Overrides = Annotated[
    list[str] | None, typer.Argument(metavar="KEY=VALUE", help="settings; see `triptych keys`")
]
Cache = Annotated[
    Path | None, typer.Option(help="folder of the clip cache, made if it is not there")
]
Root = Annotated[Path | None, typer.Option(help="where the videos are now, if they have moved")]
Workers = Annotated[int | None, typer.Option(min=0, help="decoding processes; default: one a core")]


def pretrain(
    manifest: Annotated[Path, typer.Argument(help="manifest.parquet, from `triptych scan`")],
    overrides: Overrides = None,
    out: Annotated[Path, typer.Option(help="folder of the run")] = Path("run"),
    recipe: Annotated[
        str | None, typer.Option(help="a name of `triptych recipes`, or a recipe.json")
    ] = None,
    cache: Cache = None,
    root: Root = None,
    resume: Annotated[bool, typer.Option(help="go on with the run in --out")] = False,
    init: Annotated[
        Path | None,
        typer.Option(help="begin from these weights, with IR and LA also from the memory bank"),
    ] = None,
    minutes: Annotated[float | None, typer.Option(min=0, help="stop by then")] = None,
    workers: Workers = None,
) -> dict[str, Any]:
    """Train encoders on the clips of a manifest; no labels are read."""
    import time

    from triptych import config
    from triptych.manifest.schema import Manifest
    from triptych.progress import say
    from triptych.recipes.named import announced, recipe_of
    from triptych.training.features import reads_clips
    from triptych.training.pretrain import pretrain as train
    from triptych.training.recipe import Recipe
    from triptych.training.source import open_source

    deadline = float("inf") if minutes is None else time.monotonic() + minutes * 60
    written = out / "recipe.json"
    if recipe is None and not overrides and resume and written.exists():
        recipe = str(written)
    start = Recipe() if recipe is None else recipe_of(recipe)
    chosen = config.override(start, overrides or [])
    clips = Manifest.read(manifest, root)
    for line in announced(chosen, len(clips), recipe, fresh=not (resume or init)):
        say(f"pretrain: {line}")
    source = open_source(clips, chosen.clip, cache, workers=workers, reads=reads_clips(chosen))
    done = train(
        clips,
        chosen,
        out,
        source,
        resume=resume,
        init=init,
        workers=workers or 0,
        deadline=deadline,
    )
    if not done.finished:
        say(f"pretrain: `triptych pretrain {manifest} --out {out} --resume` goes on from here")
    return {
        "run": str(done.run),
        "checkpoint": str(done.checkpoint),
        "sha256": done.sha256,
        "epochs": done.epochs,
        "finished": done.finished,
        "clips_per_second": round(done.clips_per_second, 1),
        "data_wait": round(done.data_wait, 4),
    }


def embed(
    manifest: Annotated[Path, typer.Argument(help="manifest.parquet, from `triptych scan`")],
    checkpoint: Annotated[Path, typer.Argument(help="a run's folder, or one of its checkpoints")],
    out: Annotated[Path, typer.Option(help="the table to write")] = Path("embeddings.parquet"),
    cache: Cache = None,
    features: Annotated[
        list[str] | None,
        typer.Option(help="video=STORE,STORE: its stored features; default: those of the run"),
    ] = None,
    root: Root = None,
    workers: Workers = None,
) -> dict[str, Any]:
    """Turn every clip into vectors with a trained model."""
    from triptych import config
    from triptych.embeddings.embed import embed as pass_over
    from triptych.embeddings.model import Model
    from triptych.manifest.schema import Manifest
    from triptych.training.features import reads_clips
    from triptych.training.recipe import Features, Recipe
    from triptych.training.source import open_source

    stores = None
    if features:
        stores = dict(config.override(Features(), features))
    clips = Manifest.read(manifest, root)
    model = Model.load(checkpoint)
    recipe = config.validated(Recipe, model.facts["recipe"], str(checkpoint))
    source = open_source(clips, recipe.clip, cache, workers=workers, reads=reads_clips(recipe))
    table = pass_over(clips, model, source, workers=workers or 0, features=stores)
    table.write(out)
    return {
        "embeddings": str(out),
        "clips": len(table),
        "sha256": model.sha256,
        "vectors": {name: table.vectors(name)[0].shape[1] for name in table.names()},
    }


def cluster(
    embeddings: Annotated[Path, typer.Argument(help="embeddings.parquet; its clusters are set")],
    k: Annotated[int | None, typer.Option(help="how many; default: by the number of clips")] = None,
    out: Annotated[Path | None, typer.Option(help="default: clusters.parquet beside it")] = None,
    seed: Annotated[int, typer.Option()] = 0,
) -> dict[str, Any]:
    """Group the clips and name the groups by the words that set them apart."""
    from triptych.embeddings.clusters import cluster as group

    path = out or embeddings.with_name("clusters.parquet")
    return {"clusters": str(path), "table": group(embeddings, path, k=k, seed=seed)}
