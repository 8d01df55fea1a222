"""Arrays and pickles that others made, read as plain values: nothing in them is executed.

A pickle is a program that may call any function of any installed package. This reader knows only
what lists of features are made of: containers, numbers, text, NumPy arrays and PyTorch tensors. All
that a pickle can name or change while it is read are the stand-ins below; each only checks and
keeps what it is given, and the arrays are made from them afterwards.
"""

from __future__ import annotations

import io
import pickle
import pickletools
import re
import textwrap
import warnings
import zipfile
from collections.abc import Callable
from functools import partial
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from triptych.errors import UserError

DEEPEST = 12  # containers inside each other; official files have three
_DTYPE = re.compile(r"b1|[iu][1248]|f[248]|c8|c16|[SU]\d{1,6}")


class _Refused(pickle.UnpicklingError):
    """What a pickle asks for is none of the plain things."""


class _Inert:
    """Something a pickle may hold, and may not change."""

    __slots__ = ()

    def __setstate__(self, state: object) -> None:
        raise _Refused("it changes what is no value of its own")


class _Maker(_Inert):
    """Stands for a function or class that a pickle names; calling it is all a pickle can do."""

    __slots__ = ("make",)

    def __init__(self, make: Callable[..., Any]) -> None:
        self.make = make

    def __call__(self, *args: Any) -> Any:
        return self.make(*args)


class _Dtype(_Inert):
    __slots__ = ("code", "order")

    def __init__(self, code: object, *_: object) -> None:
        name = code.decode("latin-1") if isinstance(code, bytes) else code
        if isinstance(name, str) and name.startswith("O"):
            raise _Refused("it holds an array of Python objects")
        if not isinstance(name, str) or not _DTYPE.fullmatch(name):
            raise _Refused(f"it holds an array of the type {name!r:.40}")
        self.code, self.order = name, "="

    def __setstate__(self, state: Any) -> None:
        order = state[1]
        order = order.decode("latin-1") if isinstance(order, bytes) else order
        if order not in ("<", ">", "=", "|"):
            raise _Refused("it holds an array of an unknown order of bytes")
        self.order = order

    def numpy(self) -> np.dtype[Any]:
        return np.dtype(self.order + self.code)


class _Array(_Inert):
    __slots__ = ("value",)

    def __init__(self, value: NDArray[Any] | None = None) -> None:
        self.value = value

    def __setstate__(self, state: Any) -> None:
        _, shape, dtype, columns_first, raw = state
        self.value = _filled(raw, dtype, shape, "F" if columns_first else "C")


class _Storage(_Inert):
    __slots__ = ("value",)

    def __init__(self, raw: object) -> None:
        if not isinstance(raw, bytes):
            raise _Refused("it holds a tensor without numbers")
        try:
            found = _safely(io.BytesIO(raw))
        except pickle.UnpicklingError:
            raise _Refused("it holds a tensor that asks for more than numbers") from None
        if not isinstance(found, torch.TypedStorage):
            raise _Refused("it holds a tensor without numbers")
        self.value = found


def _safely(file: Path | io.BytesIO) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of protocols: what cannot be read is said by its error
        return torch.load(file, map_location="cpu", weights_only=True)


def _tensor(storage: Any, offset: Any, size: Any, stride: Any, *_: object) -> _Array:
    held = storage.value
    numbers = held._untyped_storage  # untyped() warns of its class, which pickles hold
    count = numbers.nbytes() // held.dtype.itemsize
    first, sizes, steps = int(offset), tuple(map(int, size)), tuple(map(int, stride))
    last = first + sum((one - 1) * step for one, step in zip(sizes, steps, strict=True))
    # PyTorch would make the storage larger; and strides of 0 make any size out of one number.
    if min((first, *sizes, *steps)) < 0 or prod(sizes) > count or (prod(sizes) and last >= count):
        raise _Refused("it holds a tensor of more numbers than it gives")
    made = torch.empty(0, dtype=held.dtype)
    made.set_(numbers, first, sizes, steps)
    return _Array(_numpy(made))


def _filled(raw: Any, dtype: Any, shape: Any, order: Any) -> NDArray[Any]:
    data = raw.encode("latin-1") if isinstance(raw, str) else bytes(raw)
    sizes = tuple(map(int, shape))
    if min(sizes, default=0) < 0:
        raise _Refused("it holds an array of a negative size")
    kind = dtype.numpy()
    if len(data) != prod(sizes) * kind.itemsize:
        raise _Refused("it holds an array whose numbers do not fill it")
    if not data:
        return np.empty(sizes, kind)
    return np.frombuffer(data, kind).reshape(sizes, order="F" if order == "F" else "C")


def _from_buffer(buffer: Any, dtype: Any, shape: Any, order: Any, *_: object) -> _Array:
    return _Array(_filled(buffer, dtype, shape, order))


def _scalar(dtype: Any, raw: Any) -> Any:
    return _filled(raw, dtype, (), "C").item()


def _encoded(text: Any, encoding: Any = "latin-1") -> bytes:
    if encoding not in ("latin1", "latin-1") or not isinstance(text, str):
        raise _Refused("it holds bytes in an unknown alphabet")
    return text.encode("latin-1")


def _dictionary(*_: object) -> dict[Any, Any]:
    return {}


def _known() -> dict[tuple[str, str], _Maker]:
    """What a pickle may name; NumPy and Python 2 each go by two names."""
    made: dict[tuple[str, str], Callable[..., Any]] = {
        ("numpy", "dtype"): _Dtype,
        ("numpy", "ndarray"): _never,
        ("_codecs", "encode"): _encoded,
        ("collections", "OrderedDict"): _dictionary,
        ("collections", "defaultdict"): _dictionary,
        ("torch._utils", "_rebuild_tensor_v2"): _tensor,
        ("torch._utils", "_rebuild_tensor"): _tensor,
        ("torch.storage", "_load_from_bytes"): _Storage,
    }
    for core in ("numpy.core", "numpy._core"):
        made[f"{core}.multiarray", "_reconstruct"] = lambda *_: _Array()
        made[f"{core}.multiarray", "scalar"] = _scalar
        made[f"{core}.numeric", "_frombuffer"] = _from_buffer
    for builtins in ("builtins", "__builtin__"):
        for kind in (list, dict, set, frozenset):
            made[builtins, kind.__name__] = partial(_container, kind)
        made[builtins, "bytearray"] = made[builtins, "bytes"] = _bytes
    return {name: _Maker(make) for name, make in made.items()}


def _container(kind: type, items: Any = ()) -> Any:
    if not isinstance(items, (list, tuple, dict)):
        raise _Refused(f"it makes a {kind.__name__} of something that is no list")
    return kind(items)


def _bytes(raw: Any = b"", encoding: Any = "latin-1") -> bytes:
    return raw if isinstance(raw, bytes) else _encoded(raw, encoding)


def _never(*_: object) -> None:
    raise _Refused("it makes an array of no numbers")


class _Reader(pickle.Unpickler):
    def __init__(self, file: Any) -> None:
        # Pickles of Python 2 keep the numbers of arrays in strings, a character a byte.
        super().__init__(file, encoding="latin-1")
        self.known = _known()

    def find_class(self, module: str, name: str) -> Any:
        found = self.known.get((module, name))
        if found is None:
            # What damaged bytes name may hold any character.
            asked = f"{module}.{name}".encode("unicode_escape").decode()
            raise _Refused(f"it asks for {textwrap.shorten(asked, 100, placeholder=' …')}")
        return found


def pickled(path: Path) -> Any:
    """What a pickle holds: containers, numbers, text and arrays; tensors come as arrays.

    Raises UserError in one line where it cannot be read, is damaged, or asks for anything else.
    """
    _refuse_page(path)
    try:
        with path.open("rb") as file:
            _refuse_far_places(file)
            file.seek(0)
            return _plain(_Reader(file).load(), {}, 0)
    except _Refused as error:
        raise UserError(
            f"{path}: {error}, and reading that could run code of whoever made the file; only "
            "lists, dictionaries, text, numbers, arrays and tensors are read from a pickle"
        ) from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
    except Exception as error:  # what damaged bytes tell the reader to do may end in any error
        raise UserError(f"{path}: not a pickle, or cut short ({_brief(error)})") from None


def _refuse_far_places(file: Any) -> None:
    """Raise where a pickle keeps a value under a number beyond all values that there can be.

    Python makes, and fills, a table of that many places: one damaged byte would take all memory.
    """
    for count, (operation, place, _) in enumerate(pickletools.genops(file)):
        if operation.name in ("PUT", "BINPUT", "LONG_BINPUT") and int(place or 0) > count:
            raise ValueError(f"place {place} of {count} values")


def tensors(path: Path) -> Any:
    """What a .pth holds, tensors as arrays; read by PyTorch with ``weights_only``.

    Raises UserError in one line where it is none, or holds more than tensors and containers.
    """
    _refuse_page(path)
    try:
        return _plain(_safely(path), {}, 0)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
    except Exception as error:  # what damaged bytes tell the reader to do may end in any error
        what = re.search(r"GLOBAL ([\w.]+)", str(error))
        if what is None:
            raise UserError(f"{path}: not a .pth, or cut short ({_brief(error)})") from None
        raise UserError(
            f"{path}: it asks for {what[1]}, and reading that could run code of whoever made the "
            "file; save it again as tensors in dictionaries"
        ) from None


def array(path: Path, key: str = "") -> NDArray[Any]:
    """The array of a .npy, memory-mapped, or the one called ``key`` of a .npz.

    Raises UserError in one line where it is none, has no such key, or would be unpickled.
    """
    try:
        if path.suffix != ".npz":
            return _numbers(np.load(path, mmap_mode="r", allow_pickle=False), path)
        with np.load(path, allow_pickle=False) as stored:
            if key not in stored.files:
                raise UserError(f"{path}: holds {', '.join(stored.files)}, and no {key!r}")
            return _numbers(stored[key], path)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror or error})") from None
    except (ValueError, EOFError, zipfile.BadZipFile, SyntaxError) as error:
        if "Object arrays" in str(error) or "Python objects" in str(error):
            raise UserError(
                f"{path}: holds Python objects, and reading them could run code of whoever made "
                "the file; save it again as an array of numbers"
            ) from None
        raise UserError(f"{path}: not an array of NumPy, or cut short ({_brief(error)})") from None


def _numbers(found: Any, path: Path) -> NDArray[Any]:
    if not isinstance(found, np.ndarray) or found.dtype.kind not in "buif":
        raise UserError(f"{path}: not an array of numbers")
    return found


def _plain(value: Any, done: dict[int, Any], depth: int) -> Any:
    """``value`` with arrays for their stand-ins; what is shared is made once."""
    if depth > DEEPEST:
        raise _Refused(f"it holds more than {DEEPEST} containers inside each other")
    if value is None or isinstance(value, (str, bytes, bytearray, bool, int, float, complex)):
        return value
    if id(value) in done:
        return done[id(value)]
    made: Any
    if isinstance(value, _Array) and value.value is not None:
        made = value.value
    elif isinstance(value, Tensor):
        made = _numpy(value)
    elif isinstance(value, dict):
        made = {
            _plain(key, done, depth + 1): _plain(one, done, depth + 1) for key, one in value.items()
        }
    elif isinstance(value, (list, tuple, set, frozenset)):
        made = type(value)(_plain(one, done, depth + 1) for one in value)
    else:
        raise _Refused("it holds something that is no value")
    done[id(value)] = made
    return made


def _numpy(tensor: Tensor) -> NDArray[Any]:
    if tensor.layout != torch.strided or tensor.is_quantized or tensor.is_meta:
        raise _Refused("it holds a tensor that is no plain array of numbers")
    plain = tensor.detach()
    if plain.dtype == torch.bfloat16:
        plain = plain.float()
    numbers: NDArray[Any] = plain.numpy()
    return numbers


def _refuse_page(path: Path) -> None:
    """What stands in a folder in place of a large file that was not really downloaded."""
    try:
        with path.open("rb") as file:
            head = file.read(64).lstrip().lower()
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
    if head.startswith((b"<!doctype", b"<html", b"<?xml")):
        raise UserError(f"{path}: a web page, saved in place of the file; download it again")
    if head.startswith(b"version https://git-lfs"):
        raise UserError(f"{path}: a pointer of Git LFS, not the file; fetch it with git lfs pull")


def _brief(error: Exception) -> str:
    return textwrap.shorten(str(error), 100, placeholder=" …") or type(error).__name__
