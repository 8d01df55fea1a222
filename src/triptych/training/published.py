"""The published weights that a recipe names, into its encoders, and what of them was taken."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from triptych.atomic import write_json
from triptych.encoders.encoder import Encoder
from triptych.encoders.weights import load_published
from triptych.errors import UsageError, UserError
from triptych.progress import say
from triptych.training.recipe import Recipe


def named(recipe: Recipe) -> dict[str, Path]:
    """The files that ``recipe.weights`` names, by modality.

    Raises UsageError where a modality is not the recipe's.
    """
    files = {name: path for name, path in recipe.weights if path is not None}
    for name in files:
        if name not in recipe.modalities:
            raise UsageError(
                f"weights.{name}: the recipe has no {name}, only {', '.join(recipe.modalities)}; "
                "leave it out, or name the modality in modalities"
            )
    return files


def check(recipe: Recipe) -> None:
    """Raise UserError where a file of ``recipe.weights`` is not there; none is read."""
    for name, path in named(recipe).items():
        if not path.is_file():
            what = "a folder" if path.is_dir() else "no such file"
            raise UserError(f"weights.{name}={path}: {what}; name a file of weights")


def hashes(recipe: Recipe) -> dict[str, str]:
    """SHA-256 of the files that ``recipe.weights`` names and that are there, by modality."""
    found = {}
    for name, path in named(recipe).items():
        if path.is_file():
            with path.open("rb") as file:
                found[name] = hashlib.file_digest(file, "sha256").hexdigest()
    return found


def load(recipe: Recipe, encoders: Mapping[str, Encoder], out: Path, init: Path | None) -> set[str]:
    """Fill the encoders that ``recipe.weights`` names files for; the modalities that were filled.

    Says a line for each, and a second where the recipe's clips differ from those of the weights'
    training; ``weights.json`` in ``out`` has all that is known of the files. Raises UserError where
    a file does not fit, UsageError where a modality is not the recipe's, or ``init`` is to fill it.
    """
    files = named(recipe)
    if files and init:
        first = next(iter(files))
        raise UsageError(
            f"weights.{first} and --init both say what the encoders begin with; leave --init out, "
            f"or override with weights.{first}=null"
        )
    reports = {}
    for name, path in files.items():
        try:
            report = load_published(encoders[name], path)
        except UserError as error:
            raise UserError(f"weights.{name}={error}") from None
        say(f"{name} weights: {report.line()}")
        if report.clip:
            say(f"{name} weights: {report.clip}; their features may be worse for it")
        encoder = getattr(recipe.encoders, name)
        reports[name] = {"encoder": encoder, **asdict(report)}
    if reports:
        write_json(out / "weights.json", reports)
    return set(reports)
