"""Features that other programs have stored, as a store that names their files; docs/features.md."""

from __future__ import annotations

from collections.abc import Set
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from triptych.config import Config
from triptych.errors import UsageError
from triptych.manifest.schema import Manifest

NAMES = ("2d", "3d")
RATES = {"2d": 1.0, "3d": 1.5}  # rows a second, of both layouts


class Settings(Config):
    """Whose files they are, and where."""

    layout: Literal["howto100m", "mcn"] = Field(
        "howto100m", description="howto100m: ID.npy; mcn: ID_2d.npz and ID_3d.npz"
    )
    root: tuple[Path, ...] = Field(
        (), description="their folder; of howto100m one for each of names"
    )
    names: tuple[str, ...] = Field(NAMES, description="which features, and what stores are called")
    rates: tuple[Annotated[float, Field(gt=0, le=1000)], ...] = Field(
        (), description="rows per second of each; by default 2d has 1, 3d 1.5"
    )


def describe(
    manifest: Manifest,
    out: Path,
    settings: Settings,
    *,
    given: Set[str] = frozenset(),
    workers: int | None = None,  # noqa: ARG001  nothing is decoded
) -> dict[str, Any]:
    """Write ``NAME.features``, which names the files, and ``NAME_problems.parquet`` into ``out``.

    Raises UsageError for settings that do not go together.
    """
    from triptych.descriptors.layouts import Tree, find_features

    roots, names = settings.root, settings.names
    if not roots:
        raise UsageError("root: say where the features are, as root=FOLDER")
    if settings.layout == "howto100m" and "names" not in given:
        names = names[: len(roots)]
    rates = settings.rates or tuple(RATES.get(name, 0.0) for name in names)
    if len(set(names)) < len(names) or len(rates) != len(names) or not all(rates):
        raise UsageError("rates: say how many rows a second each of names has, as rates=1,1.5")
    if settings.layout == "mcn":
        if len(roots) > 1:
            raise UsageError("root: mcn's 2D and 3D features lie in one folder; name that one")
        trees = [
            Tree(name, roots[0], f"_{name}.npz", rate)
            for name, rate in zip(names, rates, strict=True)
        ]
    elif len(roots) != len(names):
        raise UsageError(
            f"root: {len(roots)} folders for the features {', '.join(names)}; name one for each"
        )
    else:
        trees = [
            Tree(name, root, ".npy", rate)
            for name, root, rate in zip(names, roots, rates, strict=True)
        ]
    return find_features(manifest, out, trees, settings.layout)
