"""One function for each verb: the command line and Python call the same.

Their modules import nothing heavy at the top: `triptych --help` reads their signatures. What a
verb returns is what it prints with --json.
"""

import functools
import importlib
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_type_hints

MODULES = {
    "doctor": "read",
    "scan": "read",
    "people": "describe",
    "trajectories": "describe",
    "describe": "describe",
    "pretrain": "learn",
    "embed": "learn",
    "cluster": "learn",
    "search": "find",
    "evaluate": "find",
    "compare": "compare",
    "concepts": "look",
    "wall": "wall",
    "filters": "look",
    "fit": "whole",
    "demo": "whole",
    "methods": "declared",
    "recipes": "declared",
    "keys": "declared",
}


def verb(name: str) -> Callable[..., dict[str, Any]]:
    """The function of a verb; it takes paths as text too, and one word for a list of words."""
    module = importlib.import_module(f"triptych.verbs.{MODULES[name]}")
    return _with_paths(getattr(module, name))


def _with_paths(function: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    signature, hints = inspect.signature(function), get_type_hints(function)

    @functools.wraps(function)
    def call(*args: Any, **values: Any) -> dict[str, Any]:
        try:
            given = signature.bind(*args, **values)
        except TypeError:
            return function(*args, **values)  # it says what is wrong better, with its name
        for key, value in given.arguments.items():
            if isinstance(value, str) and hints[key] in (Path, Path | None):
                given.arguments[key] = Path(value)
            elif isinstance(value, str) and hints[key] in (list[str], list[str] | None):
                given.arguments[key] = [value]  # else each letter would be a word
        return function(*given.args, **given.kwargs)

    return call
