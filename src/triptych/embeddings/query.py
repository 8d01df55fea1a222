"""A file, or a span of one, as a query: the vectors of what is seen and heard there."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from triptych.clips.audio import AudioReader
from triptych.clips.decode import DecodeError, Media, VideoReader
from triptych.clips.files import read_audio, read_video
from triptych.clips.media import duration_of
from triptych.clips.sample import ClipSpec, centre, crop_into, starts
from triptych.clustering.whiten import unit
from triptych.embeddings.extract import Features
from triptych.embeddings.model import Model, Vector
from triptych.encoders.encoder import AudioInput, VideoInput
from triptych.errors import UserError
from triptych.manifest.facts import SILENCE
from triptych.progress import say

CLIP_SECONDS = 4.0  # of a clip, where no captions cut; see `triptych scan`
MOST_WINDOWS = 8  # a long span is looked at in this many places
UNKNOWN_LENGTH = 10.0  # seconds that are looked at where the file does not say how long it is


def embed_media(
    model: Model, path: Path, start: float | None = None, end: float | None = None
) -> dict[str, Vector]:
    """The vectors of ``path`` between ``start`` and ``end`` seconds, keys as the table's columns.

    Each is the mean over windows spread evenly over the span, at unit length. The windows are read
    as those of a collection are: same crop, and digital silence is no sound. For a model of several
    segments the span is one clip, whose segments are spread over it. Raises UserError where the
    file has nothing that the model was trained on.
    """
    if not path.is_file():
        raise UserError(f"{path}: no such file")
    media = Media(path)
    try:
        span = _span(path, duration_of(media) or math.inf, start, end)
        features, lacking = _features(model, media, span)
    finally:
        media.close()
    why = f" ({'; '.join(lacking)})" if lacking else ""
    if not features:
        raise UserError(
            f"{path}: nothing in it for a model of {', '.join(model.encoders)}{why}; "
            "query with words or another file"
        )
    if lacking:
        say(f"{path}: a query by its {' and '.join(features)} alone{why}")
    return {
        name: unit(part.values[part.present].mean(0, keepdims=True))[0]
        for name, part in model.vectors(features).items()
    }


def _span(
    path: Path, duration: float, start: float | None, end: float | None
) -> tuple[float, float]:
    low = 0.0 if start is None else start
    high = duration if end is None else min(end, duration)
    if not 0 <= low < high:
        lasts = f"; the file lasts {duration:.1f} s" if math.isfinite(duration) else ""
        raise UserError(
            f"{path}: the span from {low:g} s to {high if end is None else end:g} s holds "
            f"nothing{lasts}"
        )
    return low, high if math.isfinite(high) else low + UNKNOWN_LENGTH


def _windows(span: tuple[float, float], seconds: float) -> npt.NDArray[np.float64]:
    """Where windows start: in the middle of equal parts of the span, each a clip's length or more.

    A span below two clips' lengths is one part. So one that is a clip of the collection, which
    captions may have made longer than ``CLIP_SECONDS``, is looked at where the table's vector was
    taken.
    """
    length = span[1] - span[0]
    parts = max(1, min(MOST_WINDOWS, int(length / CLIP_SECONDS + 1e-6)))
    middles = span[0] + length / parts * (np.arange(parts) + 0.5)
    return np.asarray(np.maximum(middles - seconds / 2, span[0]))


def _places(model: Model, span: tuple[float, float]) -> list[list[float]]:
    """Where to look: for each place, where the segments of a clip begin there."""
    inputs = [encoder.input for encoder in model.encoders.values()]
    seen = [clip for clip in inputs if isinstance(clip, VideoInput | AudioInput)]
    seconds = max((clip.seconds for clip in seen), default=1.0)
    segments = max((clip.segments for clip in seen), default=1)
    if segments > 1:  # spread over any span, so that one place is all of it
        return [starts(*span, seconds, centre(segments).positions)]
    return [[begin] for begin in _windows(span, seconds).tolist()]


def _features(
    model: Model, media: Media, span: tuple[float, float]
) -> tuple[dict[str, Features], list[str]]:
    """Features of each modality in every place, and why some modalities have none."""
    places, features, lacking = _places(model, span), {}, []
    if len(places) > 1:
        say(
            f"{media.path}: {span[1] - span[0]:.0f} s are looked at in {len(places)} places and "
            f"averaged; {media.path.name}#12.5-15 asks for one moment"
        )
    for name, encoder in model.encoders.items():
        clips: npt.NDArray[Any]
        try:
            if isinstance(encoder.input, VideoInput):
                clips, present = _frames(media, encoder.input, places, span[1])
            elif isinstance(encoder.input, AudioInput):
                clips, present = _sounds(media, encoder.input, places, span[1])
            else:
                continue
        except DecodeError as error:
            lacking.append(str(error).removeprefix(f"{media.path}: "))
            continue
        if not present.any():
            lacking.append("silent")
            continue
        if name == "video" and not present.all():
            say(f"{media.path}: {np.count_nonzero(~present)} of these places do not decode")
        features[name] = Features(model.encode(name, clips), present)
    return features, lacking


def _frames(
    media: Media, clip: VideoInput, places: Sequence[Sequence[float]], end: float
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_]]:
    """The clip at every place, and which of them decode; DecodeError where none does."""
    spec = ClipSpec(clip.frames, clip.frame_rate, clip.size, resize=clip.resize)
    out = np.zeros((len(places), *clip.shape), np.uint8)
    failed: dict[int, DecodeError] = {}
    with VideoReader(media) as video:
        for place, begins in enumerate(places):
            try:
                runs = read_video(video, begins, end, spec)
            except DecodeError as error:
                failed[place] = error
            else:
                crop_into(out[place], runs, centre(scaled=clip.crop == "scaled"))
    if len(failed) == len(places):
        raise failed[0]
    return out, np.array([place not in failed for place in range(len(places))])


def _sounds(
    media: Media, clip: AudioInput, places: Sequence[Sequence[float]], end: float
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
    """The sound at every place, and which of them have some; DecodeError where none decodes."""
    out = np.zeros((len(places), *clip.shape), np.float32)
    failed: list[DecodeError] = []
    with AudioReader(media) as audio:
        for row, begins in zip(out, places, strict=True):
            try:
                sound = read_audio(audio, begins, end, clip.seconds, clip.sample_rate)
            except DecodeError as error:
                failed.append(error)
            else:
                row[...] = sound.reshape(row.shape)
    if len(failed) == len(places):
        raise failed[0]
    return out, np.abs(out).reshape(len(out), -1).max(axis=1) >= SILENCE
