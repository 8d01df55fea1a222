"""``fit`` and ``demo``: the whole chain."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from triptych.verbs.learn import Overrides, Workers

Minutes = Annotated[float | None, typer.Option(help="be done by then")]


def fit(
    folder: Annotated[Path, typer.Argument(help="the folder of videos; no labels are needed")],
    overrides: Overrides = None,
    out: Annotated[Path, typer.Option(help="where everything goes")] = Path("work"),
    minutes: Minutes = None,
    disk: Annotated[float, typer.Option(help="gigabytes the clip cache may take")] = 20.0,
    resume: Annotated[bool, typer.Option(help="go on with an interrupted fit")] = False,
    workers: Workers = None,
) -> dict[str, Any]:
    """From a folder of videos to a model, embeddings, named clusters, search and a report."""
    from triptych.recipes.fit import fit as whole

    return whole(
        folder,
        out,
        overrides=overrides or [],
        minutes=minutes,
        disk=disk,
        resume=resume,
        workers=workers,
    )


def demo(
    out: Annotated[Path, typer.Option(help="where everything goes")] = Path("demo-work"),
    seed: Annotated[int, typer.Option()] = 0,
    minutes: Annotated[float, typer.Option(help="of training, for each row of the table")] = 1.2,
    overrides: Annotated[
        list[str] | None, typer.Argument(metavar="KNOB=VALUE", help="knobs of the collection")
    ] = None,
    workers: Workers = None,
) -> dict[str, Any]:
    """Make the narrated demo collection, fit it, and compare with random and supervised."""
    from triptych.recipes.demo import demo as whole

    return whole(out, seed=seed, minutes=minutes, overrides=overrides or [], workers=workers)
