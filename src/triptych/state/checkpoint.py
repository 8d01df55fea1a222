"""Checkpoints: one safetensors file, tensors and JSON together, whole or not at all."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from triptych.atomic import whole_file
from triptych.errors import UserError

FORMAT = "triptych.checkpoint.1"


def save(path: Path, tensors: dict[str, Tensor], facts: dict[str, Any]) -> None:
    """Write ``tensors`` and the JSON-able ``facts``; what was in ``path`` stays if that fails."""
    metadata = {"format": FORMAT, "facts": json.dumps(facts)}
    held = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    try:
        with whole_file(path) as beside:
            mode = beside.stat().st_mode
            save_file(held, beside, metadata)
            beside.chmod(mode)  # safetensors makes files that only their owner may read
    except (SafetensorError, OSError) as error:
        raise UserError(f"{path}: the checkpoint cannot be written ({error})") from None


def load(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors, on the CPU, and the facts. Nothing is unpickled."""
    if not path.is_file():
        raise UserError(f"{path}: no checkpoint here; train one with `triptych pretrain`")
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        hint = ""
        if path.suffix.lower() not in (".safetensors", ""):
            hint = "; weights that others have published go to weights.video=FILE"
        raise UserError(f"{path}: not a readable checkpoint ({error}){hint}") from None
    found = metadata.get("format", "")
    if found != FORMAT:
        if found.startswith(FORMAT.rpartition(".")[0]):
            raise UserError(f"{path}: in format {found}, this version reads {FORMAT}")
        raise UserError(f"{path}: safetensors, but not a checkpoint of Triptych")
    try:
        facts = json.loads(metadata["facts"])
    except (KeyError, ValueError):
        raise UserError(f"{path}: its facts are damaged; take another checkpoint") from None
    return tensors, facts


def of_run(run: Path) -> Path:
    """The checkpoint that the label-free rule marked best, or the last where none was yet."""
    for name in ("best", "last", "initial"):
        path = run / "checkpoints" / f"{name}.safetensors"
        if path.is_file():
            return path
    raise UserError(f"{run}: no checkpoint here; train one with `triptych pretrain`")


def weights_hash(tensors: dict[str, Tensor]) -> str:
    """SHA-256 of the encoders' weights, in the order of their names."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        if name.startswith("encoders."):
            digest.update(name.encode())
            digest.update(tensors[name].detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def part(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors whose names begin with ``prefix`` and a dot, without it."""
    return {
        name.removeprefix(f"{prefix}."): value
        for name, value in tensors.items()
        if name.startswith(f"{prefix}.")
    }


def prefixed(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The inverse of ``part``."""
    return {f"{prefix}.{name}": value for name, value in tensors.items()}
