"""Descriptors by their names: a folder of modules, each with ``Settings`` and ``describe``."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from triptych import config
from triptych.errors import UsageError
from triptych.manifest.schema import Manifest


def names() -> list[str]:
    """The descriptors there are: modules of the folder ``kinds``."""
    folder = importlib.import_module("triptych.descriptors.kinds").__path__
    return sorted(item.name for item in pkgutil.iter_modules(folder))


def describe(
    name: str,
    manifest: Manifest,
    out: Path,
    overrides: Sequence[str] = (),
    *,
    workers: int | None = None,
    **files: Any,
) -> dict[str, Any]:
    """Describe every video of ``manifest`` and write ``out/NAME.parquet``, see DescriptorTable.

    ``overrides`` are ``key=value`` of the descriptor's settings; ``files`` what else was asked for,
    where it takes that. Returns where everything is, and a row for each file that could not be
    described. Raises UsageError that names the right words.
    """
    if name not in names():
        raise UsageError(f"{name!r} is not a descriptor; descriptors are {', '.join(names())}")
    kind = importlib.import_module(f"triptych.descriptors.kinds.{name}")
    settings = config.override(kind.Settings(), overrides)
    asked = {key: value for key, value in files.items() if value is not None and value is not False}
    for key in sorted(asked.keys() - inspect.signature(kind.describe).parameters.keys()):
        raise UsageError(f"the descriptor {name} takes no --{key.replace('_', '-')}")
    given = {pair.partition("=")[0] for pair in overrides}
    found: dict[str, Any] = kind.describe(
        manifest, out, settings, given=given, workers=workers, **asked
    )
    return found
