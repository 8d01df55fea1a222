"""What a comparison runs: from words of the command line to rows; only recipes are read."""

from __future__ import annotations

import difflib
import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from triptych import config
from triptych.encoders.build import check_name
from triptych.errors import UsageError, UserError
from triptych.manifest.schema import MODALITIES
from triptych.methods.method import declare, names
from triptych.recipes import named
from triptych.training import features, joint, memory, published
from triptych.training.recipe import Features, Prior, Recipe, Weights

Point = Mapping[str, str]  # axis -> value, as written

OVERRIDE = re.compile(r"[a-z_]+(\.[a-z0-9_]+)*=")
NO_AXES = {
    "seed": "--seeds says how many seeds there are",
    "method": "name each method as a RECIPE",
}
AXES_OF_CLIPS = ("clips", "manifest")
OF_A_ROW = ("name", "from")  # what a RECIPE may say that is no key of a recipe
# What the weights before the first step depend on, and what a training with labels depends on.
OF_RANDOM = ("encoders.", "clip.", "weights.", "features.")
OF_SUPERVISED = (
    *OF_RANDOM, "augmentation.", "optimisation.", "epochs", "batch", "balance", "precision",
    "threads",
)  # fmt: skip


@dataclass(frozen=True)
class Given:
    """One RECIPE of the command line, with all ``key=value`` that hold for it."""

    name: str
    recipe: Recipe
    own: frozenset[str]  # keys that it sets itself
    begins: str = ""  # the RECIPE from whose runs its own begin


@dataclass(frozen=True)
class Axis:
    """A key and its values, as written."""

    key: str
    values: tuple[str, ...]


@dataclass(frozen=True)
class Row:
    """One row of the table, which has a run for every seed. ``recipe`` is that of seed 0."""

    name: str
    of: str  # the name of its RECIPE, "random", "supervised" or "descriptor"
    kind: Literal["random", "method", "supervised", "descriptor"]
    recipe: Recipe
    values: Mapping[str, Any] = field(default_factory=dict)  # axis -> value, numbers as numbers
    clips: int | None = None  # to train on; None: all
    manifest: Path | None = None  # to train on; None: the one that is evaluated
    start: str = ""  # of a random row: the row whose runs begin from these weights
    random: str = ""  # the row before training that it is compared with
    begins: str = ""  # the row from whose run of the same seed it begins
    file: Path | None = None  # of descriptors, which are evaluated as they are

    @property
    def named(self) -> str:
        """Its RECIPE, without what the command line changes of it."""
        return self.of.partition(" ")[0]

    def folder(self, seed: int) -> str:
        """The name of its run of ``seed``, fit for a file."""
        return f"{plain(self.name)}-{seed}"

    def without(self, axis: str) -> str:
        """The name less one axis, which the rows along it share."""
        return _name(self.of, {key: value for key, value in self.values.items() if key != axis})


def plain(name: str) -> str:
    """``name`` as a file may be called."""
    return re.sub(r"[^\w.+=,-]", "_", name)


def plan(
    words: Sequence[str],
    axes: Sequence[str],
    *,
    vector: str,
    supervised: bool = False,
    descriptors: Sequence[str] = (),
) -> list[Row]:
    """The rows: random, descriptors, every RECIPE at every point of the axes, supervised.

    ``words`` are RECIPEs and ``key=value`` that hold for all of them; ``descriptors`` are
    ``NAME=FILE``. There is a random row, and a supervised one, for every point at which they would
    differ. Raises UsageError in one line.
    """
    shared = [word for word in words if OVERRIDE.match(word)]
    given = [_given(word, shared) for word in words if not OVERRIDE.match(word)]
    if not given:
        raise UsageError("compare: name one or more RECIPEs, such as sdc or xdc")
    parsed = [_axis(text) for text in axes]
    keys = [axis.key for axis in parsed]
    _refuse_twice("axes", keys)
    for one in (*given, Given("the command line", Recipe(), _keys(shared))):
        if both := sorted(one.own.intersection(keys)):
            raise UsageError(f"--axis {both[0]}: {one.name} sets {both[0]} itself; keep one of two")
    points = [
        dict(zip(keys, values, strict=True))
        for values in itertools.product(*(axis.values for axis in parsed))
    ]
    trained = _begun([_at(one, point, vector) for one in given for point in points])
    first = list(zip(points, trained, strict=False))  # the rows of the first RECIPE
    rows = [*_random(first, vector), *_described(descriptors, trained[0]), *trained]
    if supervised:
        rows += _supervised(first, vector)
    _refuse_twice("rows", [row.name for row in rows])
    _refuse_twice("folders", [row.folder(0) for row in rows])
    return rows


def base_recipe(name: str) -> tuple[str, Recipe]:
    """The recipe that a RECIPE names, and what its rows are called.

    A method's name stands for the default recipe with that method, before a named recipe's.
    """
    path = Path(name)
    if path.suffix == ".json":
        return (path.parent.name if path.stem == "recipe" else path.stem), config.load(Recipe, path)
    if name in names():
        return name, Recipe(method=name)
    known = named.every()
    if name not in known:
        near = difflib.get_close_matches(name, [*names(), *known], 3)
        hint = f"did you mean {' or '.join(near)}? " if near else ""
        raise UsageError(
            f"{name!r}: neither a method, nor a named recipe, nor the path of a recipe.json; {hint}"
            f"methods are {', '.join(names())}, and `triptych recipes` lists the named ones"
        )
    return name, named.recipe_of(name)


def value_of(recipe: Recipe, key: str) -> Any:
    """What ``recipe`` has for a key with dots; a list as its words joined by +."""
    value: Any = recipe
    for part in key.split("."):
        value = getattr(value, part)
    if isinstance(value, Path):
        return str(value)
    return "+".join(map(str, value)) if isinstance(value, tuple) else value


def _is_list(key: str) -> bool:
    """Whether a key's value is a list, or may be one."""
    kind: Any = Recipe
    for part in key.split("."):
        kind = kind.model_fields[part].annotation
    return any(get_origin(one) is tuple for one in (kind, *get_args(kind)))


def modality(vector: str) -> str | None:
    """The modality whose encoder makes ``vector``; None for the joint one."""
    known = {f"vector_{name}": name for name in MODALITIES}
    if vector not in known and vector != "vector_joint":
        raise UsageError(
            f"--vector {vector}: choose {', '.join(known)} or vector_joint, which runs and "
            "untrained encoders have alike"
        )
    return known.get(vector)


def _given(word: str, shared: Sequence[str]) -> Given:
    """``NAME`` or ``NAME:key=value;key=value``, called after what sets it apart."""
    base, _, rest = (word, "", "") if Path(word).is_file() else word.partition(":")
    parts = [part.strip() for part in rest.split(";") if part.strip()]
    of_row = {key: text for key, _, text in (p.partition("=") for p in parts) if key in OF_A_ROW}
    own = [part for part in parts if part.partition("=")[0] not in OF_A_ROW]
    begins = of_row.get("from", "")
    for key in NO_AXES:
        if key in _keys([*own, *shared]):
            raise UsageError(f"{key}=…: cannot be set for a comparison; {NO_AXES[key]}")
    name, recipe = base_recipe(base)
    recipe = config.override(recipe, [*shared, *own])
    set_apart = {
        key: str(value_of(recipe, key)) for key in (pair.partition("=")[0] for pair in own)
    }
    set_apart |= {"from": begins} if begins else {}
    return Given(of_row.get("name") or _name(name, set_apart), recipe, _keys(own), begins)


def _keys(pairs: Sequence[str]) -> frozenset[str]:
    return frozenset(pair.partition("=")[0] for pair in pairs)


def _axis(text: str) -> Axis:
    key, equals, listed = text.partition("=")
    known = [*config.keys(Recipe), *AXES_OF_CLIPS]
    if key in NO_AXES:
        raise UsageError(f"--axis {key}: {NO_AXES[key]}")
    if key not in known:
        raise UsageError(f"--axis {config.unknown(key, known)}, beside clips and manifest")
    if not equals:
        raise UsageError(f"--axis {text}: no values; write --axis {key}=VALUE,VALUE")
    values = tuple(part.strip() for part in listed.split(","))
    if "" in values:
        raise UsageError(f"--axis {text}: an empty value; write --axis {key}=VALUE,VALUE")
    _refuse_twice(f"values of --axis {key}", values)
    return Axis(key, values)


def _at(given: Given, point: Point, vector: str) -> Row:
    """The row of ``given`` at ``point``. Raises UsageError where its recipe cannot be."""
    fields = {key: text for key, text in point.items() if key not in AXES_OF_CLIPS}
    pairs = [
        f"{key}={text.replace('+', ',') if _is_list(key) else text}" for key, text in fields.items()
    ]
    recipe = config.override(given.recipe, pairs).model_copy(update={"seed": 0})
    if "modalities" in point:  # stores that are named for all points are of those that have them
        kept = _stored(recipe, recipe.modalities)
        recipe = recipe.model_copy(update={"features": kept})
    values = {key: value_of(recipe, key) for key in fields}
    clips = _count(point["clips"]) if "clips" in point else None
    path = Path(point["manifest"]) if "manifest" in point else None
    values |= {"clips": clips} if clips else {}
    values |= {"manifest": _collection(path)} if path else {}
    row = Row(
        name=_name(given.name, {key: str(values[key]) for key in point}),
        of=given.name,
        kind="method",
        recipe=recipe,
        values={key: values[key] for key in point},
        clips=clips,
        manifest=path,
        random=_name("random", _part(point, OF_RANDOM, vector, values)),
        begins=given.begins,
    )
    _check(row, vector)
    return row


def _begun(rows: Sequence[Row]) -> list[Row]:
    """The rows with the names of those from which they begin, which are at the same point."""
    found: list[Row] = []
    for row in rows:
        if row.begins:
            before = [one for one in found if one.of == row.begins and one.values == row.values]
            if not before:
                names = dict.fromkeys(one.of for one in found if one.of != row.of)
                raise UsageError(
                    f"{row.name}: from={row.begins}: no RECIPE before it is called so; "
                    f"before it are {', '.join(names) or 'none'}"
                )
            row = replace(row, begins=before[0].name)
        found.append(row)
    return found


def _described(texts: Sequence[str], first: Row) -> list[Row]:
    rows = []
    for text in texts:
        name, equals, path = text.partition("=")
        if not (name and equals and path):
            raise UsageError(f"--descriptor {text}: write --descriptor NAME=FILE")
        file = Path(path)
        if not file.is_file():
            raise UsageError(
                f"--descriptor {text}: no such file; make one with `triptych describe`"
            )
        rows.append(
            Row(name, "descriptor", "descriptor", first.recipe, random=first.random, file=file)
        )
    return rows


def _check(row: Row, vector: str) -> None:
    recipe = row.recipe
    try:
        method = declare(recipe.method, recipe.modalities)
        for name in recipe.modalities:
            check_name(recipe.encoder(name), name)
        published.named(recipe)
        features.named(recipe)
        memory.refuse(method, recipe)
        joint.refuse(method, recipe)
    except UserError as error:
        raise UsageError(f"{row.name}: {error}") from None
    wanted = modality(vector)
    if wanted and wanted not in recipe.modalities:
        raise UsageError(
            f"{row.name}: is trained on {', '.join(recipe.modalities)}, so it has no {vector}; add "
            f"{wanted} to its modalities or choose another --vector"
        )


def _random(first: Sequence[tuple[Point, Row]], vector: str) -> list[Row]:
    rows: dict[str, Row] = {}
    for point, row in first:
        values = _part(point, OF_RANDOM, vector, row.values)
        untrained = Row(row.random, "random", "random", row.recipe, values, start=row.name)
        rows.setdefault(row.random, untrained)
    return list(rows.values())


def _supervised(first: Sequence[tuple[Point, Row]], vector: str) -> list[Row]:
    rows: dict[str, Row] = {}
    for point, row in first:
        values = _part(point, OF_SUPERVISED, vector, row.values)
        name = _name("supervised", {key: str(value) for key, value in values.items()})
        alone = modality(vector)
        # The encoder that is judged gets all of the steps, and no other any.
        modalities = (alone,) if alone else row.recipe.modalities
        weights = Weights(**{name: getattr(row.recipe.weights, name) for name in modalities})
        changed: dict[str, Any] = {"method": "supervised", "modalities": modalities, "frozen": ()}
        changed |= {"weights": weights, "features": _stored(row.recipe, modalities)}
        recipe = row.recipe.model_copy(update={**changed, "refresh_on": "epochs", "prior": Prior()})
        taught = Row(name, "supervised", "supervised", recipe, values, random=row.random)
        rows.setdefault(name, taught)
    return list(rows.values())


def _stored(recipe: Recipe, modalities: Sequence[str]) -> Features:
    """The stored features of some of the modalities."""
    return Features(**{name: folders for name, folders in recipe.features if name in modalities})


def _part(
    point: Point, prefixes: tuple[str, ...], vector: str, values: Mapping[str, Any]
) -> dict[str, Any]:
    """The values of the axes that make a difference."""
    wanted = prefixes if modality(vector) else (*prefixes, "modalities")
    return {key: values[key] for key in point if key.startswith(wanted)}


def _name(base: str, values: Mapping[str, Any]) -> str:
    """What a row is called: a list of modalities stands by itself, others as ``k=16``."""
    parts = [
        str(value) if key == "modalities" else f"{_short(key)}={value}"
        for key, value in values.items()
    ]
    return " ".join([base, *parts])


def _short(key: str) -> str:
    """The last part of a key where that is enough to know it."""
    last = key.rpartition(".")[2]
    alike = [name for name in config.keys(Recipe) if name.rpartition(".")[2] == last]
    return last if len(alike) == 1 and last not in MODALITIES else key


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 2:
        raise UsageError(f"--axis clips={text}: must be a number of clips, 2 or more")
    return int(text)


def _collection(path: Path) -> str:
    return path.resolve().parent.name if path.stem == "manifest" else path.stem


def _refuse_twice(what: str, found: Sequence[str]) -> None:
    twice = [name for name in found if found.count(name) > 1]
    if twice:
        raise UsageError(f"compare: two {what} are called {twice[0]!r}; name different ones")
