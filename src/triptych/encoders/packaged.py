"""Weights that come inside a package: found without importing it, so that none of its code runs."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from triptych.errors import UserError


def inside(package: str, path: str, project: str, what: str) -> Path:
    """Where ``path`` of the installed ``package`` is; ``project`` is what pip calls it.

    Raises UserError, for ``what`` needs it, where it is not installed or lacks ``path``.
    """
    spec = find_spec(package)
    folders = (spec.submodule_search_locations if spec else None) or ()
    for folder in folders:
        found = Path(folder) / path
        if found.exists():
            return found
    why = "is not installed" if not folders else f"lacks {path}"
    raise UserError(f"{what}: the package {project} {why}; pip install 'triptych[backbones]'")
