"""Files of weights that others published, to tensors by name. Nothing in them is executed."""

from __future__ import annotations

import pickle
import re
import textwrap
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from triptych.errors import UserError

# Under which a training script saves the weights beside its epoch and its optimiser.
WRAPPERS = ("state_dict", "model_state_dict", "model", "network", "net", "encoder")
PICKLE = b"\x80"  # how pickles begin, and with them what PyTorch wrote before 1.6


def read(path: Path) -> dict[str, Tensor]:
    """The tensors of a .safetensors, .pth, .pt or .pth.tar, on the CPU, as the file names them.

    Raises UserError in one line where it is none, is damaged, or would have to be unpickled.
    """
    try:
        with path.open("rb") as file:
            head = file.read(64)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
    if path.suffix == ".safetensors":
        return _safetensors(path)
    if not (zipfile.is_zipfile(path) or head.startswith((b"PK", PICKLE))):
        raise UserError(f"{path}: {_what_else(head)}")
    return _tensors(path, _load(path))


def _safetensors(path: Path) -> dict[str, Tensor]:
    try:
        tensors: dict[str, Tensor] = load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise UserError(f"{path}: not safetensors, or cut short ({_brief(error)})") from None
    return tensors


def _load(path: Path) -> Any:
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if "invalid load key" in str(error) or "pickle data was truncated" in str(error):
            raise UserError(f"{path}: damaged or cut short; download it again") from None
        what = re.search(r"GLOBAL ([\w.]+)", str(error))
        raise UserError(
            f"{path}: holds more than tensors{f' ({what[1]})' if what else ''}, and reading that "
            "would run code of whoever made it; ask for a plain state_dict"
        ) from None
    except Exception as error:  # what damaged bytes tell the reader to do may end in any error
        raise UserError(f"{path}: damaged or cut short ({_brief(error)})") from None


def _tensors(path: Path, found: Any) -> dict[str, Tensor]:
    """What is inside the wrappers, which may lie in each other."""
    for _ in range(3):
        if not isinstance(found, Mapping):
            break
        inside = next((found[key] for key in WRAPPERS if isinstance(found.get(key), Mapping)), None)
        if inside is None:
            break
        found = inside
    named = {}
    if isinstance(found, Mapping):
        named = {str(key): value for key, value in found.items() if isinstance(value, Tensor)}
    if not named:
        raise UserError(f"{path}: no weights by name in it; a state_dict is wanted")
    for name, value in named.items():
        if value.layout != torch.strided or value.is_meta or value.is_quantized:
            raise UserError(f"{path}: {name} is no plain tensor of numbers; take another file")
    return named


def _what_else(head: bytes) -> str:
    if not head:
        return "an empty file; download it again"
    text = head.decode("utf-8", "ignore").lstrip().lower()
    if text.startswith(("<!doctype", "<html", "<?xml")):
        return "a web page, saved in place of the weights; download them from the page itself"
    if text.startswith("version https://git-lfs"):
        return "a pointer of Git LFS, not the weights; fetch them with git lfs pull"
    return f"not a file of weights (it begins with {head[:12]!r}); .pth or .safetensors is wanted"


def _brief(error: Exception) -> str:
    return textwrap.shorten(str(error), 100, placeholder=" …") or type(error).__name__
