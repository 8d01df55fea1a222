"""COIN: 778 steps of 180 tasks, to be placed in videos or given to every second of them.

Tang et al. (2019). The annotation is one JSON; the authors gave out no features, so that those of
HowTo100M's extractor, or rows a second of any network, are read where they lie beside it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import ceil
from pathlib import Path
from typing import Any

from triptych.errors import UsageError, UserError
from triptych.evaluate.layouts import stored, taxonomy
from triptych.evaluate.layouts.files import Wanted, parsed, require, some
from triptych.evaluate.layouts.sets import LocalizationSet, Segment, Source, Timeline
from triptych.evaluate.layouts.taxonomy import Step

OFFICIAL = {"testing": 2797, "training": 9030}
OFFICIAL_STEPS = 778
# The data set's page says "validation" where its file and those who read it say "testing".
NAMES = {"testing": ("testing", "validation"), "training": ("training",)}
AUTHORS = "the annotations of COIN's authors"
DATABASE = Wanted(("COIN.json", "coin.json"), "videos with their segments", AUTHORS)
TAXONOMIES = ("taxonomy.xlsx", "taxonomy.csv", "target_action_mapping.csv")
FEATURES = ("features", ".")
SPECTROGRAMS = ("audio_feature", "spectrograms")
ROWS = "features"  # the stream of features/VIDEO.npy
# Every second gets the nearest of all steps, if it is nearer than any two steps are to each other
# (MMPT's way without training); frames are counted at the authors' rate.
USUAL = ("order=none", "among=set", "background=words", "frame_rate=10", "detection=true")

Entry = Mapping[str, Any]


def read(folder: Path, subset: str = "testing") -> LocalizationSet:
    """The videos of ``subset`` ("testing" or "training") in ``folder``.

    A row is a second; one that a segment touches is of it. The steps of a video are those of its
    task in the order of the taxonomy, whether they are seen in it or not; ``labels`` are all steps.
    Raises UserError in one line.
    """
    if subset not in NAMES:
        raise UsageError(f"coin: subset {subset!r} is not known; choose testing or training")
    [path] = require(folder, [DATABASE], "COIN")
    database = _database(path)
    chosen = {video: one for video, one in database.items() if one["subset"] in NAMES[subset]}
    if not chosen:
        named = sorted({str(one["subset"]) for one in database.values()})
        raise UserError(f"{path}: no video of the subset {subset}; there are {', '.join(named)}")
    steps, whence, remarks = _steps(folder, path, database)
    places = [folder / name for name in FEATURES]
    files = {video: _sources(places, video) for video in chosen}
    streams, lacking = stored.agreed(files)
    kept = [video for video in chosen if not streams or video not in set(lacking)]
    sound = [folder / name for name in SPECTROGRAMS]
    timelines = tuple(
        _timeline(path, video, chosen[video], steps, files[video], sound) for video in kept
    )
    if streams and lacking:
        remarks.append(
            f"coin: {len(lacking)} of {len(chosen)} videos have no features and are left out: "
            f"{some(lacking)}"
        )
    if not streams:
        remarks.append("coin: no features (features/VIDEO.npy); only steps and times are read")
    if len(timelines) < OFFICIAL[subset]:
        remarks.insert(0, f"coin: a subset, {len(timelines)} of {OFFICIAL[subset]} videos")
    labels = tuple(step.words for step in steps)
    made = LocalizationSet("coin", timelines, labels, streams, usual=USUAL)
    protocol = {
        "layout": path.name,
        "subset": sorted({str(chosen[video]["subset"]) for video in kept}),
        "videos": len(timelines),
        "videos_of_the_official_set": OFFICIAL[subset],
        "videos_without_features": len(chosen) - len(kept),
        "steps": len(steps),
        "steps_from": whence,
        "steps_that_differ_in_words": len(set(made.labels)),
        **_oddities(path, timelines, chosen),
        "rows": "one a second, of the whole video; a row that a segment touches is of it",
    }
    alike = len(steps) - len(set(made.labels))
    if alike:
        remarks.append(
            f"coin: {alike} of {len(steps)} steps have the words of another one; text alone cannot "
            "tell them"
        )
    return replace(made, protocol=protocol, remarks=tuple(remarks))


def _database(path: Path) -> dict[str, Entry]:
    found = parsed(path)
    held = found.get("database") if isinstance(found, dict) else None
    if not isinstance(held, dict) or not held:
        raise UserError(f"{path}: no 'database' of videos in it")
    for video, one in held.items():
        stored.check(video)
        keys = ("duration", "subset", "annotation", "class")
        missing = [key for key in keys if not isinstance(one, dict) or key not in one]
        if missing or not isinstance(one["annotation"], list):
            raise UserError(
                f"{path}: {video}: it lacks {', '.join(missing) or 'a list annotation'}"
            )
    return held


def _steps(
    folder: Path, path: Path, database: Mapping[str, Entry]
) -> tuple[list[Step], str, list[str]]:
    """All steps, from the taxonomy, or else those that the annotations name; and whence."""
    here = next((folder / name for name in TAXONOMIES if (folder / name).is_file()), None)
    if here is not None:
        return taxonomy.read(here), here.name, []
    found: dict[int, Step] = {}
    for video, one in database.items():
        for segment in one["annotation"]:
            step = _number(path, video, segment)
            found.setdefault(step, Step(-1, str(one["class"]), step, str(segment.get("label", ""))))
    ordered = [found[number] for number in sorted(found)]
    remark = (
        f"coin: no {TAXONOMIES[0]} of {AUTHORS}; the {len(ordered)} steps that the annotations "
        "name are taken, in the order of their numbers"
    )
    return ordered, path.name, [remark]


def _number(path: Path, video: str, segment: Any) -> int:
    """The number of an annotation's step, which some files write as text."""
    written = segment.get("id") if isinstance(segment, dict) else None
    try:
        if isinstance(written, bool) or written is None:
            raise ValueError
        return int(written)
    except (ValueError, TypeError):
        raise UserError(f"{path}: {video}: an annotation has the id {written!r}") from None


def _sources(places: Sequence[Path], video: str) -> tuple[Source, ...]:
    for place in places:
        if (place / f"{video}.npy").is_file():
            return (Source(ROWS, place / f"{video}.npy"),)
    return stored.sources(places, video)


def _timeline(
    path: Path,
    video: str,
    one: Entry,
    steps: Sequence[Step],
    sources: tuple[Source, ...],
    sound: Sequence[Path],
) -> Timeline:
    places = {step.number: i for i, step in enumerate(steps)}
    marked = [(_number(path, video, held), _times(path, video, held)) for held in one["annotation"]]
    unknown = sorted({number for number, _ in marked if number not in places})
    if unknown:
        raise UserError(f"{path}: {video}: the steps {some(map(str, unknown))} are in no taxonomy")
    task = str(one["class"])
    own = [i for i, step in enumerate(steps) if step.task_name == task]
    # A step of another task would be a mistake of the annotation; it is kept, behind the others.
    own += sorted({places[number] for number, _ in marked} - set(own))
    return Timeline(
        video,
        task,
        tuple(steps[i].words for i in own),
        tuple(own),
        tuple(Segment(own.index(places[number]), *times) for number, times in marked),
        rate=1.0,
        rows=max(1, ceil(_seconds(path, video, one["duration"]))),
        sources=sources,
        sound=stored.spectrogram(sound, video),
    )


def _times(path: Path, video: str, segment: Any) -> tuple[float, float]:
    times = segment.get("segment")
    if not isinstance(times, list) or len(times) != 2:
        raise UserError(f"{path}: {video}: an annotation has the segment {times!r}")
    start, end = (_seconds(path, video, time) for time in times)
    if end < start:
        raise UserError(f"{path}: {video}: a segment ends at {end:g} s, before {start:g} s")
    return start, end


def _seconds(path: Path, video: str, written: Any) -> float:
    try:
        seconds = float(written)
    except (TypeError, ValueError):
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise UserError(f"{path}: {video}: {written!r} is no time in seconds")
    return seconds


def _oddities(
    path: Path, timelines: Sequence[Timeline], chosen: Mapping[str, Entry]
) -> dict[str, int]:
    ends = [(one, segment) for one in timelines for segment in one.segments]
    return {
        "segments": len(ends),
        "segments_beyond_the_end": sum(segment.end > one.rows for one, segment in ends),
        "segments_outside_the_region_of_interest": sum(
            segment.end <= _seconds(path, one.video, chosen[one.video].get("start", 0))
            or segment.start >= _seconds(path, one.video, chosen[one.video].get("end", one.rows))
            for one, segment in ends
        ),
        "videos_without_segments": sum(not one.segments for one in timelines),
        "videos_without_spectrogram": sum(one.sound is None for one in timelines),
    }
