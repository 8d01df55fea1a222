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
    from triptych.embeddings.query import embed_media
    from triptych.embeddings.table import EmbeddingTable
    from triptych.explore.search import Span, read_query, rows
    from triptych.explore.search import search as rank
    from triptych.manifest.schema import MODALITIES

    asked = read_query(query)
    table = EmbeddingTable.read(work / "embeddings.parquet")
    model = Model.load(work / "run")
    if isinstance(asked, Span):
        vectors = embed_media(model, asked.path, asked.start, asked.end)
    else:
        vectors = model.embed_text(asked)
    hits = rank(table, vectors, top, through=through or MODALITIES)
    return {"query": query, "hits": rows(hits)}


def evaluate(
    what: Annotated[str, typer.Argument(help="knn, linear or clusters")],
    embeddings: Annotated[Path, typer.Argument(help="embeddings.parquet")],
    labels: Annotated[Path, typer.Argument(help="CSV: path or clip_id, and label columns")],
    target: Annotated[str | None, typer.Option(help="the label column")] = None,
    vector: Annotated[str, typer.Option(help="which vectors")] = "vector_video",
    level: Annotated[str, typer.Option(help="video: average a file's clips; or clip")] = "video",
    seed: Annotated[int, typer.Option()] = 0,
    out: Annotated[Path | None, typer.Option(help="results.json to add to")] = None,
) -> dict[str, Any]:
    """Score embeddings against labels, with the protocol and a bootstrap interval over groups."""
    from triptych.evaluate.evaluate import evaluate as score

    rows = score(
        embeddings, labels, what=what, vector=vector, target=target, level=level, seed=seed, out=out
    )
    return {"table": rows}
