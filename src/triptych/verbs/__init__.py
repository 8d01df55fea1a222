"""One function for each verb: the command line and Python call the same.

Their modules import nothing heavy at the top: `triptych --help` reads their signatures. What a
verb returns is what it prints with --json.
"""

import importlib
from collections.abc import Callable
from typing import Any

MODULES = {
    "doctor": "read",
    "scan": "read",
    "pretrain": "learn",
    "embed": "learn",
    "cluster": "learn",
    "search": "find",
    "evaluate": "find",
    "fit": "whole",
    "demo": "whole",
    "methods": "declared",
}


def verb(name: str) -> Callable[..., dict[str, Any]]:
    """The function of a verb."""
    module = importlib.import_module(f"triptych.verbs.{MODULES[name]}")
    found: Callable[..., dict[str, Any]] = getattr(module, name)
    return found
