"""What is in a folder: files that may be media, files that may be captions, and the rest."""

from __future__ import annotations

import os
import stat
import unicodedata
from dataclasses import dataclass, field
from pathlib import Path

from triptych.errors import UserError
from triptych.manifest.caption_files import SUFFIXES as CAPTION_SUFFIXES
from triptych.manifest.problems import Problem

# Names that say "recording". A file with one of them that does not open is broken; with another
# name it is tried too, and if it does not open it is simply something else.
MEDIA_SUFFIXES = frozenset(
    ".3g2 .3gp .aac .ac3 .aif .aiff .amr .asf .av1 .avi .caf .divx .dts .dv .eac3 .f4v .flac .flv "
    ".gif .h264 .h265 .264 .265 .hevc .ivf .m1v .m2ts .m2v .m4a .m4b .m4v .mj2 .mjpeg .mjpg .mka "
    ".mkv .mov .mp2 .mp3 .mp4 .mpe .mpeg .mpg .mts .mxf .nut .obu .oga .ogg .ogm .ogv .opus .qt "
    ".ra .rm .rmvb .spx .ts .vob .wav .webm .weba .wma .wmv .y4m".split()
)
# Text, tables, archives, documents, programs: not even opened.
OTHER_SUFFIXES = frozenset(
    ".7z .ass .bak .bin .bz2 .c .cfg .cpp .css .db .doc .docx .gz .h5 .hdf5 .htm .html .ini .ipynb "
    ".jpeg .jpg .js .log .md .nfo .npy .npz .ods .odt .parquet .part .pdf .pickle .pkl .png .ppt "
    ".pptx .pt .pth .py .pyc .rar .rst .rtf .safetensors .sh .sql .sqlite .ssa .svg .tar .tif "
    ".tiff .toml .torrent .tsv .txt .url .webp .xls .xlsx .xml .yaml .yml .zip .zst".split()
)
PICTURES = frozenset(".bmp .jpeg .jpg .png .tif .tiff .webp".split())

# What `scan` and `fit` leave, where the user puts it beside the videos: files, and folders with
# the file that they are known by, because someone may keep films of races in `run`.
RESULTS = frozenset(
    "clusters.parquet embeddings.parquet fit.json manifest.parquet problems.parquet "
    "report.html".split()
)
RESULT_FOLDERS = {"run": "recipe.json", "cache": "spec.json"}


@dataclass
class Listing:
    """Paths relative to the root with POSIX separators, as the disk spells them, sorted."""

    media: dict[str, int] = field(default_factory=dict)  # path -> bytes
    captions: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def list_folder(root: Path, leave_out: Path | None = None) -> Listing:
    """Everything below ``root`` except hidden files and folders, and Triptych's own results.

    Those are the folder ``leave_out`` and any other that holds a manifest.
    Links are followed, unless they lead back to a folder above them. Raises UserError if there is
    no such folder or nothing in it.
    """
    if not os.path.exists(root):
        raise UserError(f"{root}: no such folder; give the folder that holds the videos")
    if not os.path.isdir(root):
        raise UserError(f"{root}: a file, not a folder; give the folder that holds it")
    try:
        os.listdir(root)
    except OSError as error:
        raise UserError(f"{root}: cannot look into this folder ({error.strerror})") from None
    listing = Listing()
    _walk(root, "", (), leave_out.resolve() if leave_out else None, listing)
    if not (listing.media or listing.captions or listing.problems):
        raise UserError(f"{root}: an empty folder; put the videos into it or give another one")
    _refuse_twins(listing)
    listing.media = dict(sorted(listing.media.items()))
    listing.captions.sort()
    return listing


def _walk(
    folder: Path,
    prefix: str,
    above: tuple[tuple[int, int], ...],
    leave_out: Path | None,
    listing: Listing,
) -> None:
    try:
        here = folder.stat()
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        reason = f"cannot look into this folder: {error.strerror}"
        listing.problems.append(Problem(_spelt(prefix), "unreadable", reason, "skipped"))
        return
    identity = (here.st_dev, here.st_ino)
    if identity in above:
        reason = "a link that leads back to a folder above it"
        listing.problems.append(Problem(_spelt(prefix), "unreadable", reason, "not followed"))
        return
    results = leave_out == folder.resolve()
    for entry in entries:
        if results and _is_result(entry):
            continue
        name = f"{prefix}/{entry.name}" if prefix else entry.name
        if os.path.isdir(entry.path):  # unlike entry.is_dir(), false for a link to itself
            own = os.path.isfile(os.path.join(entry.path, "manifest.parquet"))
            if entry.name.startswith(".") or own or Path(entry.path).resolve() == leave_out:
                continue
            _walk(Path(entry.path), name, (*above, identity), leave_out, listing)
        else:
            _file(Path(entry.path), name, listing)


def _is_result(entry: os.DirEntry[str]) -> bool:
    mark = RESULT_FOLDERS.get(entry.name)
    return entry.name in RESULTS or bool(mark and os.path.isfile(os.path.join(entry.path, mark)))


def _file(path: Path, name: str, listing: Listing) -> None:
    suffix = path.suffix.lower()
    hidden = path.name.startswith(".")
    if hidden and suffix not in MEDIA_SUFFIXES:
        return
    trouble = _trouble(path, name)
    if hidden:
        trouble = ("not-media", "a hidden file: its name begins with a dot")
    elif trouble is None and suffix in CAPTION_SUFFIXES:
        listing.captions.append(name)
        return
    elif trouble is None and suffix in OTHER_SUFFIXES:
        what = "a picture" if suffix in PICTURES else f"{suffix[1:]} is no format of recordings"
        trouble = ("not-media", what)
    if trouble:
        listing.problems.append(Problem(_spelt(name), *trouble, "skipped"))
    else:
        listing.media[name] = path.stat().st_size


def _trouble(path: Path, name: str) -> tuple[str, str] | None:
    """Why a file cannot even be opened: (kind, reason)."""
    try:
        mode = path.stat().st_mode
    except OSError as error:
        if os.path.islink(path):
            return "unreadable", f"a link that leads nowhere ({error.strerror})"
        return "unreadable", f"cannot be read: {error.strerror}"
    if not stat.S_ISREG(mode):
        return "not-media", "a pipe, socket or device, not a file"
    try:
        path.open("rb").close()
    except OSError as error:
        return "unreadable", f"cannot be read: {error.strerror}"
    if _spelt(name) != name:
        return "unreadable", "its name is not valid UTF-8; rename it"
    return None


def _spelt(name: str) -> str:
    """A name that can be written down, whatever bytes the disk has."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace") or "."


def _refuse_twins(listing: Listing) -> None:
    """Two names that differ only in how accents are encoded would have the same clip ids."""
    seen: dict[str, str] = {}
    for name in sorted(listing.media):
        first = seen.setdefault(unicodedata.normalize("NFC", name), name)
        if first != name:
            del listing.media[name]
            reason = "another file has the same name but for how its accents are encoded; rename it"
            listing.problems.append(Problem(name, "unreadable", reason, "skipped"))
