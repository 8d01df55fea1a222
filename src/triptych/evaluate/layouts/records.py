"""Clips as lists of dictionaries, the pickles of HowTo100M, AVLnet and MCN, to columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from triptych.errors import UserError
from triptych.evaluate.layouts.sets import Bools, Floats, RetrievalSet, Stream
from triptych.evaluate.layouts.streams import Spectrograms, pooled, side_by_side
from triptych.evaluate.layouts.untrusted import pickled

Record = dict[str, Any]
Vectors = Mapping[str, Sequence[NDArray[np.floating] | None]]  # of each stream, a row a clip


class Pictures(NamedTuple):
    """The video features of N clips, before the heads."""

    rows: Floats | None  # [N, D]; None where no clip has any
    present: Bools  # [N]
    streams: tuple[Stream, ...]


def read(path: Path) -> list[Record]:
    """The clips of a pickle; raises UserError in one line where it is something else."""
    found = pickled(path)
    if not isinstance(found, (list, tuple)) or not found:
        raise UserError(f"{path}: a {type(found).__name__}; a list of clips is wanted")
    for i, record in enumerate(found):
        if not isinstance(record, dict) or not isinstance(record.get("id"), str):
            raise UserError(f"{path}: clip {i} is no dictionary with a text under 'id'")
    return list(found)


def pictures(path: Path, ids: Sequence[str], vectors: Vectors) -> Pictures:
    """Streams side by side, each at unit length; a clip that lacks one of them has no video.

    Streams that no clip has are left out. Raises UserError in one line where sizes differ.
    """
    known = {name: rows for name, rows in vectors.items() if any(row is not None for row in rows)}
    if not known:
        return Pictures(None, np.zeros(len(ids), bool), ())
    present = np.ones(len(ids), bool)
    for rows in known.values():
        present &= [row is not None for row in rows]
    filled, streams = [], []
    for name, rows in known.items():
        dim = next(len(row) for row in rows if row is not None)
        made = np.zeros((len(ids), dim), np.float32)
        for i, row in enumerate(rows):
            if row is None:
                continue
            if len(row) != dim:
                raise UserError(f"{path}: {ids[i]}: {name} has {len(row)} numbers, others {dim}")
            if not np.isfinite(row).all():
                raise UserError(f"{path}: {ids[i]}: {name} holds NaN or infinity")
            made[i] = row
        filled.append(made)
        streams.append(Stream(name, dim))
    joined = side_by_side(filled)
    joined[~present] = 0
    return Pictures(joined, present & joined.any(axis=1), tuple(streams))


def vector(path: Path, record: Record, keys: Sequence[str]) -> NDArray[np.floating] | None:
    """The features under the first of ``keys`` that a clip has, its maximum over time; or None."""
    for key in keys:
        found = _array(path, record, key, (1, 2))
        if found is not None:
            return pooled(found)
    return None


def sounds(path: Path, records: Sequence[Record], most: int) -> Spectrograms | None:
    """The spectrograms under 'audio'; None where no clip has one."""
    found = [_array(path, record, "audio", (2,)) for record in records]
    bands = sorted({one.shape[0] for one in found if one is not None})
    if not bands:
        return None
    if len(bands) > 1:
        raise UserError(f"{path}: spectrograms of {' and '.join(map(str, bands))} bands; one kind")
    empty = np.zeros((bands[0], 0), np.float32)
    return Spectrograms(tuple(empty if one is None else one for one in found), most, bands[0])


def _array(path: Path, record: Record, key: str, sizes: tuple[int, ...]) -> Any:
    found = record.get(key)
    if found is None:
        return None
    if (
        not isinstance(found, np.ndarray)
        or found.ndim not in sizes
        or found.dtype.kind not in "fiu"
    ):
        raise UserError(f"{path}: {record['id']}: {key!r} is no array of {sizes[-1]} dimensions")
    return found if found.size else None


def retrieval(
    name: str,
    *,
    official: int,
    ids: Sequence[str],
    captions: Sequence[str],
    groups: Sequence[str],
    shown: Pictures,
    audio: Spectrograms | None,
    denominator: int,
    protocol: dict[str, Any],
    spans: NDArray[np.float64] | None = None,
    remarks: Sequence[str] = (),
) -> RetrievalSet:
    """The set of these clips, with what every protocol of retrieval says and what is remarkable."""
    made = RetrievalSet(
        name,
        tuple(ids),
        tuple(captions),
        tuple(groups),
        shown.rows,
        shown.present,
        shown.streams,
        audio,
        denominator,
        spans,
    )
    count, lacking = len(made), {}
    for modality in ("video", "audio", "text"):
        lacking[modality] = count - int(made.has(modality).sum())
    said = {
        **protocol,
        "clips": count,
        "clips_of_the_official_set": official,
        "denominator": denominator,
        "queries_without_a_clip": denominator - count,
        **{f"clips_without_{modality}": number for modality, number in lacking.items()},
        "video": " | ".join(f"{one.name} ({one.dim})" for one in shown.streams) or "none",
        "video_pooling": "maximum over time, each stream at unit length, side by side",
        "audio_frames_at_most": None if audio is None else audio.most,
    }
    lines = list(remarks)
    if count < official and denominator < official:
        lines.append(
            f"{name}: a subset, {count} of {official} clips; its numbers are not comparable with "
            "published ones"
        )
    for modality, number in lacking.items():
        if number:
            lines.append(f"{name}: {number} of {count} clips have no {modality}")
    if repeated := count - len(set(ids)):
        lines.append(f"{name}: {repeated} clips have the id of another one")
    return replace(made, protocol=said, remarks=tuple(lines))
