"""Whether a file ends before it should: what it says of itself against what is there."""

from __future__ import annotations

import os
from pathlib import Path

# Containers whose duration stands in a header, rather than being guessed from rate and size.
HEADERS = {"mov", "matroska", "webm", "flv", "asf", "avi"}
SLACK_SECONDS = 0.3
SLACK_SHARE = 0.01
_TOP_BOXES = {b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"moof", b"mfra", b"uuid"}


def claims_more(names: str, claimed: float | None, lame: bool, end: float) -> str | None:
    """Compare the header's duration with where the packets end, both in seconds from the start.

    ``lame`` says that an MP3 has an encoder's tag, whose count of frames can be trusted.
    """
    trusted = HEADERS & set(names.split(",")) or lame
    if not trusted or claimed is None or claimed <= 0:
        return None
    if claimed - end <= max(SLACK_SECONDS, SLACK_SHARE * claimed):
        return None
    return f"its header says {claimed:.1f} s, it ends after {end:.1f} s"


def misses_frames(names: str, frames: int, tick: float, end: float) -> str | None:
    """AVI's header counts the frames, of ``tick`` seconds each; compare that with ``end``."""
    if "avi" not in names.split(","):
        return None
    return claims_more(names, frames * tick, False, end)


def unfinished_ogg(path: Path) -> str | None:
    """An Ogg stream's last page carries a mark; without it something is missing behind it."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 2 * 65307))  # two pages of the largest size
        tail = file.read()
    at = tail.rfind(b"OggS")
    if at < 0 or len(tail) < at + 27:
        return "its last page is not whole"
    segments = tail[at + 26]
    table = tail[at + 27 : at + 27 + segments]
    if len(table) < segments or len(tail) < at + 27 + segments + sum(table):
        return "its last page is not whole"
    return None if tail[at + 5] & 4 else "its last page lacks the mark of an end"


def unfinished_mp4(path: Path) -> str | None:
    """Walk an MP4's top-level boxes; tell the one that reaches beyond the end of the file."""
    size = os.path.getsize(path)
    at = 0
    seen: set[bytes] = set()
    with path.open("rb") as file:
        while at + 8 <= size:
            file.seek(at)
            head = file.read(16)
            length, kind = int.from_bytes(head[:4], "big"), head[4:8]
            if length == 1:
                length = int.from_bytes(head[8:16], "big")
            if kind not in _TOP_BOXES and not seen:
                return None
            seen.add(kind)
            if length == 0:
                break
            if at + length > size:
                lacking = at + length - size
                return f"its {kind.decode('latin-1')} box lacks its last {lacking:,} bytes"
            if length < 8:
                return None
            at += length
    return (
        None if b"moov" in seen or not seen else "it has no moov box, which says where things are"
    )
