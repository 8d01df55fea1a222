"""A file, or a span of one, as a query: the vectors of what is seen and heard there."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from triptych.clips.audio import AudioReader
from triptych.clips.decode import DecodeError, Media, VideoReader
from triptych.clustering.whiten import unit
from triptych.embeddings.extract import Features
from triptych.embeddings.model import Model, Vector
from triptych.encoders.encoder import AudioInput, VideoInput
from triptych.errors import UserError

MOST_WINDOWS = 8  # a long span is looked at in this many places


def embed_media(
    model: Model, path: Path, start: float | None = None, end: float | None = None
) -> dict[str, Vector]:
    """The vectors of ``path`` between ``start`` and ``end`` seconds, keys as the table's columns.

    Each is the mean over windows spread evenly over the span, at unit length. Raises UserError
    where the file has nothing that the model was trained on.
    """
    if not path.is_file():
        raise UserError(f"{path}: no such file")
    media = Media(path)
    try:
        span = _span(path, _duration(media), start, end)
        features = {}
        for name, reader in (("video", _frames), ("audio", _sound)):
            if name in model.encoders:
                clips = reader(media, model.encoders[name].input, span)
                if clips is not None:
                    features[name] = _features(model, name, clips)
    finally:
        media.close()
    if not features:
        raise UserError(
            f"{path}: nothing in it for a model of {', '.join(model.encoders)}; "
            "query it with words or another file"
        )
    columns: dict[str, Vector] = {}
    for name, part in features.items():
        one = model.vectors({name: part})
        columns |= {key: unit(value.values.mean(0)) for key, value in one.items()}
    shortest = min(len(part.values) for part in features.values())
    both = {
        name: Features(part.values[:shortest], part.present[:shortest])
        for name, part in features.items()
    }
    columns["vector_joint"] = unit(model.vectors(both)["vector_joint"].values.mean(0))
    return columns


def _duration(media: Media) -> float:
    lengths = [
        float(stream.duration * stream.time_base)
        for stream in media.container.streams
        if stream.duration and stream.time_base
    ]
    if media.container.duration:
        lengths.append(media.container.duration / 1e6)
    return max(lengths, default=math.inf)


def _span(
    path: Path, duration: float, start: float | None, end: float | None
) -> tuple[float, float]:
    low = 0.0 if start is None else start
    high = duration if end is None else min(end, duration)
    if not 0 <= low < high:
        raise UserError(
            f"{path}: a span from {low:g} s to {high:g} s holds nothing; "
            f"the file lasts {duration:.1f} s"
        )
    return low, high if math.isfinite(high) else low + 10.0


def _windows(span: tuple[float, float], seconds: float) -> npt.NDArray[np.float64]:
    """Starts of up to ``MOST_WINDOWS`` windows that cover the span evenly."""
    room = max(0.0, span[1] - span[0] - seconds)
    count = min(MOST_WINDOWS, 1 + math.ceil(room / seconds))
    return span[0] + (np.array([room / 2]) if count == 1 else np.linspace(0, room, count))


def _frames(media: Media, clip: object, span: tuple[float, float]) -> npt.NDArray[np.uint8] | None:
    assert isinstance(clip, VideoInput)
    if not media.container.streams.video:
        return None
    starts = _windows(span, clip.seconds)
    times = starts[:, None] + np.arange(clip.frames)[None] / clip.frame_rate
    try:
        frames = VideoReader(media).frames(np.unique(times), clip.size, clip.size)
    except DecodeError:
        return None
    return np.asarray(frames[np.searchsorted(np.unique(times), times)])


def _sound(media: Media, clip: object, span: tuple[float, float]) -> npt.NDArray[np.float32] | None:
    assert isinstance(clip, AudioInput)
    if not media.container.streams.audio:
        return None
    try:
        sound = AudioReader(media).samples(*span, clip.sample_rate)
    except DecodeError:
        return None
    sound = np.pad(sound, (0, max(0, clip.samples - len(sound))))
    first = ((_windows(span, clip.seconds) - span[0]) * clip.sample_rate).astype(int)
    first = np.minimum(first, len(sound) - clip.samples)
    return np.stack([sound[at : at + clip.samples] for at in first])


@torch.no_grad()
def _features(model: Model, modality: str, clips: npt.NDArray[np.generic]) -> Features:
    values = model.encoders[modality](torch.from_numpy(clips)).float().numpy()
    return Features(values, np.ones(len(values), bool))
