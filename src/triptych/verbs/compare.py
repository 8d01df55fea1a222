"""``compare``: recipes side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from triptych.verbs.learn import Root, Workers

Words = Annotated[
    list[str],
    typer.Argument(
        metavar="RECIPE|KEY=VALUE",
        help="methods, named recipes or recipe.json files, NAME:key=value;key=value for one "
        "of them, with from=NAME to begin from its run; then fields for all",
    ),
]


def compare(
    recipes: Words,
    manifest: Annotated[Path, typer.Option(help="manifest.parquet of the labelled clips")],
    labels: Annotated[Path, typer.Option(help="CSV: path or clip_id, and label columns")],
    axis: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=V1,V2", help="a field, clips or manifest; lists as video+audio"),
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="runs of every row")] = 3,
    evaluate: Annotated[
        list[str] | None,
        typer.Option(
            help="linear, knn, 1-, 5-, 10-, 20-shot, clusters, retrieval, or "
            "localization:steps=FILE; default: linear"
        ),
    ] = None,
    target: Annotated[list[str] | None, typer.Option(help="label columns")] = None,
    supervised: Annotated[
        str | None, typer.Option(help="add a row trained with the labels of this column")
    ] = None,
    against: Annotated[
        str | None, typer.Option(help="a row or RECIPE to give the difference to, beside random")
    ] = None,
    descriptor: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=FILE", help="add a row of descriptors as they are"),
    ] = None,
    vector: Annotated[str, typer.Option(help="which vectors are evaluated")] = "vector_video",
    level: Annotated[str, typer.Option(help="video: average a file's clips; or clip")] = "video",
    out: Annotated[Path, typer.Option(help="where everything goes")] = Path("compare-work"),
    root: Root = None,
    workers: Workers = None,
) -> dict[str, Any]:
    """Train recipes along axes and seeds, evaluate them, print one table with intervals."""
    from triptych.recipes.compare import compare as whole

    return whole(
        recipes,
        manifest=manifest,
        labels=labels,
        out=out,
        axes=axis or (),
        seeds=seeds,
        evaluators=evaluate or ("linear",),
        targets=target or (),
        supervised=supervised,
        against=against,
        descriptors=descriptor or (),
        vector=vector,
        level=level,
        root=root,
        workers=workers,
    )
