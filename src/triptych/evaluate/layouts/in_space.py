"""A set and a model to vectors: the rows of a layout in the space of the modalities.

The features of a layout stand before a model's heads, so that a table with ``shared_*`` columns
comes out of them as one comes out of videos, and every measure on tables works on both. Of videos
with a row a second such a table would not fit in memory: those are led there one by one.
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
from triptych.encoders.davenet import BANDS
from triptych.encoders.encoder import Encoder, FeatureInput, TextInput
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

AT_ONCE = 64  # clips in a batch of spectrograms, or captions
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


def modalities(found: RetrievalSet | LocalizationSet, model: Space) -> list[str]:
    """Those of pictures and sound that both the set and the model have.

    Raises UserError in one line where there is none, or the model's heads take other features than
    the layout has.
    """
    seen, heard = bool(found.streams), sounds(found)
    both = []
    if seen and "video" in model.encoders:
        _order(found.name, found.streams, model.encoders["video"])
        both.append("video")
    if heard and hears(model):
        both.append("audio")
    if not both:
        held = [f"features of pictures, {_said(found.streams)}"] if seen else []
        held += ["spectrograms"] if heard else []
        raise UserError(
            f"{found.name}: nothing here that the model looks at or listens to: the folder holds "
            f"{' and '.join(held) or 'words and times alone'}, and the model takes "
            f"{', '.join(model.encoders)}"
        )
    return both


def clips(found: RetrievalSet, model: Space, folder: Path) -> EmbeddingTable:
    """A row a clip, of whatever modalities both the clip and the model have.

    Queries beyond the clips, of which nothing is known but that they found nothing, are rows at the
    end with words and nothing else, so that they count in the denominator. Raises what `modalities`
    raises.
    """
    absent = found.denominator - len(found)
    columns: Vectors = {}
    both = modalities(found, model)
    if "video" in both and found.video is not None:
        columns["video"] = _pictures(model, found, found.video, found.has_video)
    if "audio" in both and found.audio is not None:
        columns["audio"] = _heard(model, found.name, found.audio)
    if "text" in model.encoders:
        values, _ = words(model, found.captions)
        # Captions of words that the model does not know stay queries, to which all clips are alike:
        # leaving them out would make the denominator smaller.
        columns["text"] = values, np.array([bool(caption) for caption in found.captions], bool)
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


def vectors(
    found: LocalizationSet, one: Timeline, model: Space, through: Sequence[str]
) -> list[tuple[Floats, Bools]]:
    """What a video has of ``through``, some of `modalities`: vectors (T, width), and which rows.

    Vectors of rows that have nothing are zeros.
    """
    parts = []
    if "video" in through and one.sources:
        values = one.features()
        parts.append(_pictures(model, found, values, np.asarray(values.any(axis=1))))
    sound = one.spectrograms() if "audio" in through else None
    if sound is not None:
        parts.append(_heard(model, found.name, sound))
    return parts


def words(model: Space, texts: Sequence[str]) -> tuple[Floats, Bools]:
    """Vectors (N, width) of texts, and which hold a word that the model knows; of others zeros."""
    encoder = model.encoders["text"]
    kind = encoder.input
    assert isinstance(kind, TextInput)
    encoded = [kind.encode(text) for text in texts]
    known = np.array([len(one) > 0 for one in encoded], bool)
    made = np.zeros((len(texts), encoder.dim), np.float32)
    places = np.flatnonzero(known)
    for first in range(0, len(places), AT_ONCE):
        which = places[first : first + AT_ONCE]
        made[which] = model.encode("text", kind.batch([encoded[i] for i in which]))
    return model.shared("text", made) * known[:, None], known


def hears(model: Space) -> bool:
    """Whether the model's encoder of sound takes ready spectrograms, as DAVEnet does."""
    return hasattr(model.encoders.get("audio"), "of_spectrograms")


def sounds(found: RetrievalSet | LocalizationSet) -> bool:
    """Whether the set has spectrograms."""
    if isinstance(found, RetrievalSet):
        return found.audio is not None
    return any(one.sound is not None for one in found.timelines)


def _said(streams: Sequence[Any]) -> str:
    return " | ".join(f"{one.name} ({one.dim})" for one in streams)


def _order(name: str, streams: Sequence[Stream], encoder: Encoder) -> list[int]:
    """Which stream of the layout is each of those that the model learned from.

    By their names, where these are the same in another order; else one after another, which only
    widths can check. Raises UserError where they do not fit.
    """
    form = encoder.input
    if not isinstance(form, FeatureInput):
        raise UserError(
            f"{name}: the layout holds features, {_said(streams)}, and this model looks at "
            "pictures itself; train one on stored features, or evaluate on the videos"
        )
    named = [stream.name for stream in streams]
    order = list(range(len(streams)))
    if sorted(named) == sorted(stream.name for stream in form.streams):
        order = [named.index(stream.name) for stream in form.streams]
    if [streams[place].dim for place in order] != [stream.dim for stream in form.streams]:
        raise UserError(
            f"{name}: the layout holds {_said(streams)}, and the model learned from "
            f"{_said(form.streams)}; train on features of the same networks, in this order"
        )
    return order


def _pictures(
    model: Space, found: RetrievalSet | LocalizationSet, values: Floats, present: Bools
) -> tuple[Floats, Bools]:
    edges = np.cumsum([0, *(stream.dim for stream in found.streams)])
    if values.shape[1] != edges[-1]:
        raise UserError(
            f"{found.name}: a video has {values.shape[1]} numbers, others {edges[-1]}, "
            f"{_said(found.streams)}"
        )
    order = _order(found.name, found.streams, model.encoders["video"])
    if order != sorted(order):
        values = np.concatenate([values[:, edges[i] : edges[i + 1]] for i in order], axis=1)
    return model.shared("video", values) * present[:, None], present


def _heard(model: Space, name: str, sounds: Spectrograms) -> tuple[Floats, Bools]:
    """Batches of clips of about one length, so that little is padding."""
    if sounds.bands != BANDS:
        raise UserError(
            f"{name}: spectrograms of {sounds.bands} bands, and the model hears {BANDS}; make them "
            "as AVLnet and MCN have them"
        )
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
    return model.shared("audio", made) * present[:, None], present


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
