"""``trajectories`` and ``describe``: what moves in videos, without learning anything."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer


def trajectories(
    video: Annotated[Path, typer.Argument(help="the video")],
    out: Annotated[Path, typer.Option(help="the file of trajectories to write")],
    format: Annotated[
        str, typer.Option(help="parquet; or idt, the original's text, .gz compressed")
    ] = "parquet",
    boxes: Annotated[
        Path | None, typer.Option(help="boxes of people in its frames: .bb, or .csv")
    ] = None,
    keypoints: Annotated[
        str, typer.Option(help="that say how the camera moves: sift, sift-full or none")
    ] = "sift",
) -> dict[str, Any]:
    """Follow what moves in a video: improved dense trajectories, a row of 436 numbers each."""
    from triptych.descriptors import choices
    from triptych.descriptors.needed import require

    kind, how = choices.format(format), choices.keypoints(keypoints)
    require()
    from triptych.descriptors.extract import extract
    from triptych.progress import say

    rows, frames = extract(video, out, format=kind, keypoints=how, boxes=boxes)
    if frames < 16:
        say(f"{video}: a trajectory spans 16 frames, and this has {frames}")
    return {"rows": str(out), "trajectories": rows, "frames": frames}
