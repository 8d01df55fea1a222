"""What a search is asked with: words, a media file, or a span of one."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from triptych.embeddings.model import Model, Vector
from triptych.embeddings.query import CLIP_SECONDS, embed_media
from triptych.errors import UsageError

TIME = r"((?:\d+:){0,2}\d+(?:\.\d*)?)?"
SPAN = re.compile(f"(?:t=)?{TIME}(?:[-,]{TIME})?")
MEDIA = {
    *(".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".flv", ".wmv"),
    *(".3gp", ".ogv", ".wav", ".mp3", ".m4a", ".aac", ".flac", ".ogg", ".oga", ".opus", ".wma"),
}


@dataclass(frozen=True)
class Span:
    """A media file, or the part of it from ``start`` to ``end`` seconds."""

    path: Path
    start: float | None = None
    end: float | None = None


def vectors_of(model: Model, given: str, root: Path | None = None) -> dict[str, Vector]:
    """The vectors of a query as ``read_query`` reads it, by the columns of the embedding table."""
    query = read_query(given, root=root)
    if isinstance(query, Span):
        return embed_media(model, query.path, query.start, query.end)
    return model.embed_text(query)


def read_query(
    given: str, start: float | None = None, end: float | None = None, *, root: Path | None = None
) -> str | Span:
    """What the user asks with: words, or the span of a media file.

    A file is given by its path, and a part of it by ``start`` and ``end`` in seconds or in the
    path, as ``cook.mp4#12.5-15``, ``cook.mp4#1:02-1:10``, or ``cook.mp4#12.5`` for the
    ``CLIP_SECONDS`` from there on. A path that leads nowhere from here is tried from ``root``, as
    hits give it. Raises UsageError where the file is not there or the span makes no sense.
    """
    given = _from_root(given, root)
    name, hash_sign, part = given.rpartition("#")
    if hash_sign and not Path(given).exists() and (Path(name).is_file() or _is_media(name)):
        if start is not None or end is not None:
            raise UsageError(f"{given}: a span after # and --start or --end; give one of them")
        return _span(name, *_times(given, part))
    if Path(given).is_file() or _is_media(given):
        return _span(given, start, end)
    if start is not None or end is not None:
        raise UsageError(f"--start and --end are for files, and there is no file {given!r}")
    if "/" in given and Path(given).exists():  # without a slash it may be a word as well
        raise UsageError(f"{given}: not a file; give some words, or the path of a media file")
    if not given.strip():
        raise UsageError("an empty query; give some words or a media file")
    return given


def moment(path: str, start: float, end: float) -> str:
    """A span of a file as browsers and players open it, and as ``read_query`` reads it.

    The fragment is that of W3C's Media Fragments 1.0: seconds, without needless zeros.
    """
    return f"{path}#t={_short(start)},{_short(end)}"


def address(root: Path, path: str, start: float, end: float) -> str:
    """The same as an address to open in a browser; ``path`` is from ``root``."""
    return moment((root / path).resolve().as_uri(), start, end)


def _short(seconds: float) -> str:
    return f"{seconds:.2f}".rstrip("0").rstrip(".")


def _from_root(given: str, root: Path | None) -> str:
    """``given`` with the collection's folder before it where only so it is a file."""
    for name in (given, given.rpartition("#")[0]):
        if root and name and not Path(name).exists() and (root / name).is_file():
            return str(root / given)
    return given


def _is_media(name: str) -> bool:
    return Path(name).suffix.lower() in MEDIA


def _span(name: str, start: float | None, end: float | None) -> Span:
    if not Path(name).is_file():
        raise UsageError(f"{name}: no such file; give some words, or the path of a media file")
    if start is not None and start < 0:
        raise UsageError(f"{name}: a span cannot start at {start:g} s")
    if end is not None and end <= (start or 0.0):
        raise UsageError(f"{name}: a span from {start or 0.0:g} s to {end:g} s holds nothing")
    return Span(Path(name), start, end)


def _times(given: str, part: str) -> tuple[float | None, float | None]:
    """The two times after a #: 12.5-15, 12.5- (to the end), -15, or 12.5 for a clip from there."""
    found = SPAN.fullmatch(part)
    if found is None or not any(found.groups()):
        raise UsageError(f"{given}: after # give seconds, as #12.5-15 or #1:02-1:10")
    start, end = (_seconds(text) if text else None for text in found.groups())
    if start is not None and not set("-,") & set(part):
        end = start + CLIP_SECONDS
    return start, end


def _seconds(text: str) -> float:
    total = 0.0
    for piece in text.split(":"):
        total = total * 60 + float(piece)
    return total
