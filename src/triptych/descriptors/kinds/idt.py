"""Improved dense trajectories as Fisher vectors, and their sketches: motion as a prior.

Wang and Schmid, ICCV 2013, for the trajectories; Tokmakov, Hebert and Schmid 2020, section 3.3, for
the rest.
"""

from __future__ import annotations

from collections.abc import Set
from pathlib import Path
from typing import Any, Literal

from triptych.descriptors.choices import Keypoints, Level
from triptych.descriptors.model import FisherSettings
from triptych.descriptors.needed import require
from triptych.errors import UsageError
from triptych.manifest.schema import Manifest

WITH_A_MODEL = {"vector", "level"}  # what is still to be chosen


class Settings(FisherSettings):
    """What decides the vectors, beside the videos: those of the Fisher model, and three more."""

    keypoints: Keypoints = "sift"  # that say how the camera moves, see camera.Detector
    fast: bool = False  # optical flow from half size up, see trajectories.Trajectories
    vector: Literal["sketch", "fisher"] = "sketch"  # fisher: the whole one, 2KD numbers
    level: Level = "video"  # what gets a vector: every video, or every clip of the manifest


def describe(
    manifest: Manifest,
    out: Path,
    settings: Settings,
    *,
    given: Set[str] = frozenset(),
    workers: int | None = None,
    model: Path | None = None,
    boxes: Path | None = None,
    people: str | None = None,
    every: int | None = None,
    confidence: float | None = None,
    keep_rows: bool = False,
    device: str | None = None,
    frames: int | None = None,
) -> dict[str, Any]:
    """Write ``idt.parquet``, ``idt.safetensors`` and ``idt_problems.parquet`` into ``out``.

    The model is fitted to a sample of the videos, or is ``model``, of which ``given`` settings may
    not decide anything. ``boxes`` is a folder with boxes of people; ``people``,
    ``every`` and ``confidence`` say how to find them instead, see ``finding``: then the boxes stay,
    in ``out/idt_boxes``. With ``keep_rows`` the trajectories stay, in ``out/idt_rows``. With a
    ``device`` torch makes them there, ``frames`` at once. A run that was stopped goes on where it
    was.
    """
    fixed = sorted(given - WITH_A_MODEL)
    if model and fixed:
        raise UsageError(f"{fixed[0]}: {model} decides that; leave it out, or leave out --model")
    if out.exists() and not out.is_dir():
        raise UsageError(f"{out}: not a folder; --out is one, for all that is left")
    if boxes and not boxes.is_dir():
        raise UsageError(f"{boxes}: not a folder; --boxes is one, with a file for each video")
    require()
    from triptych.descriptors.batched.device import device_of
    from triptych.descriptors.collection import Collection
    from triptych.descriptors.finding import finding_unless
    from triptych.descriptors.how import How

    where = device_of(device, frames, fast=settings.fast)
    found = finding_unless(boxes, people, every, confidence)
    return Collection(out, settings.vector, workers, keep_rows, settings.level).describe(
        manifest,
        FisherSettings(**settings.model_dump(include=set(FisherSettings.model_fields))),
        How(settings.keypoints, settings.fast, found, where),
        model=model,
        boxes=boxes,
    )
