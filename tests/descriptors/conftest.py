"""Real rows of trajectories, small films; and which tests cannot run without OpenCV or numba."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.clips.conftest import UNEVEN, beep, flash
from tests.clips.making import clock, manifest_of, numbered, write_video
from triptych.descriptors.needed import missing
from triptych.descriptors.sample import Floats
from triptych.manifest.schema import Manifest

collect_ignore = (
    [
        f"test_{name}.py"
        for name in (
            "polynomial",
            "displacement",
            "pyramid",
            "camera",
            "histograms",
            "tracks",
            "trajectories",
            "frames",
            "decimal",
            "rows",
            "extract",
            "collection",
            "videos",
        )
    ]
    + ["batched"]
    if missing()
    else []
)


@pytest.fixture(scope="session")
def reference(data: Path) -> Floats:
    """What the original program made of a film: 2001 trajectories, 436 columns."""
    return np.loadtxt(data / "idt_reference" / "person01_boxing_d1.gz", dtype=np.float32)


@pytest.fixture(scope="session")
def boxing(reference: Floats) -> Floats:
    """The columns of it that describe, 426."""
    return np.ascontiguousarray(reference[:, 10:])


@pytest.fixture(scope="session")
def media(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """Films with sound, without, of uneven frames, of two frames, and a file that is none."""
    root = tmp_path_factory.mktemp("root")
    write_video(root / "flash.mp4", [40 * i for i in range(200)], picture=flash, sound=beep())
    write_video(root / "silent.mp4", [40 * i for i in range(90)], picture=numbered)
    write_video(root / "uneven.mkv", UNEVEN, picture=clock)
    write_video(root / "short.mp4", [0, 40], picture=numbered)
    (root / "broken.mp4").write_bytes(b"\x00\x00\x00\x18ftypmp42" + b"no film" * 99)
    spans = {
        "flash.mp4": 8.0,
        "silent.mp4": 3.6,
        "uneven.mkv": 10.0,
        "short.mp4": 0.08,
        "broken.mp4": 4.0,
    }
    clips = [
        {"path": path, "start": start, "end": end, "has_audio": path in ("flash.mp4", "broken.mp4")}
        for path, last in spans.items()
        for start, end in ([(0.0, last / 2), (last / 2, last)] if last > 1 else [(0.0, last)])
    ]
    return manifest_of(root, clips)
