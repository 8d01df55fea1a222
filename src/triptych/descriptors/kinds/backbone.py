"""Rows of features that frozen networks make of every second of every file; see docs/features.md.

As Miech et al. (ICCV 2019) and MCN describe their videos: a network of single frames and one of
short clips, at rates of their own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Set
from pathlib import Path
from typing import Any

from pydantic import Field

from triptych.config import Config
from triptych.errors import UsageError
from triptych.manifest.schema import Manifest


class Settings(Config):
    """Which networks describe a collection, and how many windows they see at once."""

    streams: tuple[str, ...] = Field(
        (), description="NETWORK@RATE:WEIGHTS each; RATE rows per second of file, 1 if not said"
    )
    names: tuple[str, ...] = Field(
        (), description="what the stores are called; by default as the networks are"
    )
    batch: int | None = Field(
        None, ge=1, le=4096, description="windows at once; null: 8, on a GPU 64"
    )


def describe(
    manifest: Manifest,
    out: Path,
    settings: Settings,
    *,
    given: Set[str] = frozenset(),  # noqa: ARG001  of a fitted model, which there is none of here
    workers: int | None = None,
    device: str | None = None,
) -> dict[str, Any]:
    """Write ``NAME.features`` and ``NAME_problems.parquet`` into ``out`` for every stream.

    A run that was stopped goes on where it was, and what is stored already is not made again.
    Raises UsageError for words that are no streams.
    """
    import torch

    from triptych.descriptors.backbone.collection import Collection
    from triptych.descriptors.backbone.files import Stream
    from triptych.descriptors.batched.device import Device
    from triptych.state.backbone import Backbone, Word

    if not settings.streams:
        raise UsageError(
            "streams: name the networks, as in streams=efficientnet_lite0@1,RUN/audio@2"
        )
    if settings.names and len(settings.names) != len(settings.streams):
        raise UsageError(
            f"names: {len(settings.names)} of them for {len(settings.streams)} streams; name each "
            "stream, or none"
        )
    words = [Word.parse(text) for text in settings.streams]
    names = settings.names or [_name(word.network) for word in words]
    for name, times in Counter(names).items():
        if times > 1:
            raise UsageError(f"names: two streams are called {name}; set them apart with names=")
        if not name or name.startswith(".") or "/" in name:
            raise UsageError(f"names: {name!r} is no name for a folder")
    where = Device(device or ("cuda" if torch.cuda.is_available() else "cpu")).torch
    streams = [
        Stream(name, word.rate, Backbone.of(word)) for name, word in zip(names, words, strict=True)
    ]
    return Collection(out, streams, where, settings.batch, workers).describe(manifest)


def _name(network: str) -> str:
    """Of an encoder its name; of a run its folder's, with the modality."""
    *before, last = Path(network).parts
    return f"{before[-1]}_{last}" if before and last in ("video", "audio") else Path(last).stem
