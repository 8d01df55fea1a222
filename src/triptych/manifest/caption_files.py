"""Which captions belong to which video: files beside it, one JSON for all, streams inside it."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

from triptych.manifest.captions import Reading, Remark, from_columns, is_columns, parse
from triptych.manifest.problems import Problem

SUBTITLE_SUFFIXES = (".vtt", ".srt")
SUFFIXES = (*SUBTITLE_SUFFIXES, ".json", ".csv")
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]+)*")
_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


@dataclass
class Assignment:
    """Caption files by video, best first; words of a common JSON by video; and what is left."""

    files: dict[str, list[str]] = field(default_factory=dict)
    columns: dict[str, Any] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


@dataclass(frozen=True)
class Words:
    """The captions of one video, where they come from, and remarks with the source of each."""

    source: str
    reading: Reading
    remarks: list[tuple[str, Remark]]


def decode(raw: bytes) -> tuple[str, list[Remark]]:
    """The text of a file in UTF-8, UTF-16, UTF-32 or, failing these, Windows' Western alphabet."""
    for mark, encoding in _BOMS:
        if raw.startswith(mark):
            name = encoding.upper()
            remarks = [Remark(f"begins with a byte order mark ({name})", "read without it")]
            return _forgiving(raw[len(mark) :], encoding, remarks)
    if b"\0" in raw[:400]:
        little = raw[1:400:2].count(0) >= raw[0:400:2].count(0)
        encoding = "utf-16-le" if little else "utf-16-be"
        remarks = [Remark("not UTF-8: UTF-16 without a byte order mark", "read as UTF-16")]
        return _forgiving(raw, encoding, remarks)
    try:
        return raw.decode(), []
    except UnicodeDecodeError:
        return _forgiving(raw, "cp1252", [Remark("not UTF-8", "read as Windows-1252")])


def _forgiving(raw: bytes, encoding: str, remarks: list[Remark]) -> tuple[str, list[Remark]]:
    text = raw.decode(encoding, errors="replace")
    broken = text.count("\ufffd")
    if broken:
        reason = f"{broken} characters are broken"
        remarks.append(Remark(reason, "each stands as a question mark"))
    return text.replace("\ufffd", "?"), remarks


def read(path: Path) -> Reading:
    """Read one caption file; whatever is wrong with it is among the remarks, never raised."""
    try:
        text, remarks = decode(path.read_bytes())
    except OSError as error:
        return Reading((), (Remark(f"cannot be read: {error.strerror}", "no words from it"),))
    try:
        reading = parse(text, path.suffix.lower())
    except (ValueError, RecursionError) as error:
        return Reading((), (*remarks, Remark(f"cannot be read: {error}", "no words from it")))
    if not reading.captions:
        remarks.append(Remark("holds no caption with words", "no words from it"))
    return replace(reading, remarks=(*remarks, *reading.remarks))


def assign(root: Path, media: Iterable[str], candidates: Iterable[str]) -> Assignment:
    """Find the video of each caption file, by name.

    ``clip.srt``, ``clip.en.vtt``, ``clip.json`` or ``clip.csv`` belongs to ``clip.mp4`` in its own
    folder, or else to the only ``clip`` of the collection. A JSON whose keys name videos, as
    HowTo100M's caption.json does, belongs to all of them. Candidates that hold no captions become
    rows of kind not-media; captions of no video, rows of kind captions.
    """
    result = Assignment()
    beside: dict[str, list[str]] = {}
    anywhere: dict[str, list[str]] = {}
    for path in media:
        stem = PurePosixPath(path).with_suffix("")
        beside.setdefault(str(stem), []).append(path)
        anywhere.setdefault(stem.name, []).append(path)
    for candidate in sorted(candidates, key=_preference):
        value = _peek(root / candidate)
        if value is None:
            reason = "neither video nor sound nor captions"
            result.problems.append(Problem(candidate, "not-media", reason, "skipped"))
        elif isinstance(value, dict) and not is_columns(value):
            _assign_columns(candidate, value, anywhere, result)
        else:
            owners = _owners(candidate, beside, anywhere)
            for owner in owners:
                result.files.setdefault(owner, []).append(candidate)
            if not owners:
                reason = f"captions of no video: none is called {_stem(candidate)}"
                result.problems.append(Problem(candidate, "captions", reason, "not used"))
    return result


def _stem(candidate: str) -> str:
    stem = PurePosixPath(candidate).stem
    name, dot, tag = stem.rpartition(".")
    return name if dot and _LANGUAGE.fullmatch(tag) else stem


def _owners(
    candidate: str, beside: Mapping[str, list[str]], anywhere: Mapping[str, list[str]]
) -> list[str]:
    path = PurePosixPath(candidate)
    for stem in (path.stem, _stem(candidate)):
        own = beside.get(str(path.with_name(stem))) if stem else None
        if own:
            return own
        far = anywhere.get(stem, [])
        if len(far) == 1:
            return far
    return []


def _preference(candidate: str) -> tuple[int, int, str]:
    """No language in the name first, then English, then the others by name; WebVTT before SRT."""
    path = PurePosixPath(candidate)
    tag = path.stem.rpartition(".")[2].lower() if _stem(candidate) != path.stem else ""
    language = 0 if not tag else 1 if tag.split("-")[0] in ("en", "eng") else 2
    return language, SUFFIXES.index(path.suffix.lower()), candidate


def _peek(path: Path) -> Any:
    """What a candidate holds: parsed JSON, True for other captions, None for something else."""
    suffix = path.suffix.lower()
    if suffix in SUBTITLE_SUFFIXES:
        return True
    try:
        if suffix == ".csv":
            with path.open("rb") as file:
                header = decode(file.readline(65536))[0].lower()
            names = {name.strip(' "\r\n') for name in header.split(",")}
            return {"start", "end", "text"} <= names or None
        value = json.loads(decode(path.read_bytes())[0])
    except (OSError, ValueError, RecursionError):
        return None
    if is_columns(value):
        return value
    if isinstance(value, dict) and value and all(is_columns(one) for one in value.values()):
        return value
    return None


def _assign_columns(
    candidate: str, value: dict[str, Any], anywhere: Mapping[str, list[str]], result: Assignment
) -> None:
    unknown = 0
    for name, columns in value.items():
        owners = anywhere.get(name) or anywhere.get(PurePosixPath(name).stem, [])
        unknown += not owners
        for owner in owners:
            result.columns.setdefault(owner, (candidate, columns))
    if unknown:
        reason = f"{unknown} of its {len(value)} videos are not in this folder"
        result.problems.append(Problem(candidate, "captions", reason, "their words are not used"))


def words_of(root: Path, files: Iterable[str], columns: Any, embedded: Reading | None) -> Words:
    """The captions of one video, from the first source that has words, and remarks by source.

    Files beside it come first, then the JSON of the collection, then a stream inside the file.
    """
    sources: list[tuple[str, Reading]] = [(name, read(root / name)) for name in files]
    if columns is not None:
        sources.append((columns[0], from_columns(columns[1])))
    if embedded is not None:
        sources.append(("its subtitle stream", embedded))
    remarks: list[tuple[str, Remark]] = []
    for index, (name, reading) in enumerate(sources):
        remarks += [(name, remark) for remark in reading.remarks]
        if reading.captions:
            rest = ", ".join(other for other, _ in sources[index + 1 :])
            if rest:
                remarks.append((name, Remark(f"preferred to {rest}", "one source is used")))
            return Words(name, replace(reading, remarks=()), remarks)
    return Words("", Reading(), remarks)
