"""``people``, ``trajectories``, ``describe``: what is in videos, without learning anything."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from triptych.verbs.learn import Root, Workers

Every = Annotated[int | None, typer.Option(help="look for people in every N-th frame; default 5")]
Confidence = Annotated[
    float | None,
    typer.Option(help="least score of a person; default 0.3 for hog, 0.5 for a network"),
]
Detector = Annotated[
    str | None,
    typer.Option("--people", help="find people: by hog, or by the network in this folder"),
]


def people(
    video: Annotated[Path, typer.Argument(help="the video")],
    out: Annotated[Path, typer.Option(help="the .csv of boxes to write, for --boxes")],
    detector: Annotated[
        str, typer.Option(help="hog, or the folder of a network that detects objects")
    ] = "hog",
    every: Every = None,
    confidence: Confidence = None,
) -> dict[str, Any]:
    """Find people in a video, whose motion is not the camera's: a row for each in each frame."""
    from triptych.descriptors.needed import require

    require()
    from triptych.descriptors.extract import find_people
    from triptych.descriptors.finding import finding

    asked = finding(detector, every, confidence)
    frames, peopled = find_people(video, out, asked)
    return {"boxes": str(out), "frames": frames, "with_people": peopled, **asked.facts}


DeviceName = Annotated[
    str | None,
    typer.Option(
        help="cuda, or cpu: batches in torch; default: idt's compiled program; of backbone a GPU"
    ),
]
Frames = Annotated[
    int | None, typer.Option(help="with --device: pictures of 340x256 held at once; default 256")
]


def trajectories(
    video: Annotated[Path, typer.Argument(help="the video")],
    out: Annotated[Path, typer.Option(help="the file of trajectories to write")],
    format: Annotated[
        str, typer.Option(help="parquet; or idt, the original's text, .gz compressed")
    ] = "parquet",
    boxes: Annotated[
        Path | None, typer.Option(help="boxes of people in its frames: .bb, or .csv")
    ] = None,
    people: Detector = None,
    every: Every = None,
    confidence: Confidence = None,
    keypoints: Annotated[
        str, typer.Option(help="what tells the camera's motion: sift, sift-full or none")
    ] = "sift",
    fast: Annotated[
        bool, typer.Option("--fast", help="flow from half size up: sooner, other trajectories")
    ] = False,
    device: DeviceName = None,
    frames: Frames = None,
) -> dict[str, Any]:
    """Follow what moves in a video: improved dense trajectories, a row of 436 numbers each."""
    from triptych.descriptors import choices
    from triptych.descriptors.needed import require

    kind, how = choices.format(format, out), choices.keypoints(keypoints)
    require()
    from triptych.descriptors.batched.device import device_of
    from triptych.descriptors.extract import extract
    from triptych.descriptors.finding import finding_unless
    from triptych.progress import say

    found = finding_unless(boxes, people, every, confidence)
    where = device_of(device, frames, fast=fast)
    rows, length = extract(
        video, out, format=kind, keypoints=how, boxes=boxes, finding=found, fast=fast, device=where
    )
    if length < 16:
        say(f"{video}: a trajectory spans 16 frames, and this has {length}")
    return {"rows": str(out), "trajectories": rows, "frames": length}


def describe(
    name: Annotated[str, typer.Argument(help="which descriptor: idt, backbone or features")],
    manifest: Annotated[Path, typer.Option(help="manifest.parquet, from `triptych scan`")],
    overrides: Annotated[
        list[str] | None, typer.Argument(metavar="KEY=VALUE", help="its settings")
    ] = None,
    out: Annotated[Path, typer.Option(help="where NAME.parquet goes, and what made it")] = Path(
        "descriptors"
    ),
    model: Annotated[
        Path | None, typer.Option(help="use this fitted model, rather than fit one")
    ] = None,
    boxes: Annotated[
        Path | None, typer.Option(help="a folder with boxes of people: a/b.bb for a/b.mp4")
    ] = None,
    people: Detector = None,
    every: Every = None,
    confidence: Confidence = None,
    keep_rows: Annotated[
        bool, typer.Option("--keep-rows", help="keep the trajectories too, in OUT/NAME_rows")
    ] = False,
    device: DeviceName = None,
    frames: Frames = None,
    root: Root = None,
    workers: Workers = None,
) -> dict[str, Any]:
    """Describe every video, without labels or learning; goes on where it was stopped.

    idt: one vector each. backbone: rows of features by frozen networks, so many a second.
    features: such rows that others have stored.
    """
    from triptych.descriptors.describe import describe as whole
    from triptych.manifest.schema import Manifest

    return whole(
        name,
        Manifest.read(manifest, root),
        out,
        overrides or [],
        workers=workers,
        model=model,
        boxes=boxes,
        people=people,
        every=every,
        confidence=confidence,
        keep_rows=keep_rows,
        device=device,
        frames=frames,
    )
