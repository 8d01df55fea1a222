"""``doctor`` and ``scan``: what is in a folder."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

Folder = Annotated[Path, typer.Argument(help="the folder of videos, sounds and captions")]
Workers = Annotated[int | None, typer.Option(help="processes; default: one a core")]


def doctor(folder: Folder, workers: Workers = None) -> dict[str, Any]:
    """Decode everything in FOLDER and print what is not plainly good; writes nothing."""
    from triptych.manifest.doctor import doctor as examine

    return {"files": [asdict(problem) for problem in examine(folder, workers=workers)]}


def scan(
    folder: Folder,
    out: Annotated[Path, typer.Option(help="where manifest.parquet and problems.parquet go")],
    window: Annotated[float, typer.Option(help="seconds of a clip where no captions cut")] = 4.0,
    min_caption: Annotated[
        float, typer.Option(help="neighbouring captions are merged up to so many seconds")
    ] = 4.0,
    whole: Annotated[
        bool, typer.Option(help="each file one clip, with all its captions; see clip.segments")
    ] = False,
    hop: Annotated[
        float | None,
        typer.Option(help="a time line: windows every so many seconds, not cut by captions"),
    ] = None,
    workers: Workers = None,
) -> dict[str, Any]:
    """Cut the videos of FOLDER into clips and say which files are bad, and why."""
    from triptych.manifest.scan import scan as read

    found = read(
        folder, out, window=window, min_caption=min_caption, whole=whole, hop=hop, workers=workers
    )
    manifest = found.manifest
    return {
        "manifest": str(out / "manifest.parquet"),
        "clips": len(manifest),
        "videos": len(set(manifest.column("path"))),
        **{f"with_{name}": int(manifest.has(name).sum()) for name in ("video", "audio", "text")},
        "files": [asdict(problem) for problem in found.problems],
    }
