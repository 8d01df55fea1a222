"""A work folder over real videos, with vectors and captions made up so that groups are known.

`python -m tests.explore.collection WORK VIDEOS` makes one to look at.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import av
import numpy as np
import pyarrow as pa

from triptych.embeddings.clusters import cluster
from triptych.embeddings.table import EmbeddingTable
from triptych.manifest.problems import Problem, write_problems
from triptych.manifest.schema import SCHEMA, Manifest, clip_id, fingerprint

STEPS = (
    "whisk the eggs and milk in a bowl",
    "chop the onions finely with a sharp knife",
    "stir the pot so that the sauce does not burn",
    "knead the dough until it is smooth",
    "pour the batter into the hot pan",
    "peel the potatoes and rinse them",
    "fold the paper along the dotted line",
    "tighten the screws with the wrench",
    "sand the board and wipe off the dust",
    "water the seedlings in the greenhouse",
)
FILLER = (
    "now we",
    "and then you",
    "what i do is",
    "remember to",
    "slowly",
    "carefully",
    "right here",
)
CLIP_SECONDS = 10.0


def manifest(root: Path, files: Sequence[Path], *, narrated: float = 0.8) -> Manifest:
    """Clips of up to ten seconds of ``files``; a share of them with made-up words."""
    draw = np.random.default_rng(0)
    rows: list[dict[str, Any]] = []
    for number, file in enumerate(sorted(files)):
        with av.open(str(file)) as media:
            seconds = (media.duration or 1_000_000) / 1e6
            video = media.streams.video[0] if media.streams.video else None
            sound = bool(media.streams.audio)
        path = file.relative_to(root).as_posix()
        for part in range(max(1, round(seconds / CLIP_SECONDS))):
            start = part * CLIP_SECONDS
            end = min(seconds, start + CLIP_SECONDS)
            step = STEPS[(number + part) % len(STEPS)].split()
            kept = [word for word in step if draw.random() < 0.85]
            text = f"{draw.choice(FILLER)} {' '.join(kept)}" if draw.random() < narrated else ""
            rows.append(
                {
                    "clip_id": clip_id(path, start, end),
                    "path": path,
                    "start": start,
                    "end": end,
                    "text": text,
                    "has_video": video is not None,
                    "has_audio": sound,
                    "has_text": bool(text),
                    "width": video.width if video else 0,
                    "height": video.height if video else 0,
                    "fps": float(video.average_rate or 0) if video else 0.0,
                    "fingerprint": fingerprint(file),
                }
            )
    return Manifest(root, pa.Table.from_pylist(rows, SCHEMA))


def embeddings(clips: Manifest) -> EmbeddingTable:
    """Vectors that lie near one direction per narrated step."""
    draw = np.random.default_rng(1)
    wanted = [
        next((s for s, step in enumerate(STEPS) if set(step.split()[-2:]) & set(text.split())), i)
        for i, text in enumerate(clips.column("text"))
    ]
    groups = np.array([w % len(STEPS) for w in wanted])
    centres = draw.normal(size=(len(STEPS), 24))
    spread = 0.25 + 0.1 * groups[:, None]
    joint = centres[groups] + spread * draw.normal(size=(len(clips), 24))
    columns = {
        name: ((joint + 0.2 * draw.normal(size=joint.shape)).astype(np.float32), has)
        for name, has in [
            *((f"vector_{m}", clips.has(m)) for m in ("video", "audio", "text")),
            *((f"shared_{m}", clips.has(m)) for m in ("video", "audio", "text")),
            ("vector_joint", np.ones(len(clips), bool)),
        ]
    }
    return EmbeddingTable.build(clips, columns, "c0ffee", method="xdc")


def metrics(epochs: int = 24) -> list[dict[str, Any]]:
    """Rows as a run writes them, of a run that went well and was best at epoch 20."""
    draw = np.random.default_rng(2)
    rows = []
    for epoch in range(epochs):
        done = 1 - np.exp(-epoch / 7)
        wobble = lambda scale=0.02: float(draw.normal() * scale)  # noqa: E731
        names = ("video", "audio")
        rows.append(
            {
                "epoch": epoch,
                "step": 10 * epoch + 10,
                "loss": {
                    "video_teaches_audio": 2.3 - 1.2 * done + wobble(0.05),
                    "audio_teaches_video": 2.3 - 1.5 * done + wobble(0.05),
                },
                "learning_rate": 0.01,
                "clips_per_second": 120 + 100 * wobble(),
                "data_wait": abs(0.03 + wobble()),
                "clusterings": {
                    name: {
                        "k": 10,
                        "used": 10,
                        "size_entropy": 0.9 + 0.05 * done + wobble(0.01),
                        "nmi_previous": None if epoch == 0 else 0.2 + 0.6 * done + wobble(),
                        "inertia": 100 - 40 * done,
                    }
                    for name in names
                },
                "effective_rank": {name: 8 + 12 * done + 10 * wobble() for name in names},
                "agreement": {"video~audio": 0.1 + 0.4 * done + wobble()},
                "best": epoch in (0, 7, 19),
                "seconds": 3.2,
            }
        )
    return rows


def make(work: Path, root: Path, files: Sequence[Path], problems: Sequence[Problem] = ()) -> None:
    """Fill ``work`` as a fit of ``files`` would."""
    clips = manifest(root, files)
    clips.write(work / "manifest.parquet")
    write_problems(work / "problems.parquet", problems)
    embeddings(clips).write(work / "embeddings.parquet")
    k = min(len(STEPS), max(1, len(clips) // 3))
    cluster(work / "embeddings.parquet", work / "clusters.parquet", k=k)
    (work / "run").mkdir()
    lines = [json.dumps(row) + "\n" for row in metrics()]
    (work / "run" / "metrics.jsonl").write_text("".join(lines))
    facts = {
        "root": str(root),
        "picked": ["modalities video, audio", "method xdc", "10 clusters: one for every 16 clips"],
        "recipe": {"method": "xdc", "modalities": ["video", "audio"], "clip": {"frames": 8}},
        "rule": "highest NMI between the clusterings of different modalities",
        "checkpoint": "best.safetensors",
        "sha256": "0123456789abcdef" * 4,
        "finished": True,
        "stages": {"scan": 3.1, "cache": 12.0, "pretrain": 140.0, "embed": 4.2},
    }
    (work / "fit.json").write_text(json.dumps(facts))


SOME = (
    Problem("demo damaged.mp4", "damaged", "366 of 1441 frames decode", "uses what decodes"),
    Problem("notes.mp4", "unreadable", "Invalid data found when processing input", "left out"),
    *(Problem(f"cam/{i:03}.mp4", "no-audio", "no sound stream", "video only") for i in range(49)),
)

if __name__ == "__main__":
    _work, _root = map(Path, sys.argv[1:])
    _work.mkdir(parents=True)
    make(_work, _root, [file for file in _root.rglob("*") if file.is_file()], SOME)
