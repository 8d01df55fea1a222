"""results.json: figures with the protocol that gives them a meaning; one file, many evaluations."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from triptych.atomic import write_json
from triptych.errors import UserError

FORMAT = 1
Row = dict[str, Any]


def add_result(path: Path, name: str, rows: list[Row], protocol: dict[str, Any]) -> None:
    """Put an evaluation into ``path``, beside those of other names; an old one is replaced.

    The file is written whole or not at all. Raises UserError where it is something else already.
    """
    results = read_results(path) if path.exists() else {}
    write_results(path, {**results, name: {"rows": rows, "protocol": protocol}})


def write_results(path: Path, results: dict[str, dict[str, Any]]) -> None:
    """Write evaluations by name, ``rows`` and ``protocol`` of each, in the place of all before."""
    write_json(path, {"format": FORMAT, "evaluations": results})


def read_results(path: Path) -> dict[str, dict[str, Any]]:
    """Every evaluation in ``path`` by name: ``rows`` and ``protocol``."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["format"] != FORMAT:
            raise ValueError(f"format {content['format']!r}")
        return dict(content["evaluations"])
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{path}: not a results file ({error}); choose another name for the results"
        ) from None
