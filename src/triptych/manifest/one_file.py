"""One media file to its clips and problems: a function of the file, without shared state."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from triptych.manifest.caption_files import words_of
from triptych.manifest.captions import fit_to
from triptych.manifest.cut import Span, cut, sliding, whole
from triptych.manifest.facts import Facts
from triptych.manifest.judge import Kept, judge
from triptych.manifest.listing import MEDIA_SUFFIXES
from triptych.manifest.probe import Check, NotMedia, Unreadable, probe
from triptych.manifest.problems import Problem
from triptych.manifest.schema import clip_id, fingerprint


@dataclass(frozen=True)
class Job:
    """A file to read: ``path`` and ``captions`` are relative to ``root``."""

    root: Path
    path: str
    size: int
    captions: tuple[str, ...] = ()
    columns: Any = None  # (name of the JSON, HowTo100M's lists of this video)
    window: float = 4.0
    shortest: float = 4.0
    whole: bool = False  # one clip, cut nowhere
    hop: float | None = None  # windows every so many seconds, not cut by captions
    check: Check = "sample"


@dataclass(frozen=True)
class FileClips:
    """Rows of the manifest, in the order of time, and rows of the problems."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def read_file(job: Job) -> FileClips:
    """Probe, find the words of, cut and judge one file. Never raises for what the file holds."""
    path = job.root / job.path
    suffix = path.suffix.lower()
    if not job.size:
        return _only(job.path, "zero-length", "the file is empty")
    try:
        facts = probe(path, job.check)
    except NotMedia as error:
        return _only(job.path, "not-media", str(error))
    except Unreadable as error:
        if suffix in MEDIA_SUFFIXES:
            return _only(job.path, "unreadable", str(error))
        return _only(job.path, "not-media", "FFmpeg knows no such format")
    except OSError as error:
        return _only(job.path, "unreadable", f"cannot be read: {error.strerror}")
    if suffix not in MEDIA_SUFFIXES and _is_noise(facts):
        return _only(job.path, "not-media", "FFmpeg takes it for a recording but decodes little")
    return _clips(job, path, facts)


def _only(path: str, kind: str, reason: str) -> FileClips:
    return FileClips(problems=[Problem(path, kind, reason, "skipped")])


def _is_noise(facts: Facts) -> bool:
    """Any bytes may look like a bare stream; then hardly anything decodes."""
    tracks = [track for track in (facts.video, facts.sound) if track]
    return sum(track.failed for track in tracks) >= sum(track.good for track in tracks)


def _clips(job: Job, path: Path, facts: Facts) -> FileClips:
    duration = _duration(facts, job.window)
    words = words_of(job.root, job.captions, job.columns, facts.captions)
    fitted = fit_to(words.reading, duration)
    remarks = [*words.remarks, *((words.source, remark) for remark in fitted.remarks)]
    if job.whole:
        spans = whole(duration, fitted.captions)
    elif job.hop is not None:
        spans = sliding(duration, fitted.captions, job.window, job.hop)
    else:
        spans = cut(duration, fitted.captions, job.window, job.shortest)
    rows = _rows(job, path, facts, spans)
    kept = Kept(len(rows), sum(row["has_video"] for row in rows))
    problems = judge(job.path, facts, kept)
    problems += [
        Problem(job.path, "captions", f"{source}: {remark.reason}", remark.action)
        for source, remark in remarks
    ]
    return FileClips(rows, problems)


def _duration(facts: Facts, window: float) -> float:
    """Where the last clip ends: with the pictures, unless much sound follows them."""
    video = facts.video
    if video is None or not video.good + video.flawed or facts.end - video.end >= window:
        return facts.end
    return video.end


def _rows(job: Job, path: Path, facts: Facts, spans: Sequence[Span]) -> list[dict[str, Any]]:
    video, sound = facts.video, facts.sound
    file = {
        "path": job.path,
        "width": video.width if video else 0,
        "height": video.height if video else 0,
        "fps": video.fps if video else 0.0,
        "fingerprint": fingerprint(path),
    }
    rows = []
    for span in spans:
        row = {
            **file,
            "clip_id": clip_id(job.path, span.start, span.end),
            "start": span.start,
            "end": span.end,
            "text": span.text,
            "has_video": video is not None and video.shows(span.start, span.end),
            "has_audio": sound is not None and sound.heard(span.start, span.end),
            "has_text": bool(span.text),
        }
        if row["has_video"] or row["has_audio"] or row["has_text"]:
            rows.append(row)
    return rows
