"""Layouts by name: a module of this folder with a function ``read`` of a folder is one."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, cast, get_type_hints

from pydantic import create_model

from triptych import config
from triptych.config import Config
from triptych.errors import UsageError
from triptych.evaluate.layouts.sets import LocalizationSet, RetrievalSet
from triptych.progress import say

KINDS: dict[str, type[RetrievalSet] | type[LocalizationSet]] = {
    "retrieval": RetrievalSet,
    "localization": LocalizationSet,
}


def names(kind: str | None = None) -> list[str]:
    """The layouts there are: all, or those whose sets are for "retrieval" or "localization"."""
    folder = importlib.import_module("triptych.evaluate.layouts").__path__
    found = [item.name for item in pkgutil.iter_modules(folder)]
    kinds = [KINDS[kind]] if kind else list(KINDS.values())
    return sorted(name for name in found if _gives(name) in kinds)


def load(name: str, folder: Path, **choices: Any) -> RetrievalSet | LocalizationSet:
    """The set that ``folder`` holds in the layout ``name``; its remarks are said on the terminal.

    ``choices`` are the arguments of that layout's ``read``. Raises UsageError for a layout or a
    choice that there is not, UserError where the folder is incomplete or something in it is wrong.
    """
    if name not in names():
        raise UsageError(f"layout {name!r} is not known; choose one of {', '.join(names())}")
    known = choices_of(name)
    unknown = [one for one in choices if one not in config.keys(known)]
    if unknown:
        raise UsageError(
            f"{name}: no choice {unknown[0]!r}; there are {', '.join(config.keys(known))}"
        )
    read = cast(Callable[..., RetrievalSet | LocalizationSet], _module(name).read)
    found = read(folder, **choices)
    for line in found.remarks:
        say(line)
    return found


def choices_of(name: str) -> type[Config]:
    """The arguments of a layout's ``read``, less the folder, as settings with its defaults."""
    read = _module(name).read
    kinds = get_type_hints(read)
    fields: dict[str, Any] = {
        one.name: (kinds[one.name], one.default)
        for one in list(inspect.signature(read).parameters.values())[1:]
    }
    return create_model(f"Choices of {name}", __base__=Config, **fields)


def _gives(name: str) -> Any:
    """What the module's ``read`` returns; None where it is no layout."""
    read = getattr(_module(name), "read", None)
    return get_type_hints(read).get("return") if callable(read) else None


def _module(name: str) -> ModuleType:
    return importlib.import_module(f"triptych.evaluate.layouts.{name}")
