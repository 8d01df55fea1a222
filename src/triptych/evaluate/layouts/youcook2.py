"""YouCook2's validation clips: a sentence each, and the clip that it describes.

Zhou et al. (2018). Two layouts are in use: the pickles of Miech et al. (2019), AVLnet and MCN, with
features; and MIL-NCE's list of spans, with features of whole videos beside it or without any.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from triptych.errors import UsageError
from triptych.evaluate.layouts import records
from triptych.evaluate.layouts.files import Wanted, numbers, require, rows, some
from triptych.evaluate.layouts.records import pictures, retrieval
from triptych.evaluate.layouts.sets import RetrievalSet
from triptych.evaluate.layouts.stored import RATES, sources
from triptych.evaluate.layouts.streams import Floats, between

OFFICIAL = 3350  # validation clips
AUDIO_FRAMES = 5120  # that AVLnet and MCN hear of a clip: 51 s
KEYS = {"2d": ("2d", "2d_pooled", "2d_full"), "3d": ("3d", "3d_pooled", "3d_full")}
ID = 11  # characters of a name at YouTube; the clip's number follows

PICKLE = Wanted(
    ("youcook_val_audio.pkl", "youcook_val.pkl", "val.pkl"),
    "a pickle: list of clips with id, 2d, 3d, audio, caption",
    "AVLnet's release data, or HowTo100M's without audio",
)
CSV = Wanted(
    ("validation_youcook.csv",),
    "a list: end, start, task, text, video_id",
    "the csv folder of MIL-NCE's code",
)
VARIANTS = {"pickle": PICKLE, "csv": CSV}


def read(folder: Path, variant: str | None = None) -> RetrievalSet:
    """The clips in ``folder``, by the pickle, or else by MIL-NCE's list.

    ``variant`` ("pickle" or "csv") chooses where both are there. Raises UserError in one line.
    """
    if variant not in (None, *VARIANTS):
        raise UsageError(f"youcook2: variant {variant!r} is not known; choose pickle or csv")
    if variant is None and PICKLE.here(folder) is None and CSV.here(folder) is not None:
        variant = "csv"
    [path] = require(folder, [VARIANTS[variant or "pickle"]], "YouCook2")
    return _csv(path) if variant == "csv" else _pickle(path)


def _pickle(path: Path) -> RetrievalSet:
    found = records.read(path)
    ids = [record["id"] for record in found]
    vectors = {
        name: [records.vector(path, record, keys) for record in found]
        for name, keys in KEYS.items()
    }
    return retrieval(
        "youcook2",
        official=OFFICIAL,
        ids=ids,
        captions=[str(record.get("caption") or "") for record in found],
        groups=[name[:ID] for name in ids],
        shown=pictures(path, ids, vectors),
        audio=records.sounds(path, found, AUDIO_FRAMES),
        denominator=len(found),
        protocol={"layout": "pickle", "list": path.name},
    )


def _csv(path: Path) -> RetrievalSet:
    found = rows(path, ["end", "start", "task", "text", "video_id"])
    spans = np.array(
        [numbers(path, i, (row["start"], row["end"])) for i, row in enumerate(found, 2)]
    ).reshape(len(found), 2)
    videos = [row["video_id"] for row in found]
    places = [path.parent, path.parent / "features"]
    files = {video: sources(places, video) for video in dict.fromkeys(videos)}
    ids = [f"{video}_{start:g}_{end:g}" for video, (start, end) in zip(videos, spans, strict=True)]
    vectors: dict[str, list[Floats | None]] = {name: [None] * len(found) for name in RATES}
    for video, held in files.items():
        for source in held:
            seconds = source.rows()
            for i in np.flatnonzero(np.array(videos) == video):
                vectors[source.name][i] = between(seconds, RATES[source.name], *spans[i])
    without = [video for video, held in files.items() if not held]
    remark = (
        f"youcook2: {len(without)} of {len(files)} videos have no features in {path.parent.name}/ "
        f"(VIDEO_2d.npz and VIDEO_3d.npz, as of MCN): {some(without)}"
    )
    return retrieval(
        "youcook2",
        official=OFFICIAL,
        ids=ids,
        captions=[row["text"] for row in found],
        groups=videos,
        shown=pictures(path, ids, vectors),
        audio=None,
        denominator=len(found),
        spans=spans,
        protocol={"layout": "csv", "list": path.name, "videos": len(files)},
        remarks=[remark] if without else [],
    )
