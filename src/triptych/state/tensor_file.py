"""One safetensors file with tensors and JSON together, of a stated kind, whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from triptych.atomic import whole_file
from triptych.errors import UserError


@dataclass(frozen=True)
class Kind:
    """What a file holds, and how a person who has none gets one."""

    format: str  # "triptych.checkpoint.1": what it is, and the version of its layout
    name: str  # "checkpoint"
    remedy: str  # "train one with `triptych pretrain`"
    foreign: str = ""  # what a file of another suffix is probably meant for


def save(path: Path, tensors: Mapping[str, Tensor], facts: dict[str, Any], kind: Kind) -> None:
    """Write ``tensors`` and the JSON-able ``facts``; what was in ``path`` stays if that fails."""
    metadata = {"format": kind.format, "facts": json.dumps(facts)}
    held = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    try:
        with whole_file(path) as beside:
            mode = beside.stat().st_mode
            save_file(held, beside, metadata)
            beside.chmod(mode)  # safetensors makes files that only their owner may read
    except (SafetensorError, OSError) as error:
        raise UserError(f"{path}: the {kind.name} cannot be written ({error})") from None


def load(path: Path, kind: Kind) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors, on the CPU, and the facts. Nothing is unpickled.

    Raises UserError in one line where there is no file of this kind.
    """
    if not path.is_file():
        raise UserError(f"{path}: no {kind.name} here; {kind.remedy}")
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        other = kind.foreign and path.suffix.lower() not in (".safetensors", "")
        hint = f"; {kind.foreign}" if other else ""
        raise UserError(f"{path}: not a readable {kind.name} ({error}){hint}") from None
    found = metadata.get("format", "")
    if found != kind.format:
        if found.startswith(kind.format.rpartition(".")[0]):
            raise UserError(f"{path}: in format {found}, this version reads {kind.format}")
        raise UserError(f"{path}: safetensors, but not a {kind.name} of Triptych")
    try:
        facts = json.loads(metadata["facts"])
    except (KeyError, ValueError):
        facts = None
    if not isinstance(facts, dict):
        raise UserError(f"{path}: its facts are damaged; take another {kind.name}")
    return tensors, facts
