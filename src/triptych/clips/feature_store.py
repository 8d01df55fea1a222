"""A store of features: the rows that a frozen network made of every file, so many per second.

A folder ``NAME.features``: ``spec.json`` says what made the rows, ``index.parquet`` where those of
each file lie, ``values.bin`` holds them as float16, file after file. Row i of a file is of the
seconds from i / rate to (i + 1) / rate. A store without ``values.bin`` names files of others in its
index, a ``.npy`` or a ``.npz`` (key ``features``) each, (time, dim), which are read in place.
"""

from __future__ import annotations

import hashlib
import json
import unicodedata
import zipfile
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.lib import format as array_format

from triptych.atomic import whole_folder, write_json, write_table
from triptych.encoders.encoder import Stream
from triptych.errors import UserError

FORMAT = 1
SUFFIX = ".features"
KEY = "features"  # of the array in a .npz
AGAIN = "make it again with `triptych describe`"
OPEN = 16  # files of others that stay open: those of neighbouring clips

Halves = npt.NDArray[np.float16]
Rows = npt.NDArray[Any]  # float16, or what the files of others hold

OWN = pa.schema(
    [
        ("path", pa.string()),  # as the manifest spells it
        ("fingerprint", pa.string()),  # of the file that was described; "" where nobody knows
        ("first", pa.int64()),
        ("rows", pa.int64()),
    ]
)
OTHERS = pa.schema([("path", pa.string()), ("file", pa.string()), ("rows", pa.int64())])


@dataclass(frozen=True)
class Spec:
    """What the rows of a store are: ``dim`` numbers, ``rate`` rows per second of file.

    ``backbone`` is what rebuilds the network, see ``triptych.state.backbone``; of files of others
    it is whatever is known. ``manifest`` is the digest of the collection that was described.
    """

    name: str
    modality: str  # "video" or "audio"
    rate: float
    dim: int
    backbone: dict[str, Any]
    manifest: str | None = None

    @property
    def stream(self) -> Stream:
        """What a model keeps of it."""
        return Stream(self.name, self.rate, self.dim, self.backbone)


@dataclass(frozen=True)
class Described:
    """The rows (T, dim) of one file; its ``fingerprint`` tells whether it has changed since."""

    path: str
    fingerprint: str
    rows: Rows


class FeatureStore:
    """An open store: ``FeatureStore.open(folder)``. Its values are mapped, not read."""

    def __init__(
        self, folder: Path, spec: Spec, digest: str, index: pa.Table, values: Halves | None
    ) -> None:
        self.folder = folder
        self.spec = spec
        self.digest = digest  # changes with every row of it, or of whose files it names
        self.paths: tuple[str, ...] = tuple(index["path"].to_pylist())
        self.counts: npt.NDArray[np.int64] = index["rows"].to_numpy()
        self._places = {_key(path): place for place, path in enumerate(self.paths)}
        self._values = values
        own = values is not None
        self._first: list[int] = index["first"].to_pylist() if own else []
        self._files: list[str] = [] if own else index["file"].to_pylist()
        self._prints: list[str] = index["fingerprint"].to_pylist() if own else []
        self._held: OrderedDict[int, Rows] = OrderedDict()

    @property
    def name(self) -> str:
        """What it is called, as its folder is."""
        return self.spec.name

    @property
    def modality(self) -> str:
        """What of a file its rows are of: "video" or "audio"."""
        return self.spec.modality

    @property
    def rate(self) -> float:
        """Rows per second of file."""
        return self.spec.rate

    @property
    def dim(self) -> int:
        """Numbers of a row."""
        return self.spec.dim

    def __len__(self) -> int:
        return len(self.paths)

    def has(self, path: str) -> bool:
        """Whether it holds rows of the file ``path``."""
        return _key(path) in self._places

    def place(self, path: str) -> int:
        """The number of the file ``path`` in ``paths`` and ``counts``; -1: it has none."""
        return self._places.get(_key(path), -1)

    def fingerprint(self, path: str) -> str:
        """Of the file as it was described; "" where nobody knows."""
        return self._prints[self._places[_key(path)]] if self._prints else ""

    def rows(self, path: str) -> Rows:
        """The rows (T, dim) of a file: a view, float16, or the type that others wrote.

        Raises KeyError where there are none, UserError where a file of others is not as indexed.
        """
        place = self._places[_key(path)]
        if self._values is not None:
            first = self._first[place]
            return self._values[first : first + int(self.counts[place])]
        if place in self._held:
            self._held.move_to_end(place)
            return self._held[place]
        found = read_others(Path(self._files[place]))
        if found.shape != (self.counts[place], self.dim):
            raise UserError(
                f"{self._files[place]}: {found.shape[0]} rows of {found.shape[1]}, and "
                f"{self.folder} says {self.counts[place]} of {self.dim}; index the files again"
            )
        self._held[place] = found
        if len(self._held) > OPEN:
            self._held.popitem(last=False)
        return found

    @classmethod
    def open(cls, folder: Path) -> FeatureStore:
        """Open a whole store. Raises UserError in one line where it is none, or damaged."""
        info = _read_spec(folder)
        spec = _spec(folder, info)
        if "sha256" not in info:
            index = _read_index(folder, OTHERS)
            return cls(folder, spec, _digest(spec, index), index, None)
        index = _read_index(folder, OWN)
        total = int(index["rows"].to_numpy().sum())
        values = _values(folder / "values.bin", total, spec.dim)
        first = index["first"].to_numpy()
        if (first < 0).any() or (first + index["rows"].to_numpy() > total).any():
            raise UserError(f"{folder}: its index points beyond its values; {AGAIN}")
        return cls(folder, spec, str(info["sha256"]), index, values)


def write_store(folder: Path, spec: Spec, files: Iterable[Described]) -> None:
    """Write a store of its own values, whole or not at all; ``files`` are taken one by one.

    Raises UserError for rows that are not finite, or not of ``dim`` numbers.
    """
    index: dict[str, list[Any]] = {name: [] for name in OWN.names}
    sha256, first = hashlib.sha256(json.dumps(asdict(spec)).encode()), 0
    with whole_folder(folder) as beside:
        with (beside / "values.bin").open("wb") as out:
            for file in files:
                rows = np.ascontiguousarray(file.rows, np.float16)
                if rows.ndim != 2 or rows.shape[1] != spec.dim:
                    raise UserError(f"{file.path}: rows of shape {rows.shape}, not (T, {spec.dim})")
                if not np.isfinite(rows).all():
                    raise UserError(f"{file.path}: its {spec.name} features are not finite")
                raw: Any = rows.reshape(-1).view(np.uint8)
                out.write(raw)
                sha256.update(f"{file.path}\x1f{len(rows)}\x1f".encode())
                sha256.update(raw)
                values = (file.path, file.fingerprint, first, len(rows))
                for name, value in zip(OWN.names, values, strict=True):
                    index[name].append(value)
                first += len(rows)
        write_table(beside / "index.parquet", pa.table(index, schema=OWN))
        write_json(
            beside / "spec.json", {"format": FORMAT, **asdict(spec), "sha256": sha256.hexdigest()}
        )


def write_index(folder: Path, spec: Spec, files: Iterable[tuple[str, Path, int]]) -> None:
    """Write a store that names files of others: for each its path, theirs, and its rows."""
    rows = [(path, str(file), count) for path, file, count in files]
    columns = zip(*rows, strict=True) if rows else ([], [], [])
    table = pa.table(
        [pa.array(column, field.type) for column, field in zip(columns, OTHERS, strict=True)],
        schema=OTHERS,
    )
    with whole_folder(folder) as beside:
        write_table(beside / "index.parquet", table)
        write_json(beside / "spec.json", {"format": FORMAT, **asdict(spec)})


def read_others(file: Path) -> Rows:
    """The array (time, dim) of a ``.npy``, mapped, or of a ``.npz``; raises UserError."""
    try:
        # Copied where it is written to: torch takes no array that cannot be.
        found = np.load(file, mmap_mode="c" if file.suffix == ".npy" else None, allow_pickle=False)
        if isinstance(found, np.lib.npyio.NpzFile):
            with found:
                if KEY not in found.files:
                    listed = ", ".join(found.files) or "nothing"
                    raise UserError(f"{file}: has no array {KEY!r}, only {listed}")
                found = found[KEY]
    except FileNotFoundError:
        raise UserError(f"{file}: no such file; index the files again") from None
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise UserError(f"{file}: not a readable array ({str(error).splitlines()[0]})") from None
    if found.ndim != 2 or found.dtype.kind != "f":
        raise UserError(f"{file}: an array {found.shape} of {found.dtype}, not (time, dim) floats")
    return np.asarray(found)


def shape_of(file: Path) -> tuple[int, int]:
    """Rows and numbers of a ``.npy`` or ``.npz`` of others, by its header; raises UserError."""
    if file.suffix != ".npz":
        return read_others(file).shape
    try:
        with zipfile.ZipFile(file) as packed, packed.open(f"{KEY}.npy") as member:
            read = {
                (1, 0): array_format.read_array_header_1_0,
                (2, 0): array_format.read_array_header_2_0,
            }
            shape, _, dtype = read[array_format.read_magic(member)](member)
            if len(shape) == 2 and dtype.kind == "f":
                return shape
    except (OSError, ValueError, KeyError, zipfile.BadZipFile):
        pass
    return read_others(file).shape  # it says what is wrong


def _key(path: str) -> str:
    """The path as any system spells it."""
    return unicodedata.normalize("NFC", path)


def _read_spec(folder: Path) -> dict[str, Any]:
    try:
        info = json.loads((folder / "spec.json").read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        what = "no stored features here" if folder.exists() else "no such folder"
        raise UserError(f"{folder}: {what}; make them with `triptych describe backbone`") from None
    except (OSError, ValueError) as error:
        raise UserError(f"{folder}: its spec.json cannot be read ({error}); {AGAIN}") from None
    if not isinstance(info, dict) or info.get("format") != FORMAT:
        found = info.get("format") if isinstance(info, dict) else None
        raise UserError(f"{folder}: in format {found}, this version reads {FORMAT}; {AGAIN}")
    return info


def _spec(folder: Path, info: dict[str, Any]) -> Spec:
    wanted = {"name": str, "modality": str, "rate": (int, float), "dim": int, "backbone": dict}
    for key, kind in wanted.items():
        if not isinstance(info.get(key), kind):  # type: ignore[arg-type]
            raise UserError(f"{folder}: its spec.json has no right {key}; {AGAIN}")
    spec = Spec(**{key: info[key] for key in wanted}, manifest=info.get("manifest"))
    if spec.modality not in ("video", "audio"):
        raise UserError(f"{folder}: features of {spec.modality}, not of video or audio; {AGAIN}")
    if not (0 < spec.rate < float("inf") and spec.dim > 0):
        raise UserError(f"{folder}: {spec.rate:g} rows a second of {spec.dim} numbers; {AGAIN}")
    return spec


def _read_index(folder: Path, schema: pa.Schema) -> pa.Table:
    try:
        table = pq.read_table(folder / "index.parquet").select(schema.names).cast(schema)
    except (pa.ArrowException, OSError, KeyError) as error:
        why = str(error).splitlines()[0]
        raise UserError(
            f"{folder}: its index.parquet is not that of a store ({why}); {AGAIN}"
        ) from (None)
    empty = [name for name in schema.names if table[name].null_count]
    if empty or (table["rows"].to_numpy() < 0).any():
        raise UserError(
            f"{folder}: its index has rows without {', '.join(empty) or 'a count'}; {AGAIN}"
        )
    if len(set(map(_key, table["path"].to_pylist()))) < len(table):
        raise UserError(f"{folder}: its index has a file twice; {AGAIN}")
    return table


def _values(file: Path, rows: int, dim: int) -> Halves:
    wanted = 2 * rows * dim
    found = f"{file.stat().st_size} bytes" if file.is_file() else "missing"
    if found != f"{wanted} bytes":
        raise UserError(f"{file}: {found}, not {wanted} bytes: the store is damaged; {AGAIN}")
    if not wanted:  # nothing can be mapped from an empty file
        return np.empty((0, dim), np.float16)
    # A plain view: slicing a np.memmap costs ten times as much as slicing an array. Copied where
    # it is written to: torch takes no array that cannot be.
    return np.asarray(np.memmap(file, np.float16, mode="c")).reshape(rows, dim)


def _digest(spec: Spec, index: pa.Table) -> str:
    """Of files of others, by what the index says of them."""
    digest = hashlib.sha256(json.dumps(asdict(spec)).encode())
    for name in index.column_names:
        digest.update("\x1f".join(map(str, index[name].to_pylist())).encode())
    return digest.hexdigest()
