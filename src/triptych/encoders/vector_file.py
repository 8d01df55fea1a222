"""Files of word vectors, read as a stream: what captions say, and the most frequent other words.

word2vec's text and binary forms, GloVe's text, gzip of these, and a folder with the vectors as .npy
and the words as .parquet. Such files list their words by frequency, most frequent first.
"""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from triptych.errors import UserError
from triptych.progress import say

Vector = npt.NDArray[np.floating[Any]]
Entry = tuple[int, bytes, Any]  # line or number of a word, the word, what its vector is made from

GZIP, ZIP = b"\x1f\x8b", b"PK\x03\x04"
NOT_TEXT = re.compile(rb"[\x00-\x08\x0e-\x1f]")
LONGEST_WORD = 4096  # bytes
WIDEST = 16_384  # numbers of a vector
CHUNK = 1 << 20
LONG_TO_READ = 1 << 28  # bytes


@dataclass(frozen=True)
class Table:
    """Words, in the order of their file, and their vectors, float16 (words, dim)."""

    words: tuple[str, ...]
    vectors: npt.NDArray[np.float16]


@dataclass(frozen=True)
class Choice:
    """Which words of a file are kept: those of ``wanted``, and the first ``most`` that a text can
    hold.

    ``cut`` gives the words of a text as the encoder looks them up. With ``folded`` they are in
    lower case; a vector is then that of the word in lower case, or else of its first spelling.
    """

    wanted: frozenset[str]
    most: int
    cut: Callable[[str], list[str]]
    folded: bool

    def key(self, word: str) -> str:
        """Under which the encoder looks ``word`` up."""
        return word.lower() if self.folded else word

    def takes(self, key: str, kept: int) -> bool:
        """Whether a word is kept that ``kept`` others come before."""
        return key in self.wanted or (kept < self.most and self.cut(key) == [key])


# The last table that was read: a recipe is planned, words are numbered and a network is built from
# the same one, and the largest files take a minute.
_last: dict[tuple[Any, ...], Table] = {}


def read_table(path: Path, choice: Choice) -> Table:
    """The words of ``choice`` in the file or folder ``path``, the rest of which is not held.

    Words that are not UTF-8 are left out, of words that stand there twice the first counts; both
    are said. Raises UserError in one line, with the place, where the file is no such file.
    """
    stat = path.stat()
    stamp = (path, stat.st_size, stat.st_mtime_ns, choice.cut, choice.folded)
    asked = (*stamp, choice.wanted, choice.most)
    if asked not in _last:
        table = _read(path, choice)
        _last.clear()
        _last[asked] = _last[*stamp, frozenset(table.words), 0] = table
    return _last[asked]


def _read(path: Path, choice: Choice) -> Table:
    if path.is_dir():
        return _select(path, _folder(path), _of_row, choice)
    if path.stat().st_size > LONG_TO_READ:
        say(f"{path}: reading {path.stat().st_size / 1e9:.1f} GB of word vectors")
    try:
        with _opened(path) as file:
            head = file.read(CHUNK)
        count, dim, binary = _form(path, head)
        with _opened(path) as file:
            if count is not None:
                file.readline()
            if binary:
                return _select(path, _binary(path, file, dim, count or 0), _of_bytes, choice)
            return _select(path, _lines(path, file, dim, count), _of_text(path), choice)
    except (OSError, EOFError, zlib.error) as error:
        why = "ends within its gzip" if isinstance(error, EOFError) else error
        raise UserError(f"{path}: damaged or cut short ({why}); download it again") from None


def _select(
    path: Path, entries: Iterator[Entry], numbers: Callable[[int, Any], Vector], choice: Choice
) -> Table:
    kept: dict[str, npt.NDArray[np.float16]] = {}
    exact: set[str] = set()
    unreadable: list[int] = []
    twice: list[str] = []
    for place, raw, held in entries:
        try:
            word = raw.decode()
        except UnicodeDecodeError:
            unreadable.append(place)
            continue
        key = choice.key(word)
        if key in kept:
            if word == key and key in exact:
                twice.append(word)
            if word != key or key in exact:
                continue
        elif not choice.takes(key, len(kept)):
            continue
        if word == key:
            exact.add(key)
        with np.errstate(over="ignore"):
            kept[key] = numbers(place, held).astype(np.float16)
        if not np.isfinite(kept[key]).all():
            raise UserError(f"{path}: the vector of {word!r} ({place}) is not finite in 16 bits")
    for found, what in (
        (unreadable, "words are not UTF-8 and are left out, first number"),
        (twice, "words stand in it twice, of which the first counts, such as"),
    ):
        if found:
            say(f"{path}: {len(found)} {what} {found[0]}")
    if not kept:
        raise UserError(f"{path}: holds no word that a caption could; take another file")
    return Table(tuple(kept), np.stack(list(kept.values())))


def _opened(path: Path) -> IO[bytes]:
    with path.open("rb") as file:
        packed = file.read(2) == GZIP
    return gzip.open(path) if packed else path.open("rb")  # type: ignore[return-value]


def _form(path: Path, head: bytes) -> tuple[int | None, int, bool]:
    """How many words the file says it has, numbers of a vector, and whether it is binary."""
    if not head.strip():
        raise UserError(f"{path}: an empty file; word vectors are wanted")
    if head.startswith(ZIP):
        raise UserError(f"{path}: a zip archive; unpack it and name the file in it")
    first, _, rest = head.partition(b"\n")
    fields = first.split()
    if len(fields) == 2 and all(field.isdigit() for field in fields):
        count, dim = int(fields[0]), int(fields[1])
        if count and 0 < dim <= WIDEST:
            return count, dim, bool(NOT_TEXT.search(rest[: 16 * dim + LONGEST_WORD]))
    elif len(fields) > 2 and all(_number(field) is not None for field in fields[1:]):
        return None, len(fields) - 1, False
    raise UserError(
        f"{path}: not a file of word vectors: its first line is neither a word and its numbers, "
        "as GloVe writes them, nor how many words and numbers there are, as word2vec does"
    )


def _lines(path: Path, file: IO[bytes], dim: int, count: int | None) -> Iterator[Entry]:
    """The lines of a text. A word may hold spaces, as some of GloVe's do."""
    found = 0
    for place, line in enumerate(file, 1 if count is None else 2):
        line = line.rstrip()
        if not line:
            continue
        if found == count:
            return
        found += 1
        if line.count(b" ") == dim:  # nearly all; the others are looked at closely
            word, _, rest = line.partition(b" ")
            yield place, word, rest
            continue
        fields = line.rsplit(maxsplit=dim)
        # Numbers too many would be read as the end of a word with spaces.
        more = fields[0].split()[1:]
        if len(fields) <= dim or (more and _number(more[-1]) is not None):
            wrong = len(line.split()) - 1
            raise UserError(
                f"{path}: line {place} has {wrong} numbers, not {dim}; take another file"
            )
        yield place, fields[0], b" ".join(fields[1:])
    if count is not None and found < count:
        raise UserError(f"{path}: ends after {found:,} of {count:,} words; download it again")


def _binary(path: Path, file: IO[bytes], dim: int, count: int) -> Iterator[Entry]:
    """word2vec's binary form: a word, a space, 32-bit numbers, and perhaps the end of a line."""
    size = 4 * dim
    held, at = b"", 0
    for number in range(1, count + 1):
        while (end := held.find(b" ", at)) < 0 or len(held) < end + 1 + size:
            if (end < 0 and len(held) - at > LONGEST_WORD) or not (more := file.read(CHUNK)):
                raise UserError(
                    f"{path}: damaged or cut short at word {number:,} of {count:,}; "
                    "download it again"
                )
            held, at = held[at:] + more, 0
        yield number, held[at:end].lstrip(b"\n"), held[end + 1 : end + 1 + size]
        at = end + 1 + size


def _folder(path: Path) -> Iterator[Entry]:
    """The rows of a .npy (words, dim), and the words of a .parquet's first column."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    files = [list(path.glob(f"*.{kind}")) for kind in ("npy", "parquet")]
    if any(len(found) != 1 for found in files):
        raise UserError(f"{path}: one .npy of vectors and one .parquet of words are wanted in it")
    (vectors,), (words,) = files
    try:
        rows = np.load(vectors, mmap_mode="r", allow_pickle=False)
        names = pq.read_table(words).column(0).to_pylist()
    except (OSError, ValueError, pa.ArrowException) as error:
        raise UserError(f"{path}: its word vectors cannot be read ({error})") from None
    if rows.ndim != 2 or rows.dtype.kind != "f" or len(rows) != len(names):
        raise UserError(f"{path}: {rows.shape} numbers for {len(names)} words; take another")
    for number, (name, row) in enumerate(zip(names, rows, strict=True), 1):
        yield number, str(name).encode(), row


def _of_text(path: Path) -> Callable[[int, bytes], Vector]:
    def numbers(place: int, held: bytes) -> Vector:
        fields = held.split()
        try:
            return np.array(fields, np.float64)
        except ValueError:
            wrong = next((field for field in fields if _number(field) is None), held[:20])
            shown = wrong.decode("utf-8", "replace")
            raise UserError(
                f"{path}: line {place}: {shown!r} is no number; take another file"
            ) from None

    return numbers


def _of_bytes(_: int, held: bytes) -> Vector:
    return np.frombuffer(held, "<f4")


def _of_row(_: int, row: Vector) -> Vector:
    return row


def _number(field: bytes) -> float | None:
    try:
        return float(field)
    except ValueError:
        return None
