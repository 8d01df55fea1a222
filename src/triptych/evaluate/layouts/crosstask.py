"""CrossTask: the ordered steps of a task, and when they are seen in its videos.

Zhukov et al. (2019). Two layouts: the authors' release, and the folder that Miech et al. (2019) and
MCN evaluate zero-shot by, with a fixed list of test videos and annotations as arrays.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from triptych.errors import UsageError, UserError
from triptych.evaluate.layouts import arrays, stored
from triptych.evaluate.layouts.arrays import Listed
from triptych.evaluate.layouts.files import (
    Wanted,
    cells,
    numbers,
    require,
    rows,
    some,
    text,
)
from triptych.evaluate.layouts.sets import LocalizationSet, Segment, Source, Stream, Timeline

OFFICIAL_TASKS = 18  # primary ones
RELEASE = "crosstask_release.zip of CrossTask's authors"
PRIMARY = Wanted(("tasks_primary.txt",), "steps of the primary tasks", RELEASE)
RELATED = Wanted(("tasks_related.txt",), "steps of the related tasks", RELEASE)
VIDEOS = Wanted(("videos.csv",), "task, video, address", RELEASE)
HELD_BACK = Wanted(("videos_val.csv",), "the validation videos", RELEASE)
ANNOTATIONS = Wanted(("annotations",), "TASK_VIDEO.csv: step, start, end", RELEASE)
CONSTRAINTS = ("constraints", "crosstask_constraints")
FEATURES = ("features", "crosstask_features")
# Of a row of the released features, a second: I3D, ResNet-152, and VGG of the sound.
COLUMNS = {"i3d": (0, 1024), "resnet152": (1024, 3072), "vgg_audio": (3072, 3200)}

PROTOCOL = "the evaluation folder of HowTo100M's and MCN's authors"
TEST = Wanted(("cvpr19_test.csv",), "test videos: task, video_id", PROTOCOL)
ARRAYS = Wanted(("anno", "Y-1"), "TASK_VIDEO.npy: seconds x steps", PROTOCOL)
STEPS = Wanted(("step.json", "tasks_primary.txt"), "steps of the tasks", PROTOCOL)
FEATURE_FOLDERS = ("vids_feature", "features", ".")
AUDIO_FOLDERS = ("audio_feature", "audio_feature_new")
# Every step of the task on one second; it is right in any second that a segment touches. The
# release turns scores to log-probabilities, MCN and HowTo100M take them as they are.
USUAL = {
    name: ("order=task", "hit=touch", f"scores={scores}")
    for name, scores in (("release", "log_softmax"), ("howto100m", "raw"))
}


class Task(NamedTuple):
    """What is done, and its steps in order."""

    title: str
    steps: tuple[str, ...]


def read(
    folder: Path, variant: str | None = None, leave_out: int = 0, seed: int = 0
) -> LocalizationSet:
    """The test videos in ``folder``: by the fixed list ("howto100m") or the "release".

    Of the release: annotated videos of the primary tasks that are not held back for validation.
    ``leave_out`` of each task are left out, drawn by ``seed``, as its code draws 30 to train on
    without a seed; a task that has no more than that is not tested. Raises UserError in one line.
    """
    if variant not in (None, "release", "howto100m"):
        raise UsageError(f"crosstask: variant {variant!r} is not known: release or howto100m")
    if variant is None:
        variant = "release" if TEST.here(folder) is None else "howto100m"
    if variant == "howto100m":
        return _howto100m(folder)
    return _release(folder, leave_out, seed)


def tasks(path: Path) -> dict[str, Task]:
    """The tasks of ``tasks_primary.txt`` by their numbers.

    Five lines each: number, title, address, count of steps, steps with commas between; a blank
    line follows, which may be missing after the last. Raises UserError in one line.
    """
    lines = [line.strip() for line in text(path).splitlines()]
    found: dict[str, Task] = {}
    at = 0
    while at < len(lines):
        if not lines[at]:
            at += 1
            continue
        if at + 5 > len(lines):
            raise UserError(
                f"{path}: line {at + 1}: the last task is cut short; 5 lines are wanted"
            )
        number, title, _, count, written = lines[at : at + 5]
        steps = tuple(step.strip() for step in written.split(","))
        if count != str(len(steps)):
            raise UserError(
                f"{path}: line {at + 4}: task {number} should have {count} steps and has "
                f"{len(steps)}: a line is missing, or a step holds a comma"
            )
        found[number] = Task(title, steps)
        at += 5
    if not found:
        raise UserError(f"{path}: no task in it")
    return found


def _release(folder: Path, leave_out: int, seed: int) -> LocalizationSet:
    primary, videos, annotations = require(folder, [PRIMARY, VIDEOS, ANNOTATIONS], "CrossTask")
    known = tasks(primary)
    listed = _listed(videos)
    held_path = HELD_BACK.here(folder)
    held = set() if held_path is None else set(_listed(held_path))
    of_tasks = [pair for pair in listed if pair[0] in known]
    candidates = [pair for pair in of_tasks if pair not in held]
    written = [pair for pair in candidates if (annotations / f"{'_'.join(pair)}.csv").is_file()]
    if not written:
        raise UserError(
            f"{annotations}: no annotation of the {len(candidates)} videos of the primary tasks in "
            f"{videos.name}; TASK_VIDEO.csv is wanted, from {RELEASE}"
        )
    drawn = _without(written, leave_out, seed)
    features = next((folder / name for name in FEATURES if (folder / name).is_dir()), None)
    kept = [pair for pair in drawn if features is None or (features / f"{pair[1]}.npy").is_file()]
    if not kept:
        raise UserError(
            f"{features}: VIDEO.npy of none of {len(drawn)} test videos; from "
            "crosstask_features.zip of CrossTask's authors"
        )
    offsets = _offsets(known)
    timelines = [
        _of_release(folder, annotations, features, known[task], offsets[task], task, video)
        for task, video in kept
    ]
    protocol = {
        "layout": "release",
        "videos_of_primary_tasks": len(of_tasks),
        "videos_held_back": len(of_tasks) - len(candidates),
        "videos_without_annotation": len(candidates) - len(written),
        "videos_left_out_as_training": len(written) - len(drawn),
        "leave_out_per_task": leave_out,
        "leave_out_seed": seed if leave_out else None,
        "videos_without_features": len(drawn) - len(kept),
        "rows": "one a second, as many as the features have; a row that a segment touches is of it",
    }
    remarks = []
    if held_path is None:
        remarks.append(
            "crosstask: videos_val.csv is not here, so no video is held back; the release does not "
            "test on those it lists"
        )
    if features is None:
        remarks.append(
            f"crosstask: no folder {FEATURES[0]} (VIDEO.npy, 3200 numbers a second); only steps "
            "and times are read"
        )
    missing = [pair[1] for pair in drawn if pair not in set(kept)]
    if missing:
        remarks.append(
            f"crosstask: {len(missing)} of {len(drawn)} videos have no features: {some(missing)}"
        )
    streams = () if features is None else _widths(timelines)
    return _set(known, timelines, streams, {}, protocol, remarks)


def _of_release(
    folder: Path,
    annotations: Path,
    features: Path | None,
    what: Task,
    offset: int,
    task: str,
    video: str,
) -> Timeline:
    name = f"{task}_{video}.csv"
    said = [folder / place / name for place in CONSTRAINTS]
    constraints = next((path for path in said if path.is_file()), None)
    sources: tuple[Source, ...] = ()
    if features is not None:
        path = features / f"{video}.npy"
        sources = tuple(
            Source(stream, path, columns=COLUMNS[stream]) for stream in ("i3d", "resnet152")
        )
    return Timeline(
        video,
        task,
        what.steps,
        _classes(offset, what),
        _segments(annotations / name, len(what.steps)),
        rate=1.0,
        rows=len(sources[0].rows()) if sources else 0,
        sources=sources,
        constraints=() if constraints is None else _segments(constraints, len(what.steps)),
    )


def _segments(path: Path, steps: int) -> tuple[Segment, ...]:
    found = []
    for line, (step, *times) in cells(path, 3):
        if not step.isdecimal() or not 1 <= int(step) <= steps:
            raise UserError(f"{path}: line {line}: step {step!r} of a task of {steps} steps")
        start, end = numbers(path, line, times)
        if end < start:
            raise UserError(f"{path}: line {line}: it ends at {end:g} s, before {start:g} s")
        found.append(Segment(int(step) - 1, start, end))
    return tuple(found)


def _listed(path: Path) -> list[tuple[str, str]]:
    found = [(row[0], row[1]) for _, row in cells(path, 3)]
    for _, video in found:
        stored.check(video)
    return list(dict.fromkeys(found))


def _without(pairs: Sequence[tuple[str, str]], count: int, seed: int) -> list[tuple[str, str]]:
    """All but ``count`` videos of each task, drawn by ``seed``; none of a task that has no more."""
    if count <= 0:
        return list(pairs)
    draw = np.random.default_rng(seed)
    kept: set[tuple[str, str]] = set()
    for task in sorted({task for task, _ in pairs}):
        own = sorted(pair for pair in pairs if pair[0] == task)
        if len(own) > count:
            kept |= {own[i] for i in draw.permutation(len(own))[count:]}
    if not kept:
        raise UsageError(f"crosstask: leave_out={count} leaves no video of any task")
    return [pair for pair in pairs if pair in kept]


def _howto100m(folder: Path) -> LocalizationSet:
    wanted = [TEST, ARRAYS, STEPS]
    listed, annotations, steps = require(folder, wanted, "CrossTask as MCN evaluates it")
    if steps.suffix == ".txt":
        known = tasks(steps)
    else:
        known = {name: Task("", held) for name, held in arrays.steps_by_name(steps).items()}
    pairs = [(row["task"], row["video_id"]) for row in rows(listed, ["task", "video_id"])]
    unknown = sorted({task for task, _ in pairs if task not in known})
    if unknown:
        raise UserError(f"{steps}: lacks {len(unknown)} tasks of {listed.name}: {some(unknown)}")
    offsets = _offsets(known)
    wanted_videos = [
        Listed(
            video,
            task,
            known[task].steps,
            _classes(offsets[task], known[task]),
            annotations / f"{task}_{video}.npy",
        )
        for task, video in pairs
    ]
    held = arrays.read(
        "crosstask",
        wanted_videos,
        [folder / name for name in FEATURE_FOLDERS],
        [folder / name for name in AUDIO_FOLDERS],
    )
    cooking = folder / "cook.txt"
    parts = {}
    if cooking.is_file():
        dishes = {line.strip() for line in text(cooking).splitlines()} & set(known)
        parts = {"cooking": frozenset(dishes), "other": frozenset(set(known) - dishes)}
    protocol = {"layout": "howto100m", "list": listed.name, **held.protocol}
    return _set(known, held.timelines, held.streams, parts, protocol, held.remarks)


def _classes(offset: int, task: Task) -> tuple[int, ...]:
    return tuple(range(offset, offset + len(task.steps)))


def _offsets(known: Mapping[str, Task]) -> dict[str, int]:
    ends = np.cumsum([0, *(len(task.steps) for task in known.values())]).tolist()
    return dict(zip(known, ends, strict=False))


def _widths(timelines: Sequence[Timeline]) -> tuple[Stream, ...]:
    return tuple(Stream(one.name, one.rows().shape[1]) for one in timelines[0].sources)


def _set(
    known: Mapping[str, Task],
    timelines: Sequence[Timeline],
    streams: tuple[Stream, ...],
    parts: dict[str, frozenset[str]],
    protocol: dict[str, Any],
    remarks: list[str],
) -> LocalizationSet:
    tested = {one.task for one in timelines}
    if len(tested) < OFFICIAL_TASKS:
        remarks = [
            f"crosstask: a subset, {len(tested)} of {OFFICIAL_TASKS} primary tasks; its numbers "
            "are not comparable with published ones",
            *remarks,
        ]
    beyond = sum(
        segment.start >= one.rows for one in timelines if one.rows for segment in one.segments
    )
    shared = {
        "videos": len(timelines),
        "tasks": len(tested),
        "tasks_of_the_official_set": OFFICIAL_TASKS,
        "segments": sum(len(one.segments) for one in timelines),
        "segments_beyond_the_features": beyond,
    }
    labels = tuple(step for task in known.values() for step in task.steps)
    return LocalizationSet(
        "crosstask",
        tuple(timelines),
        labels,
        streams,
        parts,
        USUAL[protocol["layout"]],
        {**protocol, **shared},
        tuple(remarks),
    )
