"""MSR-VTT's 1,000 test clips in the choice of JSFusion, a sentence each.

Xu et al. (2016), Yu et al. (2018). Two layouts are in use: the pickle of AVLnet, which MCN reads
and which holds only the 968 clips that have sound; and HowTo100M's list with a file of features.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from triptych.errors import UsageError, UserError
from triptych.evaluate.layouts import records
from triptych.evaluate.layouts.files import Wanted, parsed, require, rows, some
from triptych.evaluate.layouts.records import pictures, retrieval
from triptych.evaluate.layouts.sets import RetrievalSet
from triptych.evaluate.layouts.streams import pooled
from triptych.evaluate.layouts.untrusted import tensors

Absent = Literal["mistakes", "left out"]

OFFICIAL = 1000
WITH_SOUND = 968  # AVLnet's pickle; its authors count the other 32 queries as mistakes
AUDIO_FRAMES = 3072  # that AVLnet and MCN hear of a clip: 31 s
KEYS = {"2d": ("2d_pooled", "2d"), "3d": ("3d_pooled", "3d")}

PICKLE = Wanted(
    ("msrvtt_jsfusion_test.pkl",),
    "a pickle: list of clips with id, 2d_pooled, 3d_pooled, audio, eval_caption",
    "AVLnet's release data",
)
LIST = Wanted(
    ("MSRVTT_JSFUSION_test.csv", "msrvtt_test.csv", "test_sentences.csv"),
    "a list: key, vid_key, video_id, sentence",
    "HowTo100M's evaluation data",
)
FEATURES = Wanted(
    ("msrvtt_test_features.pth", "features.pth"),
    "features of videos: {'2d', '3d'} to names to tensors",
    "HowTo100M's evaluation data",
)
SENTENCES = Wanted(
    ("MSRVTT_data.json", "test_videodatainfo.json"),
    "sentences with video_id and caption",
    "MSR-VTT's authors",
)


def read(folder: Path, variant: str | None = None, absent: Absent | None = None) -> RetrievalSet:
    """The clips in ``folder``, by AVLnet's pickle ("avlnet"), or else the list ("howto100m").

    ``absent`` says what the queries count as whose clip is not here: mistakes, as AVLnet and MCN
    count the 32 clips without sound, or nothing. Without a choice: mistakes for exactly the 968 of
    AVLnet; else it is a subset, and they are left out. Raises UserError in one line.
    """
    if variant not in (None, "avlnet", "howto100m"):
        raise UsageError(f"msrvtt: variant {variant!r} is not known; choose avlnet or howto100m")
    if absent not in (None, "mistakes", "left out"):
        raise UsageError(f"msrvtt: absent={absent!r} is not known; choose mistakes or left out")
    if variant is None:
        listed = LIST.here(folder) or FEATURES.here(folder)
        variant = "howto100m" if PICKLE.here(folder) is None and listed else "avlnet"
    if variant == "avlnet":
        [path] = require(folder, [PICKLE], "MSR-VTT as AVLnet gave it out")
        return _avlnet(path, LIST.here(folder), absent)
    listed, features = require(folder, [LIST, FEATURES], "MSR-VTT as HowTo100M gave it out")
    return _howto100m(listed, features, SENTENCES.here(folder), absent)


def _avlnet(path: Path, listed: Path | None, absent: Absent | None) -> RetrievalSet:
    found = records.read(path)
    remarks, queries = [], OFFICIAL
    if listed is not None:
        wanted = {row["video_id"] for row in rows(listed, ["video_id"])}
        queries = len(wanted)
        others = [record["id"] for record in found if record["id"] not in wanted]
        found = [record for record in found if record["id"] in wanted]
        if others:
            remarks.append(
                f"msrvtt: {len(others)} clips of {path.name} are not in {listed.name} and are left "
                f"out: {some(others)}"
            )
        if not found:
            raise UserError(f"{path}: none of its clips is in {listed.name}; one of them is wrong")
    ids = [record["id"] for record in found]
    vectors = {
        name: [records.vector(path, record, keys) for record in found]
        for name, keys in KEYS.items()
    }
    return _set(
        ids,
        [_caption(record) for record in found],
        queries,
        absent,
        shown=pictures(path, ids, vectors),
        audio=records.sounds(path, found, AUDIO_FRAMES),
        protocol={"layout": "avlnet", "list": path.name, "caption": "eval_caption"},
        remarks=remarks,
    )


def _caption(record: records.Record) -> str:
    chosen = record.get("eval_caption")
    if chosen is None:
        every = record.get("caption") or ""
        chosen = every if isinstance(every, str) else next(iter(every), "")
    return str(chosen)


def _howto100m(
    listed: Path, features: Path, sentences: Path | None, absent: Absent | None
) -> RetrievalSet:
    found = rows(listed, ["video_id"])
    if "sentence" in found[0]:
        captions, whence = [row["sentence"] for row in found], f"{listed.name}: sentence"
    elif sentences is not None:
        first = _first_sentences(sentences)
        captions = [first.get(row["video_id"], "") for row in found]
        whence = f"{sentences.name}: the first of each clip"
    else:
        raise UserError(f"{listed}: no column sentence, and no {SENTENCES.names[0]} beside it")
    held = tensors(features)
    if not isinstance(held, dict) or not all(isinstance(held.get(name), dict) for name in KEYS):
        raise UserError(f"{features}: no dictionary of '2d' and '3d'; another file is meant")
    ids = [row["video_id"] for row in found]
    here = [i for i, name in enumerate(ids) if any(name in held[stream] for stream in KEYS)]
    if not here:
        raise UserError(f"{features}: has none of the {len(ids)} clips of {listed.name}")
    kept = [ids[i] for i in here]
    lacking = [name for name in ids if name not in set(kept)]
    remarks = []
    if lacking:
        remarks.append(
            f"msrvtt: {len(lacking)} of {len(ids)} clips of {listed.name} are not in "
            f"{features.name}: {some(lacking)}"
        )
    vectors = {name: [_vector(features, held[name], one) for one in kept] for name in KEYS}
    return _set(
        kept,
        [captions[i] for i in here],
        len(ids),
        absent,
        shown=pictures(features, kept, vectors),
        audio=None,
        protocol={"layout": "howto100m", "list": listed.name, "caption": whence},
        remarks=remarks,
    )


def _vector(path: Path, held: Mapping[Any, Any], name: str) -> NDArray[np.floating] | None:
    found = held.get(name)
    if found is None:
        return None
    if not isinstance(found, np.ndarray) or found.ndim not in (1, 2) or not found.size:
        raise UserError(f"{path}: {name}: no tensor of features")
    return pooled(found)


def _first_sentences(path: Path) -> dict[str, str]:
    found = parsed(path)
    try:
        first: dict[str, str] = {}
        for one in found["sentences"]:
            first.setdefault(str(one["video_id"]), str(one["caption"]))
    except (KeyError, TypeError):
        raise UserError(f"{path}: no list 'sentences' of video_id and caption") from None
    return first


def _set(
    ids: Sequence[str],
    captions: Sequence[str],
    queries: int,
    absent: Absent | None,
    *,
    protocol: dict[str, Any],
    **columns: Any,
) -> RetrievalSet:
    counted = absent or (
        "mistakes" if (len(ids), queries) == (WITH_SOUND, OFFICIAL) else "left out"
    )
    queries = max(queries, len(ids))
    said = {
        **protocol,
        "queries_listed": queries,
        "queries_whose_clip_is_absent": queries - len(ids),
        "they_count_as": counted if queries > len(ids) else "there are none",
    }
    return retrieval(
        "msrvtt",
        official=OFFICIAL,
        ids=ids,
        captions=captions,
        groups=ids,
        denominator=queries if counted == "mistakes" else len(ids),
        protocol=said,
        **columns,
    )
