"""A work folder as `fit` leaves it: twelve coloured clips of six films, clusters set by hand."""

from pathlib import Path

import av
import numpy as np
import pyarrow as pa

from triptych.clustering.whiten import Whitening
from triptych.embeddings.table import EmbeddingTable
from triptych.manifest.schema import SCHEMA, Manifest, clip_id
from triptych.state import checkpoint
from triptych.state.assignments import Assignment

COLOURS = [(220, 0, 0), (0, 220, 0), (0, 0, 220), (220, 220, 0), (0, 220, 220), (220, 0, 220)]
LABELS = ["stir"] * 3 + ["boil"] * 2 + [""] + ["cut"] * 5 + ["stir"]
WORDS = ["stir the pot"] * 6 + ["cut bread"] * 5 + [""]
CLUSTERS = {
    "video": ([0] * 6 + [1] * 5 + [2], 3),
    "audio": ([0, 0, 0, 0, 1, 1] + [-1] * 6, 2),
    "joint": ([1, 1, 1, 0, 0, 0] + [-1] * 6, 2),
}
OF = {"video": ["video"], "audio": ["audio"], "joint": ["video", "audio"]}
# Beside each other by group; within the second, row 8 is at its centre, 6 and 10 farthest. Where
# zero lies says nothing: only less their mean do the first group's vectors have one direction.
VECTORS = np.array(
    [(-10, y) for y in (-3, -1, 0, 1, 3, 0)] + [(10, y) for y in (-3, -1, 0, 1, 3)] + [(-10, 0)],
    np.float32,
) + np.array([10, 0.5], np.float32)


def film(path: Path, first: int) -> None:
    """Two seconds, each of one colour."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for number in range(20):
            pixels = np.full((64, 96, 3), COLOURS[(first + number // 10) % 6], np.uint8)
            out.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, "rgb24")))
        out.mux(stream.encode(None))


def manifest(root: Path) -> Manifest:
    rows = []
    for row in range(12):
        path, start = f"film-{row // 2}.mp4", float(row % 2)
        rows.append(
            {
                "clip_id": clip_id(path, start, start + 1),
                "path": path,
                "start": start,
                "end": start + 1,
                "text": WORDS[row],
                "has_video": True,
                "has_audio": row < 6,
                "has_text": bool(WORDS[row]),
                "width": 96,
                "height": 64,
                "fps": 10.0,
                "fingerprint": "0",
            }
        )
    return Manifest(root, pa.Table.from_pylist(rows, SCHEMA))


def make(work: Path, *, films: bool = False, trained: bool = True) -> Manifest:
    """Fill ``work``; its videos are in a folder beside it, where ``films``."""
    root = work / "videos"
    root.mkdir(parents=True)
    if films:
        for number in range(6):
            film(root / f"film-{number}.mp4", 2 * number)
    clips = manifest(root)
    clips.write(work / "manifest.parquet")
    vectors = {
        "vector_video": (VECTORS, np.ones(12, bool)),
        "vector_audio": (VECTORS[::-1].copy(), clips.has("audio")),
    }
    EmbeddingTable.build(clips, vectors, "w").write(work / "embeddings.parquet")
    save(work / "run" / "checkpoints" / "best.safetensors", clips, trained)
    return clips


def save(path: Path, clips: Manifest, trained: bool = True) -> None:
    """A checkpoint with the clusters above, or none of them before the first step."""
    known = CLUSTERS if trained else {}
    tensors = {}
    for name, (labels, k) in known.items():
        centroids = np.zeros((k, 2), np.float32)
        held = Assignment(np.array(labels), centroids, Whitening.none(2)).tensors()
        tensors |= {f"assignments.{name}.{key}": value for key, value in held.items()}
    state = {"clusterings": list(known), "epoch": 4, "refreshed": 2 if trained else -1}
    facts = {"method": "xdc", "clusters": OF, "manifest": clips.digest, "weights": "w"}
    checkpoint.save(path, tensors, {**facts, "state": state})


def labels(path: Path, clips: Manifest) -> Path:
    """The labels as a CSV by clip."""
    ids = clips.column("clip_id")
    lines = [f"{name},{label}" for name, label in zip(ids, LABELS, strict=True)]
    path.write_text("\n".join(["clip_id,action", *lines]) + "\n")
    return path
