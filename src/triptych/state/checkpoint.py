"""Checkpoints: one safetensors file, tensors and JSON together, whole or not at all."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from triptych.errors import UserError
from triptych.state import tensor_file

FORMAT = "triptych.checkpoint.1"
CHECKPOINT = tensor_file.Kind(
    FORMAT,
    "checkpoint",
    "train one with `triptych pretrain`",
    "weights that others have published go to weights.video=FILE",
)


def save(path: Path, tensors: dict[str, Tensor], facts: dict[str, Any]) -> None:
    """Write ``tensors`` and the JSON-able ``facts``; what was in ``path`` stays if that fails."""
    tensor_file.save(path, tensors, facts, CHECKPOINT)


def load(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors, on the CPU, and the facts. Nothing is unpickled."""
    return tensor_file.load(path, CHECKPOINT)


def of_run(run: Path) -> Path:
    """The checkpoint that the label-free rule marked best, or the last where none was yet."""
    for name in ("best", "last", "initial"):
        path = run / "checkpoints" / f"{name}.safetensors"
        if path.is_file():
            return path
    raise UserError(f"{run}: no checkpoint here; train one with `triptych pretrain`")


def weights_hash(tensors: dict[str, Tensor]) -> str:
    """SHA-256 of the encoders' weights, and of the heads to a joint space, by their names.

    On stored features encoders have no weights, and the heads are what tells runs apart.
    """
    digest = hashlib.sha256()
    for name in sorted(tensors):
        if name.startswith(("encoders.", "joint.")):
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
