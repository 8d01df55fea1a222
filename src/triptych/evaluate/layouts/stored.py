"""Where the features of one video lie, in the folders of HowTo100M, AVLnet and MCN."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from triptych.errors import UserError
from triptych.evaluate.layouts.sets import Source, Stream

RATES = {"2d": 1.0, "3d": 1.5}  # rows a second, of HowTo100M's extractor (3D: 24 / 16)
FOLDERS = ("features_{}", "{}")


def sources(folders: Iterable[Path], video: str) -> tuple[Source, ...]:
    """The 2D and the 3D rows of ``video`` in the first folder that has any; none where none has.

    ``VIDEO_2d.npy``, ``VIDEO_2d.npz`` (key ``features``), ``features_2d/VIDEO.npy``,
    ``2d/VIDEO.npy``, and the same of 3d; ``VIDEO.npz`` beside ``VIDEO_2d`` is 3D.
    """
    check(video)
    for folder in folders:
        found = [source for name in RATES if (source := _stream(folder, video, name))]
        if found:
            return tuple(found)
    return ()


def _stream(folder: Path, video: str, name: str) -> Source | None:
    plain = [folder / f"{video}_{name}.npy"]
    plain += [folder / place.format(name) / f"{video}.npy" for place in FOLDERS]
    for path in plain:
        if path.is_file():
            return Source(name, path)
    zipped = [folder / f"{video}_{name}.npz"]
    zipped += [folder / place.format(name) / f"{video}.npz" for place in FOLDERS]
    # everything_at_once keeps the 3D rows of some videos of Mining YouTube under the bare name.
    zipped += [folder / f"{video}.npz"] if name == "3d" else []
    for path in zipped:
        if path.is_file():
            return Source(name, path, "features")
    return None


def spectrogram(folders: Iterable[Path], video: str) -> Source | None:
    """The log-mel spectrogram of ``video``: ``VIDEO.npz`` or ``VIDEO_spec.npz``, key ``arr_0``."""
    check(video)
    for folder in folders:
        for name in (f"{video}.npz", f"{video}_spec.npz"):
            if (folder / name).is_file():
                return Source("audio", folder / name, "arr_0")
    return None


def agreed(found: Mapping[str, tuple[Source, ...]]) -> tuple[tuple[Stream, ...], list[str]]:
    """The streams that these videos' features are made of, and the videos that lack one of them.

    Widths are those of the first video that has all.
    """
    names = {source.name for one in found.values() for source in one}
    lacking = [video for video, one in found.items() if {s.name for s in one} != names]
    whole = next((one for video, one in found.items() if video not in set(lacking)), ())
    return tuple(Stream(source.name, source.rows().shape[1]) for source in whole), lacking


def check(video: str) -> None:
    """Raise UserError where the name of a video in a list would lead out of its folder."""
    if not video or video.startswith("/") or "\0" in video or ".." in video.split("/"):
        raise UserError(f"{video!r} is no name of a video")
