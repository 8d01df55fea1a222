"""``concepts`` and ``filters``: what was learned, to look at."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from triptych.verbs.learn import Root, Workers


def concepts(
    work: Annotated[Path, typer.Argument(help="what `triptych fit` left; or a run, a checkpoint")],
    labels: Annotated[
        Path | None, typer.Option(help="CSV: path or clip_id, and label columns; else by words")
    ] = None,
    target: Annotated[str | None, typer.Option(help="the label column")] = None,
    top: Annotated[int, typer.Option(min=1, help="how many from either end")] = 10,
    least: Annotated[
        int | None,
        typer.Option(min=1, help="clips a cluster needs to be ranked; default: half of the mean"),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="write a page with their clips")] = None,
    manifest: Annotated[Path | None, typer.Option(help="that the run was trained on")] = None,
    embeddings: Annotated[Path | None, typer.Option(help="of the run's weights")] = None,
    root: Root = None,
    seed: Annotated[int, typer.Option(help="of the shuffles that say what chance gives")] = 0,
    workers: Workers = None,
) -> dict[str, Any]:
    """Show what the clusters that taught stand for: the purest and the least pure, and chance."""
    from triptych.errors import UsageError
    from triptych.explore.concept_page import check, write
    from triptych.explore.concepts import find, row
    from triptych.explore.taught import Taught
    from triptych.progress import say

    if target is not None and labels is None:
        raise UsageError("--target names a column of --labels; give both")
    if top < 1:
        raise UsageError(f"--top {top}: must be 1 or more")
    if out is not None:
        check(out)
    taught = Taught.read(work, manifest, embeddings, root)
    known, target = _labels(taught, labels, target) if labels else (None, None)
    found = find(taught, known, least=least, seed=seed)
    if not all(clustering.nearest for clustering in found):
        say(
            "concepts: exemplars are drawn at random, as no embeddings of these weights were "
            "found; --embeddings names them, in a comparison runs/ROW-SEED.parquet"
        )
    first, last = ("purest", "least_pure") if labels else ("largest", "smallest")
    ends = [(clustering.name, *clustering.ends(top)) for clustering in found]
    result: dict[str, Any] = {
        "clusterings": [one.summary() for one in found],
        first: [{"clustering": name, **row(one, taught)} for name, some, _ in ends for one in some],
        last: [{"clustering": name, **row(one, taught)} for name, _, some in ends for one in some],
        "checkpoint": str(taught.checkpoint),
        "clusters_made": taught.made(),
    }
    if labels:
        result |= {"labels": str(labels), "target": target}
    if out is not None:
        write(out, taught, found, known, target, top=top, workers=workers)
        result["page"] = str(out)
    return result


def _labels(taught: Any, file: Path, target: str | None) -> tuple[list[str], str]:
    """Each clip's label, "" where it has none, and the column that they are of."""
    from triptych.evaluate.labels import describe, join, read_labels
    from triptych.progress import say

    clips = taught.manifest
    read = read_labels(file, target)
    joined = join(read, list(clips.column("clip_id")), list(clips.column("path")), clips.root)
    for line in describe(read, joined, "among the clips of the run"):
        say(line)
    labels = [""] * len(clips)
    for at, label in zip(joined.rows.tolist(), joined.labels.tolist(), strict=True):
        labels[at] = label
    return labels, read.target


def filters(
    checkpoint: Annotated[Path, typer.Argument(help="a run's folder, or one of its checkpoints")],
    out: Annotated[Path, typer.Option(help="the picture to write: .png, .svg or .pdf")] = Path(
        "filters.png"
    ),
    beside: Annotated[
        Path | None, typer.Option(help="another checkpoint, e.g. initial.safetensors")
    ] = None,
) -> dict[str, Any]:
    """Draw the filters of the first layers that see and hear, the strongest first."""
    from triptych.explore.filter_figure import check, draw
    from triptych.explore.filters import compare, read

    check(out)
    panels = [read(path) for path in (checkpoint, beside) if path is not None]
    draw(panels, out)
    return {"filters": compare(panels), "out": str(out)}
