"""The stored features that a recipe names: what is refused, opened, and kept of them in a run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from triptych.clips.feature_store import FeatureStore
from triptych.clips.stored import StoredFeatures, open_stored
from triptych.errors import UsageError, UserError
from triptych.manifest.schema import Manifest
from triptych.progress import say
from triptych.training.recipe import Recipe

Folders = dict[str, tuple[Path, ...]]


def named(recipe: Recipe) -> Folders:
    """The folders that ``recipe.features`` names, by modality.

    Raises UsageError where a modality is not the recipe's, has weights too, or lacks its stores.
    """
    folders = {name: paths for name, paths in recipe.features if paths}
    for name in folders:
        if name not in recipe.modalities:
            raise UsageError(
                f"features.{name}: the recipe has no {name}, only {', '.join(recipe.modalities)}; "
                "leave it out, or name the modality in modalities"
            )
        if getattr(recipe.weights, name) is not None:
            raise UsageError(
                f"weights.{name}: with features.{name} no encoder runs that could take them; "
                "leave one of the two out"
            )
    for name in recipe.modalities:
        if getattr(recipe.encoders, name).startswith("stored_") and name not in folders:
            raise UsageError(
                f"encoders.{name}={getattr(recipe.encoders, name)}: takes stored features; name "
                f"their folders as features.{name}"
            )
    return folders


def reads_clips(recipe: Recipe) -> bool:
    """Whether pictures or sound are read from files: else words and stored features are all."""
    return any(name != "text" and name not in named(recipe) for name in recipe.modalities)


def check(recipe: Recipe) -> None:
    """Raise UserError where a store of the recipe cannot be opened."""
    for folders in named(recipe).values():
        for folder in folders:
            FeatureStore.open(folder)


def opened(recipe: Recipe, manifest: Manifest) -> dict[str, StoredFeatures]:
    """The stored features of the clips of ``manifest``, by modality; says what they are."""
    found = open_stored(manifest, named(recipe))
    for name, features in found.items():
        streams = [
            f"{stream.name} ({stream.dim} numbers, {stream.rate:g} a second)"
            for stream in features.input.streams
        ]
        say(f"{name}: stored features {' + '.join(streams)}, in the place of an encoder")
        if not features.known.any():
            raise UserError(
                f"features.{name}: no clip has rows in {', '.join(map(str, named(recipe)[name]))}"
            )
    return found


def digests(recipe: Recipe) -> dict[str, list[str]]:
    """What tells the values of the recipe's stores that are there from others, by modality."""
    return {
        name: [FeatureStore.open(folder).digest for folder in folders if folder.is_dir()]
        for name, folders in named(recipe).items()
    }


def facts(stored: Mapping[str, StoredFeatures]) -> dict[str, Any] | None:
    """What a checkpoint says of the values that it learned from; None where there are none."""
    return {name: features.digests for name, features in stored.items()} or None
