"""Encoders by name: a module of this folder with a function ``build`` is an encoder."""

from __future__ import annotations

import importlib
import pkgutil
from dataclasses import asdict
from typing import Any

import torch

from triptych.encoders.encoder import AudioInput, Encoder, Input, TextInput, VideoInput
from triptych.errors import UsageError

INPUTS = {"video": VideoInput, "audio": AudioInput, "text": TextInput}


def names() -> list[str]:
    """The encoders there are."""
    folder = importlib.import_module("triptych.encoders").__path__
    modules = [item.name for item in pkgutil.iter_modules(folder) if item.name != "build"]
    return sorted(
        name
        for name in modules
        if hasattr(importlib.import_module(f"triptych.encoders.{name}"), "build")
    )


def build(name: str, modality: str, clip: Input, seed: int) -> Encoder:
    """The encoder ``name`` with weights drawn from ``seed``, for clips of the form ``clip``.

    Raises UsageError when there is no such encoder or it is of another modality.
    """
    if name not in names():
        raise UsageError(f"encoders.{modality}={name!r}: encoders are {', '.join(names())}")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        encoder: Encoder = importlib.import_module(f"triptych.encoders.{name}").build(clip)
    if encoder.modality != modality:
        raise UsageError(f"encoders.{modality}={name!r}: this is an encoder of {encoder.modality}")
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
    values = description["input"]
    if modality == "text":
        values = {"vocabulary": tuple(values["vocabulary"])}
    return build(description["name"], modality, INPUTS[modality](**values), seed=0)
