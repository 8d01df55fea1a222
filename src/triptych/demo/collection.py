"""The demo collection on disk: videos, captions, and the ground truth beside them.

FOLDER/videos/video-000.mp4, .vtt   what `triptych fit` is given
FOLDER/labels.csv                   one row per video
FOLDER/steps.csv                    one row per step, with its times
FOLDER/truth.json                   the knobs and the vocabulary
"""

from __future__ import annotations

import csv
import io
import json
import multiprocessing
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from triptych.atomic import whole_file, whole_folder, write_json
from triptych.demo import narration, sound
from triptych.demo.film import write_video
from triptych.demo.kitchen import ACTIONS, TASKS, Plan, plan_collection
from triptych.demo.knobs import Knobs
from triptych.errors import UserError
from triptych.progress import track

FORMAT = 1
VIDEO_COLUMNS = ("path", "task", "split", "scene", "seconds")
STEP_COLUMNS = (
    "path", "start", "end", "action", "tool", "motion", "sound", "scene", "task", "step",
    "split", "narrated", "distractor",
)  # fmt: skip
CLIP_COLUMNS = ("clip_id", "path", "action", "task", "motion", "tool", "scene", "split", "group")


@dataclass(frozen=True)
class Collection:
    """A demo collection. Paths in its tables are relative to ``videos``."""

    folder: Path
    knobs: Knobs

    @property
    def videos(self) -> Path:
        """The folder of videos and captions."""
        return self.folder / "videos"

    @cached_property
    def labels(self) -> list[dict[str, str]]:
        """One row per video: VIDEO_COLUMNS, all strings."""
        return _read_csv(self.folder / "labels.csv")

    @cached_property
    def steps(self) -> list[dict[str, str]]:
        """One row per step: STEP_COLUMNS, all strings; start and end in seconds."""
        return _read_csv(self.folder / "steps.csv")

    def queries(self) -> list[tuple[str, str]]:
        """(words, action) for every action that occurs: searches with a known answer."""
        occurring = {row["action"] for row in self.steps}
        return [pair for pair in narration.queries() if pair[1] in occurring]


def make_collection(
    folder: Path, knobs: Knobs | None = None, workers: int | None = None
) -> Collection:
    """Make the collection in ``folder``; one that is there already with the same knobs is kept.

    ``workers``: processes, by default one per core; 0 makes all in this process. The files are the
    same for any number. UserError where ``folder`` holds anything else.
    """
    folder, knobs = Path(folder), knobs or Knobs()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        found = open_collection(folder)
        if found.knobs != knobs:
            raise UserError(
                f"{folder}: holds a demo collection made with other knobs; "
                "choose another folder or delete this one"
            )
        return found
    plans = plan_collection(knobs)
    with whole_folder(folder) as beside:
        (beside / "videos").mkdir()
        for _ in track(_film(plans, knobs, beside / "videos", workers), len(plans), "filming"):
            pass
        _write_csv(beside / "labels.csv", VIDEO_COLUMNS, map(_video_row, plans))
        _write_csv(beside / "steps.csv", STEP_COLUMNS, _step_rows(plans))
        write_json(beside / "truth.json", _truth(knobs))
    return Collection(folder, knobs)


def open_collection(folder: Path) -> Collection:
    """The collection in ``folder``; UserError where there is none or it is of another format."""
    truth = Path(folder) / "truth.json"
    try:
        held = json.loads(truth.read_text(encoding="utf-8"))
        if held["format"] != FORMAT:
            raise UserError(f"{truth}: of format {held['format']}, not {FORMAT}; make it anew")
        return Collection(Path(folder), Knobs(**held["knobs"]))
    except (OSError, ValueError, KeyError, TypeError):
        raise UserError(
            f"{folder}: not empty and not a demo collection (no readable truth.json); "
            "choose another folder"
        ) from None


def clip_labels(
    collection: Collection,
    paths: Sequence[str],
    starts: Sequence[float],
    ends: Sequence[float],
) -> list[dict[str, str]]:
    """The ground truth of clips: of each, the step that it overlaps longest.

    ``paths`` are relative to ``collection.videos``; times in seconds. A row has the columns of
    STEP_COLUMNS; a clip that meets no step has "" for action, tool, motion, sound and step. A path
    that is not in the collection is a UserError.
    """
    videos = {row["path"]: row for row in collection.labels}
    by_path: dict[str, list[dict[str, str]]] = defaultdict(list)
    for row in collection.steps:
        by_path[row["path"]].append(row)
    rows = []
    for path, start, end in zip(paths, starts, ends, strict=True):
        if path not in videos:
            raise UserError(f"{path}: not in the demo collection {collection.folder}")
        step = max(by_path[path], key=lambda row: _overlap(row, start, end))
        if _overlap(step, start, end) > 0:
            rows.append(step)
        else:
            blank = dict.fromkeys(STEP_COLUMNS, "")
            rows.append(
                blank | {key: videos[path][key] for key in ("path", "scene", "task", "split")}
            )
    return rows


def write_clip_labels(
    collection: Collection,
    path: Path,
    clip_ids: Sequence[str],
    paths: Sequence[str],
    starts: Sequence[float],
    ends: Sequence[float],
) -> int:
    """Write CLIP_COLUMNS of the clips that meet a step as CSV; the number of rows written."""
    rows = [
        {"clip_id": clip_id, "group": row["path"], **row}
        for clip_id, row in zip(clip_ids, clip_labels(collection, paths, starts, ends), strict=True)
        if row["action"]
    ]
    _write_csv(path, CLIP_COLUMNS, rows)
    return len(rows)


def _overlap(step: dict[str, str], start: float, end: float) -> float:
    return min(float(step["end"]), end) - max(float(step["start"]), start)


def _film(plans: list[Plan], knobs: Knobs, folder: Path, workers: int | None) -> Iterator[None]:
    count = len(plans)
    if workers == 0:
        yield from map(_film_one, plans, [knobs] * count, [folder] * count)
        return
    context = multiprocessing.get_context("spawn")  # no threads of this process are copied
    workers = min(workers or os.cpu_count() or 1, count)
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        yield from pool.map(_film_one, plans, [knobs] * count, [folder] * count)


def _film_one(plan: Plan, knobs: Knobs, folder: Path) -> None:
    write_video(folder / f"{plan.name}.mp4", plan, knobs)
    text = narration.webvtt(narration.captions(plan, knobs))
    (folder / f"{plan.name}.vtt").write_text(text, encoding="utf-8", newline="\n")


def _video_row(plan: Plan) -> dict[str, Any]:
    return {
        "path": f"{plan.name}.mp4",
        "task": plan.task,
        "split": plan.split,
        "scene": plan.scene.name,
        "seconds": plan.seconds,
    }


def _step_rows(plans: list[Plan]) -> Iterator[dict[str, Any]]:
    for plan in plans:
        for step in plan.steps:
            yield {
                **_video_row(plan),
                "start": step.start,
                "end": step.end,
                "action": step.action.name,
                "tool": step.action.tool,
                "motion": step.action.motion,
                "sound": sound.name(step),
                "step": step.number,
                "narrated": int(step.narrated),
                "distractor": step.distractor,
            }


def _truth(knobs: Knobs) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "knobs": asdict(knobs),
        "actions": [asdict(action) for action in ACTIONS],
        "tasks": {task: list(steps) for task, steps in TASKS.items()},
        "queries": [{"text": text, "action": action} for text, action in narration.queries()],
    }


def _write_csv(path: Path, columns: Sequence[str], rows: Iterable[dict[str, Any]]) -> None:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    with whole_file(path) as beside:
        beside.write_text(text.getvalue(), encoding="utf-8", newline="\n")


def _read_csv(path: Path) -> list[dict[str, str]]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); make the demo anew") from None
