"""Sixteen films: two scenes by two motions, four of each, and vectors that know one of them."""

from pathlib import Path

import av
import numpy as np
import pyarrow as pa

from triptych.descriptors.table import DescriptorTable
from triptych.embeddings.table import EmbeddingTable
from triptych.manifest.schema import SCHEMA, Manifest, clip_id

COUNT, FRAMES, RATE = 16, 20, 10
HEIGHT, WIDTH = 72, 96
SCENES = ["yard" if number % 2 else "pool" for number in range(COUNT)]
MOTIONS = ["down" if number % 4 > 1 else "across" for number in range(COUNT)]


def frames(number: int) -> np.ndarray:
    """(frames, height, width, 3): a bright square that moves before what stands still."""
    draw = np.random.default_rng(number)
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    slope = x / WIDTH if SCENES[number] == "pool" else y / HEIGHT
    colour = np.array([40, 90, 160] if SCENES[number] == "pool" else [140, 110, 50])
    still = slope[..., None] * colour + draw.integers(0, 40, (HEIGHT, WIDTH, 1))
    out = np.repeat(still[None], FRAMES, axis=0)
    texture = draw.integers(120, 255, (16, 16, 3))
    for at in range(FRAMES):
        gone = 4 * at
        top, left = draw_start(number)
        if MOTIONS[number] == "across":
            left = (left + gone) % (WIDTH - 16)
        else:
            top = (top + gone) % (HEIGHT - 16)
        out[at, top : top + 16, left : left + 16] = texture
    return out.astype(np.uint8)


def draw_start(number: int) -> tuple[int, int]:
    return (7 * number) % (HEIGHT - 16), (11 * number) % (WIDTH - 16)


def name(number: int) -> str:
    return f"film-{number:02}.mp4"


def write(path: Path, pictures: np.ndarray) -> None:
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=RATE)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for picture in pictures:
            out.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        out.mux(stream.encode(None))


def manifest(root: Path) -> Manifest:
    end = FRAMES / RATE
    rows = [
        {
            "clip_id": clip_id(name(number), 0.0, end),
            "path": name(number),
            "start": 0.0,
            "end": end,
            "text": "",
            "has_video": True,
            "has_audio": False,
            "has_text": False,
            "width": WIDTH,
            "height": HEIGHT,
            "fps": float(RATE),
            "fingerprint": "0",
        }
        for number in range(COUNT)
    ]
    return Manifest(root, pa.Table.from_pylist(rows, SCHEMA))


def vectors(of: list[str]) -> np.ndarray:
    """Two directions, one for each name in ``of``, and a little noise."""
    sign = np.where(np.array(of) == of[0], 1.0, -1.0)
    noise = np.random.default_rng(3).normal(size=(COUNT, 2)) * [0.05, 0.2]
    return np.stack([sign, 0 * sign], axis=1).astype(np.float32) + noise.astype(np.float32)


def make(folder: Path) -> Manifest:
    """The films, their manifest, embeddings by scene and descriptors by motion, and labels."""
    root = folder / "videos"
    root.mkdir(parents=True)
    for number in range(COUNT):
        write(root / name(number), frames(number))
    clips = manifest(root)
    clips.write(folder / "manifest.parquet")
    known = {"vector_video": (vectors(SCENES), np.ones(COUNT, bool))}
    EmbeddingTable.build(clips, known, "w").write(folder / "embeddings.parquet")
    paths = tuple(name(number) for number in range(COUNT))
    (folder / "idt").mkdir()
    DescriptorTable(paths, vectors(MOTIONS), None, {}).write(folder / "idt" / "idt.parquet")
    lines = [
        f"{path},{motion},{scene},{'odd' if number % 3 else 'even'}"
        for number, (path, motion, scene) in enumerate(zip(paths, MOTIONS, SCENES, strict=True))
    ]
    (folder / "labels.csv").write_text("\n".join(["path,motion,scene,other", *lines]) + "\n")
    return clips
