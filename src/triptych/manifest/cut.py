"""Where a file is cut into clips: at its captions where it has them, else at regular windows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from triptych.manifest.captions import Caption


@dataclass(frozen=True)
class Span:
    """One clip to be: [start, end) in seconds from the file's first timestamp, and its words."""

    start: float
    end: float
    text: str = ""


def windows(start: float, end: float, length: float) -> list[Span]:
    """Cut [start, end) every ``length`` seconds.

    A rest shorter than half a window goes to the last one, so that no clip is shorter than half a
    window and a stretch shorter than one and a half windows stays whole.
    """
    if end <= start:
        return []
    count = max(1, math.floor((end - start) / length + 0.5))
    edges = [start + length * index for index in range(count)] + [end]
    return [Span(a, b) for a, b in pairwise(edges)]


def cut(duration: float, captions: Sequence[Caption], window: float, shortest: float) -> list[Span]:
    """Cut a file of ``duration`` seconds into spans that do not overlap, in the order of time.

    Neighbouring captions are merged until they last ``shortest`` seconds, as HowTo100M does it
    (Miech et al. 2019), but not across a pause longer than ``window``. A group that is still too
    short takes in silence on both sides. Stretches without captions that last a window or longer
    become windows without words, so that nothing is lost. Captions must lie within the duration,
    sorted by start.
    """
    spoken = _widen(_merge(captions, window, shortest), duration, shortest)
    spans: list[Span] = []
    at = 0.0
    for span in spoken:
        if span.start - at >= window:
            spans += windows(at, span.start, window)
        spans.append(span)
        at = span.end
    if not spoken or duration - at >= window:
        spans += windows(at, duration, window)
    return [span for span in map(_to_milliseconds, spans) if span.end > span.start]


def whole(duration: float, captions: Sequence[Caption]) -> list[Span]:
    """One span for a file, with all that is said in it, as Rai et al. (2020, section 3) take it."""
    text = " ".join(caption.text for caption in captions)
    span = _to_milliseconds(Span(0.0, duration, text))
    return [span] if span.end > span.start else []


def sliding(duration: float, captions: Sequence[Caption], window: float, hop: float) -> list[Span]:
    """A time line: windows of ``window`` seconds every ``hop`` seconds, whatever captions say.

    The last one begins earlier, so that it ends with the file and is as long. A window's words are
    those of the captions whose middle is in it, so that every caption is in one.
    """
    count = max(1, math.ceil((duration - window) / hop - 1e-6) + 1)
    spans = []
    for index in range(count):
        start = max(0.0, min(index * hop, duration - window))
        end = min(start + window, duration)
        within = [one.text for one in captions if start <= (one.start + one.end) / 2 < end]
        spans.append(Span(start, end, " ".join(within)))
    return [span for span in map(_to_milliseconds, spans) if span.end > span.start]


def _merge(captions: Sequence[Caption], pause: float, shortest: float) -> list[Span]:
    groups: list[Span] = []
    for caption in captions:
        start = caption.start
        if groups:
            last = groups[-1]
            joins = start - last.end <= pause and min(start, last.end) - last.start < shortest
            if joins or start <= last.start:
                text = f"{last.text} {caption.text}"
                groups[-1] = Span(last.start, max(last.end, caption.end), text)
                continue
            # Where captions overlap the new one cuts the old one short, and takes over what is
            # left of it when it ends earlier.
            groups[-1] = Span(last.start, min(last.end, start), last.text)
            groups.append(Span(start, max(caption.end, last.end), caption.text))
        else:
            groups.append(Span(start, caption.end, caption.text))
    return _join_short(groups, pause, shortest)


def _join_short(groups: list[Span], pause: float, shortest: float) -> list[Span]:
    """Give a group that stayed short (the last before a pause) to the one right before it."""
    joined: list[Span] = []
    for group in groups:
        last = joined[-1] if joined else None
        short = group.end - group.start < shortest / 2
        if last and short and group.start - last.end <= min(pause, shortest / 2):
            joined[-1] = Span(last.start, group.end, f"{last.text} {group.text}")
        else:
            joined.append(group)
    return joined


def _widen(groups: list[Span], duration: float, shortest: float) -> list[Span]:
    widened: list[Span] = []
    for index, group in enumerate(groups):
        floor = widened[-1].end if widened else 0.0
        ceiling = groups[index + 1].start if index + 1 < len(groups) else duration
        missing = shortest - (group.end - group.start)
        start, end = group.start, group.end
        if missing > 0:
            start = max(floor, start - missing / 2)
            end = max(end, min(ceiling, start + shortest))
            start = max(floor, min(start, end - shortest))
        widened.append(Span(start, end, group.text))
    return widened


def _to_milliseconds(span: Span) -> Span:
    """Whole milliseconds, rounded down: no clip ends behind the last frame."""
    start, end = (math.floor(value * 1000 + 1e-6) / 1000 for value in (span.start, span.end))
    return Span(start, end, span.text)
