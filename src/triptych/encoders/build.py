"""Encoders by name: a module of this folder with a function ``build`` is an encoder."""

from __future__ import annotations

import importlib
import pkgutil
from dataclasses import asdict
from types import ModuleType
from typing import Any, get_type_hints

import torch

from triptych.encoders.encoder import AudioInput, Encoder, Input, TextInput, VideoInput
from triptych.errors import UsageError

INPUTS = {"video": VideoInput, "audio": AudioInput, "text": TextInput}


def names() -> list[str]:
    """The encoders there are."""
    folder = importlib.import_module("triptych.encoders").__path__
    modules = [item.name for item in pkgutil.iter_modules(folder) if item.name != "build"]
    return sorted(name for name in modules if hasattr(_module(name), "build"))


def modality_of(name: str) -> str:
    """What the encoder ``name`` takes, by what its ``build`` says it returns."""
    modality: str = get_type_hints(_module(name).build)["return"].modality
    return modality


def check_name(name: str, modality: str) -> None:
    """Raise UsageError when there is no such encoder, or it is of another modality."""
    fitting = [found for found in names() if modality_of(found) == modality]
    if name not in fitting:
        known = f"it is an encoder of {modality_of(name)}; " if name in names() else ""
        raise UsageError(
            f"encoders.{modality}={name!r}: {known}encoders of {modality} are {', '.join(fitting)}"
        )


def build(name: str, modality: str, clip: Input, seed: int) -> Encoder:
    """The encoder ``name`` with weights drawn from ``seed``, for clips of the form ``clip``.

    Raises UsageError when there is no such encoder or it is of another modality.
    """
    check_name(name, modality)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        encoder: Encoder = _module(name).build(clip)
    # Convolutions of oneDNN and cuDNN are fastest with the colours of a pixel side by side.
    if modality == "video":
        return encoder.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload, no-any-return]
    return encoder


def describe(name: str, encoder: Encoder) -> dict[str, Any]:
    """What ``rebuild`` needs beside the weights, as JSON."""
    return {"name": name, "modality": encoder.modality, "input": asdict(encoder.input)}


def rebuild(description: dict[str, Any]) -> Encoder:
    """The encoder of a description, with weights still to be loaded."""
    modality = description["modality"]
    values = {
        name: tuple(value) if isinstance(value, list) else value  # JSON has no tuples
        for name, value in description["input"].items()
    }
    return build(description["name"], modality, INPUTS[modality](**values), seed=0)


def _module(name: str) -> ModuleType:
    return importlib.import_module(f"triptych.encoders.{name}")
