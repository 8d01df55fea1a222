"""Annotations as arrays of seconds x steps, with features to match, as MCN evaluates by them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from triptych.errors import UserError
from triptych.evaluate.layouts import stored
from triptych.evaluate.layouts.files import parsed
from triptych.evaluate.layouts.runs import spans_of
from triptych.evaluate.layouts.sets import Source, Stream, Timeline
from triptych.evaluate.layouts.untrusted import array


class Listed(NamedTuple):
    """A video of a list, and where its annotation would be."""

    video: str
    task: str
    steps: tuple[str, ...]
    classes: tuple[int, ...]
    annotation: Path


class Held(NamedTuple):
    """What a folder holds of a list."""

    timelines: tuple[Timeline, ...]
    streams: tuple[Stream, ...]
    protocol: dict[str, Any]
    remarks: list[str]


def read(
    name: str, listed: Sequence[Listed], features: Sequence[Path], audio: Sequence[Path]
) -> Held:
    """The videos of a list that are annotated, and have features if any of them has.

    A row is a second, and an annotation has as many as the video. Raises UserError in one line
    where no video is left, or an annotation is of other steps.
    """
    files = {one.video: stored.sources(features, one.video) for one in listed}
    streams, lacking = stored.agreed(files)
    lost = set(lacking) if streams else set()
    annotated = [one for one in listed if one.annotation.is_file()]
    kept = [one for one in annotated if one.video not in lost]
    if not kept:
        where = listed[0].annotation if listed else Path(name)
        raise UserError(
            f"{where.parent}: of {len(listed)} videos, {len(annotated)} are annotated "
            f"({where.name} and so on) and none of these has features"
        )
    timelines = tuple(
        _timeline(one, files[one.video] if streams else (), stored.spectrogram(audio, one.video))
        for one in kept
    )
    silent = sum(one.sound is None for one in timelines)
    counts = {
        "annotation": len(listed) - len(annotated),
        "features": len(annotated) - len(kept),
        "spectrogram": silent,
    }
    protocol = {
        "videos_listed": len(listed),
        **{f"videos_without_{what}": count for what, count in counts.items()},
        "rows": "one a second, as many as the annotation has; features are brought to them by "
        "their adaptive maximum",
    }
    remarks = [
        f"{name}: {count} of {len(listed)} videos have no {what}"
        for what, count in counts.items()
        if count
    ]
    if not streams:
        remarks.append(f"{name}: no VIDEO_2d.npy and VIDEO_3d.npy; only steps and times are read")
    return Held(timelines, streams, protocol, remarks)


def _timeline(one: Listed, sources: tuple[Source, ...], sound: Source | None) -> Timeline:
    marked = array(one.annotation)
    if marked.ndim != 2 or marked.shape[1] != len(one.steps) or not len(marked):
        raise UserError(
            f"{one.annotation}: an array of {marked.shape}; seconds x {len(one.steps)} steps wanted"
        )
    return Timeline(
        one.video,
        one.task,
        one.steps,
        one.classes,
        spans_of(marked > 0, 1.0),
        rate=1.0,
        rows=len(marked),
        sources=sources,
        sound=sound,
    )


def steps_by_name(path: Path) -> dict[str, tuple[str, ...]]:
    """The steps in a JSON of name to list; raises UserError in one line."""
    found = parsed(path)
    if not isinstance(found, dict) or not found:
        raise UserError(f"{path}: no dictionary of lists of steps")
    for name, steps in found.items():
        if not isinstance(steps, list) or not all(isinstance(step, str) for step in steps):
            raise UserError(f"{path}: {name}: no list of steps")
    return {str(name): tuple(steps) for name, steps in found.items()}
