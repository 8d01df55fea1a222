import json
from pathlib import Path
from typing import Annotated, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, field_validator

from triptych.config import (
    Config,
    described,
    keys,
    load,
    override,
    save,
    unknown,
    validated,
    written,
)
from triptych.errors import UsageError, UserError


class Clip(Config):
    size: int = Field(64, ge=16)
    rate: float = Field(8.0, gt=0)


class Run(Config):
    method: str = "xdc"
    precision: Literal["auto", "32"] = "auto"
    parts: tuple[Literal["video", "audio"], ...] = ("video", "audio")
    clip: Clip = Clip()
    limit: int | None = 5
    flip: bool = True

    @field_validator("parts")
    @classmethod
    def _distinct(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(value)) != len(value):
            raise ValueError("name different parts")
        return value


def refused(*pairs: str) -> str:
    with pytest.raises(UsageError) as found:
        override(Run(), pairs)
    line = str(found.value)
    assert "\n" not in line
    return line


def test_keys_are_dotted() -> None:
    assert keys(Run) == [
        *("method", "precision", "parts", "clip.size", "clip.rate", "limit", "flip")
    ]


@pytest.mark.parametrize(
    ("pair", "key", "value"),
    [
        ("clip.size=128", "clip.size", 128),
        ("clip.rate=1e-3", "clip.rate", 0.001),
        ("parts=audio", "parts", ("audio",)),
        ("parts=audio,video", "parts", ("audio", "video")),
        ("parts=audio, video", "parts", ("audio", "video")),
        ("parts=", "parts", ()),
        ('parts=["audio","video"]', "parts", ("audio", "video")),
        ("limit=null", "limit", None),
        ("flip=false", "flip", False),
        ("method=a=b", "method", "a=b"),
        ("method=12", "method", "12"),
        ("method=a,b", "method", "a,b"),
        ('method="quoted"', "method", "quoted"),
        ("precision=32", "precision", "32"),
    ],
)
def test_pairs_override(pair: str, key: str, value: object) -> None:
    found: object = override(Run(), [pair])
    for name in key.split("."):
        found = getattr(found, name)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("value", "text"),
    [(True, "true"), (None, "null"), (0.5, "0.5"), (1e-5, "1e-05"), ("xdc", "xdc"),
     ((1.0, 0.5), "1.0,0.5"), (["video"], "video"), ([True, None], "true,null")],
)  # fmt: skip
def test_a_value_is_written_as_a_pair_takes_it(value: object, text: str) -> None:
    assert written(value) == text


@given(st.booleans(), st.one_of(st.none(), st.integers()), st.floats(1e-300, 1e300))
def test_what_is_written_is_read_again(flip: bool, limit: int | None, rate: float) -> None:
    run = Run(flip=flip, limit=limit, clip=Clip(rate=rate))
    values = {"flip": flip, "limit": limit, "clip.rate": rate}
    assert override(Run(), [f"{key}={written(value)}" for key, value in values.items()]) == run


class Told(Config):
    size: int = Field(64, ge=16, lt=256, description="pixels")
    rates: tuple[Annotated[float, Field(gt=0)], ...] = (0.5, 0.25)
    place: Path | None = None
    how: Literal["fresh", "trained"] = "fresh"
    exact: bool = False
    scale: Literal["all", "own"] | Annotated[float, Field(gt=0)] = "all"


def test_every_key_is_described_with_what_it_may_be() -> None:
    assert [tuple(row.values()) for row in described(Told)] == [
        ("size", "64", "whole number from 16 below 256", "pixels"),
        ("rates", "0.5,0.25", "list of number above 0", ""),
        ("place", "null", "file; or null", ""),
        ("how", "fresh", "fresh, trained", ""),
        ("exact", "false", "true or false", ""),
        ("scale", "all", "all, own or number above 0", ""),
    ]
    assert [row["key"] for row in described(Run)] == keys(Run)


def test_a_value_that_may_be_of_several_types_is_refused_once() -> None:
    class Scaled(Config):
        scale: Literal["all", "own"] | Annotated[float, Field(gt=0)] = "all"

    with pytest.raises(UsageError) as found:
        override(Scaled(), ["scale=-1"])
    assert str(found.value) == (
        "command line: scale='-1': should be 'all' or 'own' or should be greater than 0"
    )


def test_of_many_keys_an_error_names_the_verb_that_lists_them() -> None:
    line = unknown("learning", [f"key{i}" for i in range(40)])
    assert line == "'learning' is not a key; `triptych keys` lists them"


def test_only_the_named_key_changes_and_the_last_pair_wins() -> None:
    start = Run(method="sdc", clip=Clip(size=32))
    found = override(start, ["clip.rate=4", "clip.rate=5"])
    assert found == Run(method="sdc", clip=Clip(size=32, rate=5.0))
    assert start.clip.rate == 8.0


def test_a_wrong_key_names_the_nearest_and_all() -> None:
    line = refused("clip.sise=3")
    assert "did you mean clip.size?" in line
    assert all(key in line for key in keys(Run))
    assert "did you mean clip.size?" in refused("size=3")
    assert "did you mean" not in refused("zebra=3")
    assert "key=value" in refused("method")
    assert "'clip' is not a key" in refused("clip=3")


@pytest.mark.parametrize(
    ("pair", "said"),
    [
        ("clip.size=8", ["clip.size=8", "greater than or equal to 16"]),
        ("clip.size=big", ["clip.size='big'", "integer"]),
        ("clip.size=true", ["clip.size=True", "a number is wanted"]),
        ("limit=false", ["limit=False", "a number is wanted"]),
        ("clip.rate=NaN", ["clip.rate", "finite"]),
        ("clip.rate=Infinity", ["clip.rate", "finite"]),
        ("precision=16", ["precision='16'", "'auto' or '32'"]),
        ("parts=audio,smell", ["parts.1='smell'", "'video' or 'audio'"]),
        ("parts=audio,audio", ["parts", "name different parts"]),
        ("flip=perhaps", ["flip='perhaps'", "boolean"]),
    ],
)
def test_a_wrong_value_says_what_was_expected(pair: str, said: list[str]) -> None:
    line = refused(pair)
    assert all(part in line for part in said), line


def test_several_mistakes_are_told_at_once_and_long_values_are_cut() -> None:
    line = refused("clip.size=1", "clip.rate=-1", f"flip={'x' * 1000}")
    assert "clip.size" in line
    assert "clip.rate" in line
    assert len(line) < 400


words = st.text(st.characters(codec="utf-8"), max_size=20)
runs = st.builds(
    Run,
    method=words,
    precision=st.sampled_from(["auto", "32"]),
    parts=st.permutations(["video", "audio"]).map(tuple),
    clip=st.builds(
        Clip, size=st.integers(16), rate=st.floats(0, exclude_min=True, allow_infinity=False)
    ),
    limit=st.none() | st.integers(),
    flip=st.booleans(),
)


@given(run=runs)
def test_what_is_saved_is_what_is_loaded(
    tmp_path_factory: pytest.TempPathFactory, run: Run
) -> None:
    path = tmp_path_factory.mktemp("config") / "run.json"
    save(run, path)
    assert load(Run, path) == run


@given(run=runs)
def test_pairs_of_json_rebuild_a_config(run: Run) -> None:
    values = run.model_dump()
    pairs = []
    for key in keys(Run):
        first, _, second = key.partition(".")
        value = values[first][second] if second else values[first]
        pairs.append(f"{key}={json.dumps(value)}")
    assert override(Run(), pairs) == run


@pytest.mark.parametrize("mark", ["", "\ufeff"], ids=["plain", "as Windows saves it"])
def test_a_file_may_name_some_fields(tmp_path: Path, mark: str) -> None:
    (tmp_path / "a.json").write_text(mark + '{"clip": {"size": 32}}', encoding="utf-8")
    assert load(Run, tmp_path / "a.json") == Run(clip=Clip(size=32))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'{"clip": {"sise": 3}}', "did you mean clip.size?"),
        (b'{"clip": {"size": 3}}', "clip.size=3"),
        (b'{"clip": 3}', "clip=3"),
        (b"[1, 2]", "[1, 2]"),
        (b"{", "not JSON"),
        (b"\xff\xfe{}", "not JSON"),
        (b"", "not JSON"),
        (b"[" * 100_000, "not JSON"),
    ],
)
def test_a_wrong_file_is_named_in_one_line(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(UserError) as found:
        load(Run, path)
    line = str(found.value)
    assert line.startswith(str(path))
    assert said in line
    assert "\n" not in line
    assert not isinstance(found.value, UsageError)


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"none\.json: no such file"):
        load(Run, tmp_path / "none.json")
    with pytest.raises(UserError, match="directory"):
        load(Run, tmp_path)


def test_a_config_is_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Run().method = "sdc"  # type: ignore[misc]


def test_validated_says_where() -> None:
    with pytest.raises(UserError, match=r"^model\.safetensors: did|^model\.safetensors: 'x'"):
        validated(Run, {"x": 1}, "model.safetensors")
