"""The files of a manifest that streams describe, and what is already there of each."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from triptych.atomic import whole_file
from triptych.clips.feature_store import SUFFIX, FeatureStore, Spec
from triptych.clips.windows import Form, form_of
from triptych.errors import UserError
from triptych.manifest.schema import Manifest
from triptych.state.backbone import WINDOWS, Backbone

LONGEST_NAME = 60
Halves = npt.NDArray[np.float16]


@dataclass(frozen=True)
class Stream:
    """A network, how many rows a second it makes, and what its store is called."""

    name: str
    rate: float
    backbone: Backbone

    @property
    def modality(self) -> str:
        """What of a file it describes."""
        return self.backbone.modality

    @property
    def form(self) -> Form:
        """What it reads."""
        return form_of(self.rate, self.backbone.form, self.backbone.keeps)

    def spec(self, manifest: str) -> Spec:
        """What its store says of itself."""
        facts = json.loads(json.dumps(self.backbone.facts))
        dim = self.backbone.encoder.dim
        return Spec(self.name, self.modality, self.rate, dim, facts, manifest)

    @property
    def key(self) -> str:
        """16 hex digits that change with the rows that it makes of a file."""
        facts = self.backbone.facts
        said = [facts["encoder"], facts["sha256"], facts["fit"], WINDOWS, self.rate]
        return hashlib.sha256(json.dumps(said).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class File:
    """A file of the manifest: what it has, and how long it lasts for sure, in seconds."""

    path: str
    fingerprint: str
    end: float
    modalities: frozenset[str]

    @property
    def name(self) -> str:
        """A name for a part of it, which no other file has and every disk takes."""
        key = hashlib.sha256(f"{self.path}\x1f{self.fingerprint}".encode()).hexdigest()[:16]
        return f"{re.sub(r'[^A-Za-z0-9._-]', '_', self.path)[-LONGEST_NAME:]}.{key}.npz"


def files_of(manifest: Manifest) -> list[File]:
    """A file for each path of ``manifest``, in their order."""
    table = manifest.table
    columns = ("path", "fingerprint", "end", "has_video", "has_audio")
    found: dict[str, File] = {}
    for path, fingerprint, end, video, audio in zip(
        *(table[name].to_pylist() for name in columns), strict=True
    ):
        before = found.get(path)
        has = {name for name, there in (("video", video), ("audio", audio)) if there}
        found[path] = File(
            path,
            fingerprint,
            max(end, before.end if before else 0.0),
            frozenset(has | (before.modalities if before else set())),
        )
    return [found[path] for path in sorted(found)]


class Parts:
    """The rows of single files on the disk, each whole or not there, until there is a store."""

    def __init__(self, folder: Path, streams: Sequence[Stream]) -> None:
        self.folder = folder
        self._folders = [folder / stream.key for stream in streams]
        for part in folder.rglob(".*.part"):  # of a run that was killed
            part.unlink(missing_ok=True)

    def file(self, stream: int, file: File) -> Path:
        """Where the rows of a file lie."""
        return self._folders[stream] / file.name

    def write(self, stream: int, file: File, rows: Halves, lost: int) -> None:
        """Keep the rows of a file, of which ``lost`` are of a frame before."""
        with (
            whole_file(self.file(stream, file)) as beside,
            beside.open("wb") as out,
        ):
            np.savez(out, rows=rows, lost=lost)

    def read(self, stream: int, file: File) -> tuple[Halves, int]:
        """The rows of a file, and how many are lost."""
        with np.load(self.file(stream, file)) as part:
            return part["rows"], int(part["lost"])


def store_of(out: Path, stream: Stream) -> FeatureStore | None:
    """The store that an earlier run left for ``stream``, whose rows are taken again; None: none.

    Raises UserError where the folder holds features of another network, or another rate.
    """
    folder = out / f"{stream.name}{SUFFIX}"
    if not folder.exists():
        return None
    found = FeatureStore.open(folder)
    wanted = stream.spec("")
    same = ("encoder", "sha256", "fit", "windows")
    if (found.modality, found.rate, found.dim) != (wanted.modality, wanted.rate, wanted.dim) or any(
        found.spec.backbone.get(key) != wanted.backbone[key] for key in same
    ):
        raise UserError(
            f"{folder}: holds features of another network, or another rate ("
            f"{found.rate:g} a second, sha256 {str(found.spec.backbone.get('sha256'))[:8]}); call "
            "this stream otherwise with names=NAME, or name another --out"
        )
    return found
