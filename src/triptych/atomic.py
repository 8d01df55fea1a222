"""Files written whole or not at all: beside the target, flushed to disk, renamed over it."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from triptych.errors import UserError

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yield a path to write to; on success it replaces ``path``, else it is gone.

    Writers of one file at the same time do not meet: the last to finish wins.
    """
    beside = _begun(path)
    try:
        yield beside
        _sync(beside)
        os.replace(beside, path)
        _sync_folder(path.parent)
    except OSError as error:
        if error.errno in FULL and error.filename is None:  # the system does not say of which file
            error.filename = str(path)
        raise
    finally:
        beside.unlink(missing_ok=True)


def refuse_unwritable(path: Path) -> None:
    """Raise UserError where ``whole_file`` would: before work that would be lost by it."""
    _begun(path).unlink()


def _begun(path: Path) -> Path:
    """An empty file beside ``path``, in whose place it is to come."""
    if path.is_dir():
        raise UserError(f"{path}: a folder; give the name of the file to write")
    if path.exists() and not path.is_file():  # /dev/null: the rename would put a file in its place
        raise UserError(f"{path}: a device or pipe, which cannot be written whole; name a file")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = _beside(path, "part")
        beside.touch(exist_ok=False)
    except OSError as error:  # said of the file that was asked for, not of the one beside it
        raise UserError(f"{path}: cannot be written ({error.strerror})") from None
    return beside


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Hold ``folder``, made if need be; UserError where another process holds it.

    The hold ends with the process, however it ends.
    """
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(f"{folder}: another process is at work here; wait for it") from None
        yield
    finally:
        os.close(handle)


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """Yield a folder to fill; on success it replaces ``path``, else it is gone.

    A folder that was there is kept until the new one is in its place.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = _beside(path, "part")
    beside.mkdir()
    try:
        yield beside
        for file in beside.rglob("*"):
            if file.is_file():
                _sync(file)
        _swap(beside, path)
        _sync_folder(path.parent)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` as indented JSON, whole or not at all."""
    with whole_file(path) as beside:
        beside.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def write_table(path: Path, table: pa.Table) -> None:
    """Write ``table`` as Parquet (zstd), whole or not at all."""
    with whole_file(path) as beside:
        pq.write_table(table, beside, compression="zstd")


def _beside(path: Path, what: str) -> Path:
    # By chance, not by process number: threads share one, and so may two containers on one disk.
    return path.with_name(f".{path.name[:40]}.{secrets.token_hex(4)}.{what}")


def _swap(new: Path, path: Path) -> None:
    """Put ``new`` in the place of the folder ``path``, and back if that fails."""
    if not path.exists():
        os.replace(new, path)
        return
    old = _beside(path, "old")
    os.replace(path, old)
    try:
        os.replace(new, path)
    except BaseException:
        os.replace(old, path)
        raise
    shutil.rmtree(old)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _sync_folder(path: Path) -> None:
    # The file is whole and in its place; network file systems may not flush a folder.
    with suppress(OSError):
        _sync(path)
