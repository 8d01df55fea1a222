"""A file, or a span of one, as a query: the vectors of what is seen and heard there."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
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
from triptych.embeddings.span import describe_parts
from triptych.encoders.encoder import AudioInput, FeatureInput, VideoInput
from triptych.errors import UserError
from triptych.manifest.facts import SILENCE
from triptych.progress import say

CLIP_SECONDS = 4.0  # of a clip, where no captions cut; see `triptych scan`
MOST_WINDOWS = 8  # a long span is looked at in this many places
STORED_SECONDS = 16.0  # that a row of a table of stored features may be of: those of narrations
UNKNOWN_LENGTH = 10.0  # seconds that are looked at where the file does not say how long it is

Span = tuple[float, float]


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


def _equal(span: Span, least: float) -> list[Span]:
    """Equal parts of a span, each of ``least`` seconds or more, unless the span is shorter.

    A span below twice that is one part. So one that is a clip of the collection, which captions
    may have made longer than others, is looked at where the table's vector was taken.
    """
    count = max(1, min(MOST_WINDOWS, int((span[1] - span[0]) / least + 1e-6)))
    return list(pairwise(np.linspace(*span, count + 1).tolist()))


def _windows(parts: Sequence[Span], seconds: float) -> list[float]:
    """Where windows start that lie in the middle of each part."""
    return [max((low + high) / 2 - seconds / 2, parts[0][0]) for low, high in parts]


def _parts(model: Model, span: Span) -> tuple[list[Span], list[list[float]]]:
    """The parts of a span that are looked at, and where the segments of a clip begin in each."""
    inputs = [encoder.input for encoder in model.encoders.values()]
    read = [clip for clip in inputs if isinstance(clip, VideoInput | AudioInput)]
    seconds = max((clip.seconds for clip in read), default=0.0)
    segments = max((clip.segments for clip in read), default=1)
    if segments > 1:  # spread over any span, so that one place is all of it
        return [span], [starts(*span, seconds, centre(segments).positions)]
    parts = _equal(span, CLIP_SECONDS if read else STORED_SECONDS)
    return parts, [[begin] for begin in _windows(parts, seconds)]


def _features(model: Model, media: Media, span: Span) -> tuple[dict[str, Features], list[str]]:
    """Features of each modality in every part, and why some modalities have none."""
    (parts, places), features, lacking = _parts(model, span), {}, []
    if len(parts) > 1:
        say(
            f"{media.path}: {span[1] - span[0]:.0f} s are looked at in {len(parts)} places and "
            f"averaged; {media.path.name}#12.5-15 asks for one moment"
        )
    for name, encoder in model.encoders.items():
        clips: npt.NDArray[Any]
        try:
            if isinstance(encoder.input, VideoInput):
                clips, present = _frames(media, encoder.input, places, span[1])
            elif isinstance(encoder.input, AudioInput):
                clips, present = _sounds(media, encoder.input, places, span[1])
            elif isinstance(encoder.input, FeatureInput):
                clips, present = describe_parts(media.path, encoder.input, parts)
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
