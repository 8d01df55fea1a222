"""Every frame of a video in its order: the grey picture that dense trajectories are made of.

And its colours, where people are looked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import numpy.typing as npt
from av.video.reformatter import Interpolation

from triptych.clips.media import DecodeError, Media, pictures, reason
from triptych.descriptors.pyramid import Grey

Floats = npt.NDArray[np.float64]
Picture = npt.NDArray[np.uint8]


def grey_frames(path: Path) -> Iterator[Grey]:
    """The frames that decode, uint8 (h, w), each of the size and turned as the first one is shown.

    Frames that do not decode are left out, as the original's reader leaves them out. Raises
    DecodeError where the file cannot be opened, has no video, or not one frame of it decodes.
    """
    for frame, width, height in _sized(path):
        pixels = _pixels(path, frame, width, height, "bgr24")
        yield _turned(frame, np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY), np.uint8))


def colour_frames(path: Path, every: int = 1) -> Iterator[Picture | None]:
    """Frames 0, ``every``, 2 ``every``, ... in colours, uint8 RGB (h, w, 3), None for the others.

    Sizes, turns and errors are those of ``grey_frames``.
    """
    for number, (frame, width, height) in enumerate(_sized(path)):
        looked_at = number % every == 0
        yield _turned(frame, _pixels(path, frame, width, height, "rgb24")) if looked_at else None


def expected_frames(path: Path) -> int:
    """How many frames the file says it has, or its length and rate let expect; 0 where neither.

    Raises DecodeError as ``grey_frames`` does.
    """
    media = Media(path)
    try:
        stream = pictures(media)
        length = (media.container.duration or 0) / av.time_base
        return int(stream.frames or length * float(stream.average_rate or 0))
    finally:
        media.close()


def frame_times(path: Path) -> Floats:
    """The second at which each frame of ``grey_frames`` is shown, float64 (n,), never falling.

    They are decoded for it: a file's index has times of frames too that do not decode. A frame
    without a time of its own follows the one before as the file's rate has it. Raises DecodeError
    as ``grey_frames`` does.
    """
    media = Media(path, pictures_only=True)
    times: list[float] = []
    try:
        stream = pictures(media)
        tick, apart = float(stream.time_base), 1 / float(stream.average_rate or 25)
        for frame in _frames(media, stream):
            if frame.pts is None:
                times.append(times[-1] + apart if times else 0.0)
            else:
                times.append(frame.pts * tick - media.origin)
    finally:
        media.close()
    return np.maximum.accumulate(times, dtype=np.float64)


def _sized(path: Path) -> Iterator[tuple[Any, int, int]]:
    """The frames that decode, with the width and height of the first."""
    media = Media(path, pictures_only=True)
    size: tuple[int, int] | None = None
    try:
        stream = pictures(media)
        for frame in _frames(media, stream):
            size = size or (frame.width, frame.height)
            yield frame, *size
    finally:
        media.close()
    if size is None:
        raise DecodeError(f"{path}: no frame decodes")


def _frames(media: Media, stream: Any) -> Iterator[Any]:
    for packet in chain(media.packets(stream), [None]):
        try:
            yield from stream.codec_context.decode(packet)
        except av.FFmpegError:
            continue


def _pixels(path: Path, frame: Any, width: int, height: int, order: str) -> Picture:
    """Its colours with bicubic chroma; by way of them the original's grey frames came."""
    try:
        colours = frame.reformat(width, height, order, interpolation=Interpolation.BICUBIC)
        return np.asarray(colours.to_ndarray(), np.uint8)
    except (av.FFmpegError, ValueError) as error:
        raise DecodeError(
            f"{path}: its pixels ({frame.format.name}) cannot be converted ({reason(error)})"
        ) from None


def _turned(frame: Any, picture: Picture) -> Picture:
    turns = round(int(getattr(frame, "rotation", 0)) / 90) % 4
    return np.ascontiguousarray(np.rot90(picture, turns)) if turns else picture
