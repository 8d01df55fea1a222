"""A span of a file as stored features would have it: the networks that made them run over it.

The rows are placed as those of a store are, so that a clip of the collection, given as a file and a
span, has the features that the store gives it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from triptych.clips.decode import DecodeError
from triptych.clips.stored import overlapping
from triptych.clips.streams import Asked, Lacking, ReadStreams, Windows
from triptych.clips.windows import Form, form_of
from triptych.clustering.whiten import unit
from triptych.encoders.encoder import FeatureInput
from triptych.manifest.facts import SILENCE
from triptych.state.backbone import Backbone, rows_of

LONGEST = 32.0  # seconds of a part whose rows are made: the middle of a longer one

Span = tuple[float, float]


def describe_parts(
    path: Path, form: FeatureInput, parts: Sequence[Span]
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
    """The features (parts, dim) of each part of a file, and which parts have any, (parts,).

    A part has none where it does not decode, or is digital silence. Raises DecodeError where none
    decodes, UserError where the weights of a network are not there.
    """
    backbones = [_network(json.dumps(stream.backbone)) for stream in form.streams]
    forms = tuple(
        form_of(stream.rate, backbone.form, backbone.keeps)
        for stream, backbone in zip(form.streams, backbones, strict=True)
    )
    out = np.zeros((len(parts), form.dim), np.float32)
    present = np.zeros(len(parts), bool)
    failed: list[DecodeError] = []
    for number, part in enumerate(parts):
        try:
            found = _rows(path, forms, backbones, _middle(part))
        except DecodeError as error:
            failed.append(error)
            continue
        if found is not None:
            present[number] = True
            out[number] = np.concatenate([unit(rows.max(0).astype(np.float32)) for rows in found])
    if len(failed) == len(parts):
        raise failed[0]
    return out, present


def _middle(part: Span) -> Span:
    surplus = max(0.0, part[1] - part[0] - LONGEST) / 2
    return part[0] + surplus, part[1] - surplus


@lru_cache(maxsize=4)
def _network(facts: str) -> Backbone:
    """Loaded once for all queries of a session."""
    return Backbone.again(json.loads(facts))


def _rows(
    path: Path, forms: tuple[Form, ...], backbones: Sequence[Backbone], span: Span
) -> list[npt.NDArray[np.float16]] | None:
    """The rows of each stream that overlap ``span``; None where it is silent."""
    edges = [overlapping(np.array([span[0]]), np.array([span[1]]), form.rate) for form in forms]
    spans = tuple((int(first[0]), int(last[0])) for first, last in edges)
    rows: list[list[npt.NDArray[Any]]] = [[] for _ in forms]
    ends = [last for _, last in spans]
    loud = False
    for heard in ReadStreams(forms)(Asked(path, tuple(range(len(forms))), span[1], spans)):
        if isinstance(heard, Lacking):
            raise DecodeError(heard.reason)
        if isinstance(heard, Windows):
            loud = loud or forms[heard.stream].modality == "video"
            loud = loud or float(np.abs(heard.values).max()) >= SILENCE
            rows[heard.stream].append(rows_of(backbones[heard.stream].encoder, heard.values)[0])
        else:
            ends[heard.stream] = heard.rows
    if not loud:
        return None
    whole = [
        np.concatenate(some)[: max(1, end - first)]
        for some, end, (first, _) in zip(rows, ends, spans, strict=True)
    ]
    return whole if all(np.isfinite(some).all() for some in whole) else None
