"""Configurations: frozen, strict, overridden by ``key=value``, with errors a person can act on."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError, ValidationInfo, field_validator

from triptych.atomic import write_json
from triptych.errors import UsageError, UserError

C = TypeVar("C", bound="Config")
FEW = 24  # keys that an error names; those of recipes, which are more, `triptych keys` lists
LONGEST = 80  # characters of a wrong value that an error repeats


class Config(BaseModel):
    """A frozen set of named values; unknown names, infinity and NaN are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _true_is_no_number(cls, value: Any, info: ValidationInfo) -> Any:
        kind = cls.model_fields[str(info.field_name)].annotation
        if isinstance(value, bool) and kind in (int, float, int | None, float | None):
            raise ValueError("a number is wanted")
        return value


def keys(config: type[BaseModel], prefix: str = "") -> list[str]:
    """Every key that ``key=value`` may name, nested ones with dots."""
    found = []
    for name, field in config.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            found += keys(kind, f"{prefix}{name}.")
        else:
            found.append(prefix + name)
    return found


def described(config: type[BaseModel], prefix: str = "") -> list[dict[str, str]]:
    """A row for each key: ``key``, ``default``, ``values`` it may have, and its ``meaning``."""
    rows = []
    for name, field in config.model_fields.items():
        kind: Any = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            rows += described(kind, f"{prefix}{name}.")
            continue
        rows.append(
            {
                "key": prefix + name,
                "default": written(field.default),
                "values": _values(kind, field.metadata),
                "meaning": field.description or "",
            }
        )
    return rows


def written(value: Any) -> str:
    """A value as ``key=value`` takes it: true, null, a comma list, or a word as it is."""
    if isinstance(value, list | tuple):
        return ",".join(map(written, value))
    return value if isinstance(value, str) else json.dumps(value)


def _values(kind: Any, limits: Sequence[Any] = ()) -> str:
    """What values of a type may be, in words."""
    inner = [part for part in get_args(kind) if part not in (type(None), ...)]
    if get_origin(kind) is Literal:
        return ", ".join(map(str, inner))
    if get_origin(kind) is Annotated:
        return _values(inner[0], [limit for one in inner[1:] for limit in one.metadata])
    if get_origin(kind) is tuple:
        return "list of " + _values(inner[0])
    if get_origin(kind) in (Union, UnionType):
        shown = [_values(part, limits if len(inner) == 1 else ()) for part in inner]
        return " or ".join(shown) + ("; or null" if type(None) in get_args(kind) else "")
    words = {int: "whole number", float: "number", bool: "true or false", Path: "file"}
    signs = {"ge": "from", "gt": "above", "le": "to", "lt": "below"}
    ranges = [
        f"{word} {getattr(limit, sign):g}"
        for limit in limits
        for sign, word in signs.items()
        if getattr(limit, sign, None) is not None
    ]
    return " ".join([words.get(kind, "word"), *ranges])


def override(config: C, pairs: Sequence[str]) -> C:
    """``config`` with ``key=value`` pairs applied; values are JSON, a comma list, or a word.

    Raises UsageError that names the valid keys or values.
    """
    values = config.model_dump()
    known = keys(type(config))
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals:
            raise UsageError(f"{pair!r}: expected key=value; {_listed(known)}")
        if key not in known:
            raise UsageError(unknown(key, known))
        _place(values, key.split("."), text)
    return validated(type(config), values, "command line", UsageError)


def validated(
    kind: type[C], values: Mapping[str, Any], where: str, error: type[UserError] = UserError
) -> C:
    """Check ``values``; every mistake is in one line that says where and what was expected."""
    try:
        return kind.model_validate(values)
    except ValidationError as found:
        raise error(f"{where}: {'; '.join(_mistakes(found, kind))}") from None


def save(config: BaseModel, path: Path) -> None:
    """Write as JSON, whole or not at all."""
    write_json(path, config.model_dump(mode="json"))


def load(kind: type[C], path: Path) -> C:
    """Read what ``save`` wrote, or a part of it: what is missing takes its default."""
    try:
        values = json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except OSError as problem:
        raise UserError(f"{path}: cannot be read ({problem.strerror})") from None
    except (ValueError, RecursionError) as problem:  # of the JSON, or of its UTF-8
        raise UserError(f"{path}: not JSON ({problem})") from None
    return validated(kind, values, str(path))


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return [part.strip() for part in text.split(",")] if "," in text else text


def _place(values: dict[str, Any], path: Sequence[str], text: str) -> None:
    for name in path[:-1]:
        values = values[name]
    value, before = _value(text), values[path[-1]]
    # A list field given one word, or none: modalities=audio, frozen=. (null is for those that may
    # be left out.)
    if isinstance(before, list | tuple) and not isinstance(value, list | None):
        value = [value] if text else []
    # A field of words given what looks like something else: precision=32, name=a,b.
    if isinstance(before, str) and not isinstance(value, str):
        value = text
    values[path[-1]] = value


def unknown(key: str, known: Sequence[str]) -> str:
    """What is wrong with a key that is none of ``known``, and which it may be."""
    close = difflib.get_close_matches(key, known, 1)
    # The last part alone is what people remember: size for clip.size.
    close = close or [name for name in known if name.rpartition(".")[2] == key][:1]
    hint = f"did you mean {close[0]}? " if close else ""
    return f"{key!r} is not a key; {hint}{_listed(known)}"


def _listed(known: Sequence[str]) -> str:
    return f"keys are {', '.join(known)}" if len(known) <= FEW else "`triptych keys` lists them"


def _mistakes(found: ValidationError, kind: type[BaseModel]) -> list[str]:
    """A line for each wrong value; one that may be of several types is wrong in all of them."""
    said: dict[str, list[str]] = {}
    for item in found.errors():
        value, what = _mistake(item, kind)
        said.setdefault(value, []).append(what)
    alone = said.pop("", [])
    return alone + [f"{value}: {' or '.join(whats)}" for value, whats in said.items()]


def _mistake(item: Mapping[str, Any], kind: type[BaseModel]) -> tuple[str, str]:
    """The wrong value with its key, and what is wrong; the first is empty if the second says it."""
    if item["type"] == "extra_forbidden":
        return "", unknown(".".join(map(str, item["loc"])), keys(kind))
    # Behind the key of a value that may be of several types pydantic says which of them it tried.
    parts = [part for part in item["loc"] if isinstance(part, int) or part.isidentifier()]
    key = ".".join(map(str, parts))
    what: str = item["msg"].removeprefix("Value error, ").removeprefix("Input ").rstrip(".")
    if not key and item["type"] == "value_error":
        return "", what  # of several fields together; which, it says itself
    found = repr(item["input"])
    if len(found) > LONGEST:
        found = found[:LONGEST] + "…"
    return f"{key}={found}" if key else found, what
