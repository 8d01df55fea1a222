"""How far each method stands narration that is off in time, or misheard, on the demo collection.

The videos stay as they are; their captions are spoken again, with another standard deviation from a
step to its words, or another share of words misheard. Every method is trained on the training
videos with these captions; what is asked of it is always the same: clean words of the actions, and
the steps as they are, on videos that it has not seen. DEMO is what ``triptych demo`` left, STREAMS
what ``triptych describe backbone`` stored of its videos.

    python -m benchmarks.narration DEMO video=STORE,STORE audio=STORE --out OUT
        [--offsets 0,0.2,1,2,4] [--noise 0,0.05,0.2,0.5] [--seeds 3] [KEY=VALUE]...
"""

from __future__ import annotations

import argparse
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import triptych
from triptych.atomic import whole_folder
from triptych.demo import narration
from triptych.demo.collection import Collection, open_collection
from triptych.demo.kitchen import plan_collection
from triptych.demo.knobs import Knobs

METHODS = (
    "mcn",
    "mcn:name=contrast;joint.cluster=0;joint.reconstruct=0",
    "max_margin",
    "mil_nce",
)
PROBES = ("retrieval right=words mAP", "localization order=none IoU")


def main() -> None:
    """Speak, scan, compare, and print a table for each axis."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("demo", type=Path)
    parser.add_argument("words", nargs="*", help="video=STORE,…, audio=STORE,…, KEY=VALUE")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--offsets", default="0,0.2,1,2,4")
    parser.add_argument("--noise", default="0,0.05,0.2,0.5")
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    collection = open_collection(options.demo / "collection")
    line = options.out / "line"
    triptych.scan(collection.videos, line, window=2, hop=1)
    settings = [
        f"features.{word}" if word.startswith(("video=", "audio=")) else word
        for word in options.words
    ]
    for axis, values in (
        ("narration_offset", options.offsets),
        ("transcription_noise", options.noise),
    ):
        knobs = [replace(collection.knobs, **{axis: float(value)}) for value in values.split(",")]
        names = [f"{axis}-{value}" for value in values.split(",")]
        manifests = [
            spoken(collection, one, options.out / name)
            for one, name in zip(knobs, names, strict=True)
        ]
        steps = collection.folder / "steps.csv"
        placed = f"localization:steps={steps};clips={line / 'manifest.parquet'};order=none"
        found = triptych.compare(
            [*METHODS, "modalities=video,audio,text", *settings],
            manifest=options.demo / "manifest.parquet",
            labels=options.demo / "clip_labels.csv",
            target=["action"],
            axis=[f"manifest={','.join(str(path) for path in manifests)}"],
            evaluate=["retrieval:right=words;through=video,audio", f"{placed};words=action"],
            vector="vector_text",
            seeds=options.seeds,
            out=options.out / axis,
        )
        table(axis, found["table"])


def spoken(collection: Collection, knobs: Knobs, folder: Path) -> Path:
    """The manifest of the same videos with captions by ``knobs``, made where it is not there."""
    if not folder.exists():
        with whole_folder(folder) as beside:
            (beside / "videos").mkdir()
            for plan in plan_collection(knobs):
                name = f"{plan.name}.mp4"
                os.link(collection.videos / name, beside / "videos" / name)
                text = narration.webvtt(narration.captions(plan, knobs))
                (beside / "videos" / f"{plan.name}.vtt").write_text(text, encoding="utf-8")
    if not (folder / "manifest.parquet").exists():
        triptych.scan(folder / "videos", folder)
    return folder / "manifest.parquet"


def table(axis: str, rows: list[dict[str, Any]]) -> None:
    """Print what each method reached with each of the captions, with its interval."""
    print(f"\n{axis}; value [95 %] over videos, seeds in DEMO's compare folder")
    for row in rows:
        if row["probe"] in PROBES and row["value"] is not None:
            print(
                f"  {row['row']:<60}{row['probe']:<32}{row['value']:.3f} "
                f"[{row['low']:.3f} {row['high']:.3f}]"
            )


if __name__ == "__main__":
    main()
