"""``search`` and ``evaluate``: what the embeddings are good for."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer


def search(
    work: Annotated[Path, typer.Argument(help="the folder that `triptych fit` wrote")],
    query: Annotated[
        str | None, typer.Argument(help="words, or a file, or FILE#12.5-15 for a span")
    ] = None,
    steps: Annotated[
        str | None, typer.Option(help="instead of a query, steps in order: 'crack eggs; whisk'")
    ] = None,
    top: Annotated[int, typer.Option(min=1, help="how many hits")] = 10,
    through: Annotated[
        list[str] | None, typer.Option(help="only by what is in this: video, audio, text")
    ] = None,
    within: Annotated[str | None, typer.Option(help="only in this file of the collection")] = None,
    clips: Annotated[bool, typer.Option(help="every clip a hit: neighbours not joined")] = False,
    how: Annotated[
        str | None,
        typer.Option(help="exact, or approximate by an index; default: exact to a million clips"),
    ] = None,
) -> dict[str, Any]:
    """Find the moments that a sentence, a sound or a video is about, or steps in their order."""
    from triptych.embeddings.catalogue import Catalogue
    from triptych.embeddings.model import Model
    from triptych.errors import UsageError, UserError
    from triptych.explore.query import address, vectors_of
    from triptych.explore.search import search as rank
    from triptych.explore.steps import place, read_steps

    if (query is None) == (steps is None):
        raise UsageError("search: give what to look for, words or a file; or --steps, not both")
    if steps is not None and (clips or how):
        raise UsageError("--clips and --how are for a query; steps are placed exactly")
    asked = read_steps(steps) if steps is not None else []
    if not (work / "embeddings.parquet").is_file():
        inside = work / "fit"
        found = (inside / "embeddings.parquet").is_file()
        hint = f"did you mean {inside}?" if found else "make one with `triptych fit VIDEOS`"
        raise UserError(f"{work}: not a folder that `triptych fit` has finished; {hint}")
    there = Catalogue.open(work / "embeddings.parquet")
    model = Model.load(work / "run")
    if there.info.get("checkpoint") != model.sha256:
        # Vectors of two sets of weights have the same widths and nothing else in common.
        raise UserError(
            f"{work}: its embeddings were made with other weights than its run has now; "
            "embed the clips again with `triptych embed`, or finish with `triptych fit --resume`"
        )
    result: dict[str, Any] = {"query": query if steps is None else steps}
    if query is not None:
        vectors = vectors_of(model, query, there.root)
        hits = rank(
            there, vectors, top, through=through or (), joined=not clips, within=within, how=how
        )
        result["hits"] = [hit.row() for hit in hits]
    else:
        words = [model.embed_text(step) for step in asked]
        placed = place(there, asked, words, top, through=through or (), within=within)
        result["hits"] = [one.row() for one in placed]
        result["steps"] = [row for one in placed for row in one.rows()]
    first = next(iter(result["hits"]), None)
    at = (first["path"], first["start"], first["end"]) if first else None
    return {**result, "open": address(there.root, *at) if at else None}


What = Annotated[
    str,
    typer.Argument(
        help="knn, linear, 1-shot, 5-shot, 10-shot, 20-shot, clusters, retrieval or localization"
    ),
]
Labels = Annotated[
    Path | None,
    typer.Argument(
        help="CSV: path or clip_id, and label columns; for localization path, start, end and "
        "the words of each step"
    ),
]
Protocol = Annotated[
    list[str] | None,
    typer.Argument(metavar="KEY=VALUE", help="the protocol of retrieval or localization"),
]


Embeddings = Annotated[
    Path,
    typer.Argument(
        help="embeddings.parquet, or a file of descriptors; with --layout the set's folder"
    ),
]
Run = Annotated[
    Path | None,
    typer.Option(help="the run whose model turns words, and a layout's features, into vectors"),
]
Layout = Annotated[
    str | None,
    typer.Option(
        help="a labelled set as its authors gave it out: youcook2 and msrvtt for retrieval, "
        "crosstask, mining_youtube and coin for localization"
    ),
]
OfDescriptors = Annotated[
    Path | None, typer.Option(help="manifest.parquet: which clips descriptors are of")
]
Vector = Annotated[
    str | None, typer.Option(help="which; default: vector_video, of descriptors vector")
]


def evaluate(
    what: What,
    embeddings: Embeddings,
    labels: Labels = None,
    settings: Protocol = None,
    manifest: OfDescriptors = None,
    target: Annotated[str | None, typer.Option(help="the label column, or that of words")] = None,
    vector: Vector = None,
    level: Annotated[str, typer.Option(help="video: average a file's clips; or clip")] = "video",
    run: Run = None,
    layout: Layout = None,
    seed: Annotated[int, typer.Option()] = 0,
    out: Annotated[Path | None, typer.Option(help="results.json to add to")] = None,
) -> dict[str, Any]:
    """Score embeddings against labels, with the protocol and a bootstrap interval over groups."""
    from triptych.errors import UsageError
    from triptych.evaluate.across import ACROSS, evaluate_across
    from triptych.evaluate.evaluate import evaluate as score
    from triptych.evaluate.official import evaluate_official

    words = list(settings or ())
    if labels is not None and "=" in labels.name and not labels.exists():
        labels, words = None, [str(labels), *words]  # retrieval may do without labels
    if layout is not None:
        if labels is not None or target is not None or manifest is not None:
            raise UsageError(f"--layout {layout}: has its own labels and clips; leave others out")
        rows = evaluate_official(
            layout, embeddings, what=what, run=run, settings=words, seed=seed, out=out
        )
        return {"table": rows}
    if what in ACROSS:
        rows = evaluate_across(
            embeddings,
            labels,
            what=what,
            settings=words,
            run=run,
            target=target,
            seed=seed,
            out=out,
        )
        return {"table": rows}
    if labels is None:
        raise UsageError(f"evaluate {what}: needs a CSV of labels after the embeddings")
    if words:
        raise UsageError(f"{words[0]!r}: only retrieval and localization have settings")
    rows = score(
        embeddings, labels, what=what, manifest=manifest, vector=vector, target=target,
        level=level, seed=seed, out=out,
    )  # fmt: skip
    return {"table": rows}
