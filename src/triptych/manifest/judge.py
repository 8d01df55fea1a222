"""From what was found in a file to rows that say what is wrong and what is done about it."""

from __future__ import annotations

from typing import NamedTuple

from triptych.manifest.facts import SILENCE, Facts, Sound, Video
from triptych.manifest.problems import Problem


class Kept(NamedTuple):
    """How many clips a file gave, and how many of them have pictures."""

    clips: int
    with_video: int


def judge(path: str, facts: Facts, kept: Kept) -> list[Problem]:
    """All that is not plainly good about the file; ``captions`` rows come from elsewhere."""
    if not (_shown(facts.video) or _sounding(facts.sound)):
        reason = "not one frame of it decodes" if facts.video else "not one sample of it decodes"
        return [Problem(path, "zero-length", reason, "skipped")]
    rows = [
        ("damaged", _damage(facts), _what_is_kept(facts, kept)),
        ("cut-short", facts.cut_short, f"the {facts.end:.1f} s that are there are used"),
        ("no-audio", None if facts.sound else "no stream of sound", "used without sound"),
        ("silent", _silence(facts.sound), "used as if it had no sound"),
        ("no-video", _pictureless(facts), "used for its sound"),
        ("variable-rate", _unevenness(facts.video), "frames are taken by their times"),
    ]
    return [Problem(path, kind, reason, action) for kind, reason, action in rows if reason]


def _shown(video: Video | None) -> int:
    return video.good + video.flawed if video else 0


def _sounding(sound: Sound | None) -> int:
    return len(sound.peaks) if sound else 0


def _damage(facts: Facts) -> str | None:
    parts = []
    video, sound = facts.video, facts.sound
    if video:
        total = _shown(video) + video.failed
        if video.failed or not total:
            parts.append(f"{_shown(video)} of {total} video frames decode")
        if video.flawed:
            parts.append(f"{video.flawed} of {total} video frames decode with errors")
    if sound and sound.failed:
        parts.append(f"{sound.failed} of {sound.good + sound.failed} sound packets do not decode")
    if facts.strays:
        parts.append(f"the times of {facts.strays} packets cannot be true")
    if facts.broken_off:
        parts.append(f"reading stops at {facts.end:.1f} s ({facts.broken_off})")
    return "; ".join(parts) or None


def _what_is_kept(facts: Facts, kept: Kept) -> str:
    if not kept.clips:
        return "skipped: no clip has pictures or sound"
    if not facts.video or kept.with_video == kept.clips:
        return f"all its {kept.clips} clips are used, with what decodes"
    if not kept.with_video:
        return (
            f"its {kept.clips} clips are used without pictures: "
            "in none of them do half of the frames decode"
        )
    return (
        f"{kept.with_video} of its {kept.clips} clips are used with pictures: "
        "those in which at least half of the frames decode"
    )


def _silence(sound: Sound | None) -> str | None:
    if sound is None or sound.peak >= SILENCE:
        return None
    if not len(sound.peaks):
        return "not one sample of its sound decodes"
    return f"digital silence: its largest sample is {sound.peak:.1g} of full scale"


def _pictureless(facts: Facts) -> str | None:
    if facts.video:
        return None
    return "its only picture is a still one" if facts.still else "no stream of pictures"


def _unevenness(video: Video | None) -> str | None:
    if video is None:
        return None
    if video.variable:
        return (
            f"{100 * video.irregular():.0f} % of the intervals between frames differ from the "
            f"usual {1000 * video.usual:.1f} ms; {video.fps:.2f} frames per second on average"
        )
    hole = video.hole()
    if hole is None:
        return None
    usual = f"elsewhere one every {1000 * video.usual:.1f} ms"
    return f"no frame between {hole[0]:.2f} and {hole[1]:.2f} s, {usual}"
