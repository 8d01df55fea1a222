"""``search`` and ``evaluate``: what the embeddings are good for."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer


def search(
    work: Annotated[Path, typer.Argument(help="the folder that `triptych fit` wrote")],
    query: Annotated[str, typer.Argument(help="words, or a file, or FILE#12.5-15 for a span")],
    top: Annotated[int, typer.Option(min=1, help="how many hits")] = 10,
    through: Annotated[
        list[str] | None, typer.Option(help="only by what is in this: video, audio, text")
    ] = None,
) -> dict[str, Any]:
    """Find the clips that a sentence, a sound or a video is about."""
    from triptych.embeddings.model import Model
    from triptych.embeddings.table import EmbeddingTable
    from triptych.errors import UserError
    from triptych.explore.query import vectors_of
    from triptych.explore.search import search as rank

    if not (work / "embeddings.parquet").is_file():
        inside = work / "fit"
        found = (inside / "embeddings.parquet").is_file()
        hint = f"did you mean {inside}?" if found else "make one with `triptych fit VIDEOS`"
        raise UserError(f"{work}: not a folder that `triptych fit` has finished; {hint}")
    table = EmbeddingTable.read(work / "embeddings.parquet")
    model = Model.load(work / "run")
    if table.info.get("checkpoint") != model.sha256:
        # Vectors of two sets of weights have the same widths and nothing else in common.
        raise UserError(
            f"{work}: its embeddings were made with other weights than its run has now; "
            "embed the clips again with `triptych embed`, or finish with `triptych fit --resume`"
        )
    hits = rank(table, vectors_of(model, query, table.root), top, through=through or ())
    return {"query": query, "hits": [hit.row() for hit in hits]}


def evaluate(
    what: Annotated[
        str, typer.Argument(help="knn, linear, 1-shot, 5-shot, 10-shot, 20-shot or clusters")
    ],
    embeddings: Annotated[
        Path, typer.Argument(help="embeddings.parquet, or a file of descriptors")
    ],
    labels: Annotated[Path, typer.Argument(help="CSV: path or clip_id, and label columns")],
    manifest: Annotated[
        Path | None, typer.Option(help="manifest.parquet: which clips descriptors are of")
    ] = None,
    target: Annotated[str | None, typer.Option(help="the label column")] = None,
    vector: Annotated[
        str | None, typer.Option(help="which; default: vector_video, of descriptors vector")
    ] = None,
    level: Annotated[str, typer.Option(help="video: average a file's clips; or clip")] = "video",
    seed: Annotated[int, typer.Option()] = 0,
    out: Annotated[Path | None, typer.Option(help="results.json to add to")] = None,
) -> dict[str, Any]:
    """Score embeddings against labels, with the protocol and a bootstrap interval over groups."""
    from triptych.evaluate.evaluate import evaluate as score

    rows = score(
        embeddings, labels, what=what, manifest=manifest, vector=vector, target=target,
        level=level, seed=seed, out=out,
    )  # fmt: skip
    return {"table": rows}
