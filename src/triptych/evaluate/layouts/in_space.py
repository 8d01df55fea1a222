"""A set and a model to an embedding table: the rows of a layout in the space of the modalities.

The features of a layout stand before a model's heads, so that a table with ``shared_*`` columns
comes out of them as one comes out of videos, and every measure on tables works on both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray

from triptych.embeddings.table import EmbeddingTable
from triptych.encoders.encoder import Encoder, TextInput, VideoInput
from triptych.errors import UserError
from triptych.evaluate.layouts.sets import (
    Bools,
    Floats,
    LocalizationSet,
    RetrievalSet,
    Stream,
    Timeline,
)
from triptych.evaluate.layouts.streams import Spectrograms
from triptych.manifest.schema import SCHEMA, Manifest

AT_ONCE = 64  # clips in a batch of spectrograms
Vectors = dict[str, tuple[Floats, Bools]]


class Space(Protocol):
    """What is needed of a trained model: see `triptych.embeddings.model.Model`."""

    @property
    def encoders(self) -> Mapping[str, Encoder]:
        """By modality."""

    @property
    def sha256(self) -> str:
        """Of the encoders' weights."""

    def shared(self, modality: str, features: Floats) -> Floats:
        """Features (N, dim) to the space where modalities meet, (N, width)."""

    def encode(self, modality: str, clips: NDArray[Any]) -> Floats:
        """Features (N, dim) of what an encoder's input makes of clips."""


def clips(found: RetrievalSet, model: Space, folder: Path) -> EmbeddingTable:
    """A row a clip, of whatever modalities both the clip and the model have.

    Queries beyond the clips, of which nothing is known but that they found nothing, are rows at the
    end with words and nothing else, so that they count in the denominator. Raises UserError where
    the model's heads take other features than the layout has.
    """
    absent = found.denominator - len(found)
    columns: Vectors = {}
    if found.video is not None:
        columns["video"] = _pictures(model, found.name, found.video, found.has_video, found.streams)
    if found.audio is not None and hears(model):
        columns["audio"] = _sounds(model, found.audio)
    if "text" in model.encoders:
        columns["text"] = _words(model, found.captions)
    rows = [
        {"clip_id": name, "path": group, "start": start, "end": end, "text": caption}
        for name, group, caption, (start, end) in zip(
            found.ids, found.groups, found.captions, _spans(found), strict=True
        )
    ]
    rows += [
        {"clip_id": f"absent {i}", "path": f"absent {i}", "start": 0.0, "end": 1.0, "text": ""}
        for i in range(absent)
    ]
    for name, (values, present) in columns.items():
        more = np.zeros((absent, values.shape[1]), np.float32)
        columns[name] = np.r_[values, more], np.r_[present, np.full(absent, name == "text")]
    return _table(rows, columns, model, folder)


def rows(found: LocalizationSet, model: Space, folder: Path) -> EmbeddingTable:
    """A row for every row of every video, in order of time; the path of a row is its video.

    All at once in memory: rows x width x 4 bytes for each modality. `vectors` gives one video.
    """
    parts = [vectors(found, one, model) for one in found.timelines]
    if not any(parts):
        raise UserError(f"{found.name}: nothing here that the model looks at or listens to")
    listed = [
        {"clip_id": f"{one.video} {i}", "path": one.video, "text": ""}
        | {"start": i / one.rate, "end": (i + 1) / one.rate}
        for one in found.timelines
        for i in range(one.rows)
    ]
    columns: Vectors = {}
    for name in sorted({name for part in parts for name in part}):
        width = next(part[name][0].shape[1] for part in parts if name in part)
        blank = [
            (np.zeros((one.rows, width), np.float32), np.zeros(one.rows, bool))
            for one in found.timelines
        ]
        held = [part.get(name, nothing) for part, nothing in zip(parts, blank, strict=True)]
        columns[name] = (
            np.concatenate([values for values, _ in held]),
            np.concatenate([present for _, present in held]),
        )
    return _table(listed, columns, model, folder)


def vectors(found: LocalizationSet, one: Timeline, model: Space) -> Vectors:
    """Of each modality that a video and the model have: vectors (T, width), and which are there."""
    columns: Vectors = {}
    if one.sources:
        values = one.features()
        columns["video"] = _pictures(
            model, found.name, values, np.asarray(values.any(axis=1)), found.streams
        )
    sound = one.spectrograms() if hears(model) else None
    if sound is not None:
        columns["audio"] = _sounds(model, sound)
    return columns


def hears(model: Space) -> bool:
    """Whether the model's encoder of sound takes ready spectrograms, as DAVEnet does."""
    return hasattr(model.encoders.get("audio"), "of_spectrograms")


def _pictures(
    model: Space, name: str, values: Floats, present: Bools, streams: Sequence[Stream]
) -> tuple[Floats, Bools]:
    encoder = model.encoders.get("video")
    if encoder is None:
        raise UserError(f"{name}: the model knows no pictures, and the layout has little else")
    held = " | ".join(f"{one.name} ({one.dim})" for one in streams)
    if isinstance(encoder.input, VideoInput):
        raise UserError(
            f"{name}: the layout holds features, {held}, and this model looks at pictures itself; "
            "train one on stored features, or evaluate on the videos"
        )
    if encoder.dim != values.shape[1]:
        raise UserError(
            f"{name}: the layout holds {values.shape[1]} numbers a clip, {held}, and the heads of "
            f"this model take {encoder.dim}; train on features of the same networks"
        )
    return model.shared("video", values), present


def _sounds(model: Space, sounds: Spectrograms) -> tuple[Floats, Bools]:
    """Batches of clips of about one length, so that little is padding."""
    present = sounds.present
    order = np.argsort(sounds.frames, kind="stable")
    order = order[present[order]]
    encoder: Any = model.encoders["audio"]
    made = np.zeros((len(sounds), encoder.dim), np.float32)
    for first in range(0, len(order), AT_ONCE):
        which = order[first : first + AT_ONCE]
        spectrograms, frames = sounds.batch(which)
        with torch.no_grad():
            found = encoder.of_spectrograms(
                torch.from_numpy(spectrograms), torch.from_numpy(frames)
            )
        made[which] = found.float().numpy()
    return model.shared("audio", made), present


def _words(model: Space, captions: Sequence[str]) -> tuple[Floats, Bools]:
    """Captions of words that the model does not know are zeros, to which all clips are alike.

    They stay queries: leaving them out would make the denominator smaller.
    """
    encoder = model.encoders["text"]
    kind = encoder.input
    assert isinstance(kind, TextInput)
    encoded = [kind.encode(caption) for caption in captions]
    known = np.array([len(one) > 0 for one in encoded], bool)
    made = np.zeros((len(captions), encoder.dim), np.float32)
    places = np.flatnonzero(known)
    for first in range(0, len(places), AT_ONCE):
        which = places[first : first + AT_ONCE]
        made[which] = model.encode("text", kind.batch([encoded[i] for i in which]))
    found = model.shared("text", made) * known[:, None]
    return found, np.array([bool(caption) for caption in captions], bool)


def _spans(found: RetrievalSet) -> list[tuple[float, float]]:
    if found.spans is None:
        return [(0.0, 1.0)] * len(found)  # the layout does not say; nothing in retrieval needs it
    return [(float(start), float(end)) for start, end in found.spans]


def _table(
    listed: Sequence[dict[str, Any]], columns: Vectors, model: Space, folder: Path
) -> EmbeddingTable:
    blank = {"width": 0, "height": 0, "fps": 0.0, "fingerprint": ""}
    made = [
        {
            **blank,
            **row,
            **{
                f"has_{name}": bool(name in columns and columns[name][1][i])
                for name in ("video", "audio", "text")
            },
        }
        for i, row in enumerate(listed)
    ]
    manifest = Manifest(folder, pa.Table.from_pylist(made, SCHEMA))
    shared = {f"shared_{name}": held for name, held in columns.items()}
    return EmbeddingTable.build(manifest, shared, model.sha256)
