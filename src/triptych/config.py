"""Configurations: frozen, strict, overridden by ``key=value``, with errors a person can act on."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from triptych.atomic import write_json
from triptych.errors import UsageError, UserError

C = TypeVar("C", bound="Config")


class Config(BaseModel):
    """A frozen set of named values; unknown names are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


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


def override(config: C, pairs: Sequence[str]) -> C:
    """``config`` with ``key=value`` pairs applied; values are JSON, a comma list, or a word.

    Raises UsageError that names the valid keys or values.
    """
    values = config.model_dump()
    known = keys(type(config))
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals:
            raise UsageError(f"{pair!r}: expected key=value; keys are {', '.join(known)}")
        if key not in known:
            close = difflib.get_close_matches(key, known, 1)
            hint = f"did you mean {close[0]}? " if close else ""
            raise UsageError(f"{key!r} is not a key; {hint}keys are {', '.join(known)}")
        _place(values, key.split("."), _value(text))
    return validated(type(config), values, "command line", UsageError)


def validated(
    kind: type[C], values: Mapping[str, Any], where: str, error: type[UserError] = UserError
) -> C:
    """Check ``values``; every mistake is in one line that says where and what was expected."""
    try:
        return kind.model_validate(values)
    except ValidationError as found:
        lines = [
            f"{'.'.join(map(str, item['loc']))}={item['input']!r}: {_plain(item['msg'])}"
            for item in found.errors()
        ]
        raise error(f"{where}: {'; '.join(lines)}") from None


def save(config: BaseModel, path: Path) -> None:
    """Write as JSON, whole or not at all."""
    write_json(path, config.model_dump(mode="json"))


def load(kind: type[C], path: Path) -> C:
    """Read what ``save`` wrote, or a part of it: what is missing takes its default."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as problem:
        raise UserError(f"{path}: not JSON ({problem})") from None
    return validated(kind, values, str(path))


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return [part.strip() for part in text.split(",")] if "," in text else text


def _place(values: dict[str, Any], path: Sequence[str], value: Any) -> None:
    for name in path[:-1]:
        values = values[name]
    # A list field given one word: modalities=audio.
    if isinstance(values[path[-1]], list | tuple) and not isinstance(value, list):
        value = [value]
    values[path[-1]] = value


def _plain(message: str) -> str:
    return message.removeprefix("Value error, ").removeprefix("Input ").rstrip(".")
