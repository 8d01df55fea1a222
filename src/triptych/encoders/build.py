"""Encoders by name: a module of this folder with a function ``build`` is an encoder.

One that has a ``MODEL`` starts from published weights: those it names itself, or, where that is
empty, those that the name of the encoder adds behind a colon, as in ``transformer:FOLDER``. One
with a ``WANTED``, which says what may stand there, is only whole with it. ``find`` of the module
says where on the disk that is, or refuses.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from types import ModuleType
from typing import Any, cast, get_type_hints

import torch

from triptych.encoders.encoder import (
    AudioInput,
    Encoder,
    FeatureInput,
    Input,
    Stream,
    TextInput,
    TextOptions,
    VideoInput,
)
from triptych.errors import UsageError

INPUTS = {"video": VideoInput, "audio": AudioInput}  # of encoders that annotate none


def names() -> list[str]:
    """The encoders there are."""
    folder = importlib.import_module("triptych.encoders").__path__
    modules = [item.name for item in pkgutil.iter_modules(folder) if item.name != "build"]
    return sorted(name for name in modules if callable(getattr(_module(name), "build", None)))


def modality_of(name: str) -> str:
    """What the encoder ``name`` takes, by what its ``build`` says it returns."""
    modality: str = _kind(name).modality
    return modality


def whose_weights(name: str) -> str | None:
    """Whose files of weights the encoder ``name`` takes; None where nobody publishes any."""
    what: str | None = getattr(_module(name), "PUBLISHED", None)
    return what


def native(name: str) -> Encoder:
    """The encoder ``name``, of video or audio, for the clips that it asks for by itself."""
    encoder: Encoder = _module(name).build()
    return encoder


def published(name: str) -> bool:
    """Whether the encoder ``name`` starts from weights that its own name stands for."""
    return hasattr(_module(name), "MODEL") and bool(_model(name))


def source(name: str) -> Path | None:
    """The file or folder that the name of an encoder stands for, such as its weights; None: none.

    Raises UserError where there is no such model, or no package to read it.
    """
    model = _model(name)
    return _module(name).find(model) if model else None


def check_name(name: str, modality: str) -> None:
    """Raise UsageError when there is no such encoder, it is of another modality or lacks its model.

    Raises UserError where there is no such model, or no package to read it.
    """
    plain, colon, model = name.partition(":")
    fitting = [found for found in names() if modality_of(found) == modality]
    where = f"encoders.{modality}={name!r}: "
    if plain not in fitting:
        known = f"it is an encoder of {modality_of(plain)}; " if plain in names() else ""
        listed = ", ".join(f"{found}:MODEL" if _wanted(found) else found for found in fitting)
        raise UsageError(f"{where}{known}encoders of {modality} are {listed}")
    if _wanted(plain) and not model:
        raise UsageError(f"{where}name its model, as {plain}:{_wanted(plain)}")
    if colon and not _wanted(plain):
        raise UsageError(f"{where}{plain} takes no model; write {plain} alone")
    source(name)


def text_input(name: str, texts: Sequence[str], options: TextOptions | None = None) -> TextInput:
    """How the encoder ``name`` wants its text: by what its name stands for, and by the words of
    ``texts``, the captions that are trained on.

    Raises what ``check_name`` raises.
    """
    check_name(name, "text")
    read = _module(name).read
    return cast(TextInput, read(_model(name), texts, options or TextOptions()))


def build(name: str, modality: str, clip: Input, seed: int) -> Encoder:
    """The encoder ``name`` with published weights, or else weights drawn from ``seed``.

    It takes clips of the form ``clip``. Raises what ``check_name`` raises.
    """
    check_name(name, modality)
    return _built(name, clip, seed, _model(name))


def describe(name: str, encoder: Encoder) -> dict[str, Any]:
    """What ``rebuild`` needs beside the weights, as JSON."""
    return {"name": name, "modality": encoder.modality, "input": asdict(encoder.input)}


def rebuild(description: dict[str, Any]) -> Encoder:
    """The encoder of a description, with weights still to be loaded."""
    name, modality = description["name"], description["modality"]
    kind: Any = get_type_hints(_kind(name))["input"]
    if not isinstance(kind, type):
        kind = INPUTS[modality]
    values = {
        key: tuple(value) if isinstance(value, list) else value  # JSON has no tuples
        for key, value in description["input"].items()
    }
    if kind is FeatureInput:
        values = {"streams": tuple(Stream(**stream) for stream in values["streams"])}
    return _built(name, kind(**values), seed=0, model="")


def _built(name: str, clip: Input, seed: int, model: str) -> Encoder:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        encoder: Encoder = _module(name).build(clip, *([model] if model else []))
    return encoder.to(memory_format=encoder.layout)  # type: ignore[call-overload, no-any-return]


def _kind(name: str) -> Any:
    """The class of encoder ``name``."""
    return get_type_hints(_module(name).build)["return"]


def _wanted(name: str) -> str:
    """What the name of the encoder must add behind a colon; empty: nothing."""
    wanted: str = getattr(_module(name), "WANTED", "")
    return wanted


def _model(name: str) -> str:
    """What the name of an encoder stands for, beside the network; empty: nothing."""
    return name.partition(":")[2] or getattr(_module(name), "MODEL", "")


def _module(name: str) -> ModuleType:
    return importlib.import_module(f"triptych.encoders.{name.partition(':')[0]}")
