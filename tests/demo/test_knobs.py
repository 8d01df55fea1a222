from dataclasses import fields

import pytest

from triptych.demo.knobs import RANGES, Knobs
from triptych.errors import UserError


def test_every_knob_has_a_range_and_is_documented() -> None:
    for field in fields(Knobs):
        assert field.name in RANGES
        assert field.name in (Knobs.__doc__ or "")


@pytest.mark.parametrize("name", sorted(RANGES))
def test_a_value_beside_its_range_is_refused_by_name(name: str) -> None:
    low, high = RANGES[name]
    for value in (low - 1, high * 2 + 1):
        with pytest.raises(UserError, match=rf"^demo: {name} is .*choose"):
            Knobs(**{name: value})


@pytest.mark.parametrize("value", ["many", None, True, 2.5, float("nan")])
def test_a_count_that_is_no_whole_number_is_refused(value: object) -> None:
    with pytest.raises(UserError, match="videos"):
        Knobs(videos=value)  # type: ignore[arg-type]


def test_not_a_number_is_refused_for_a_share() -> None:
    with pytest.raises(UserError, match="scene_bias"):
        Knobs(scene_bias=float("nan"))


def test_odd_sizes_are_refused() -> None:
    with pytest.raises(UserError, match="even"):
        Knobs(width=129)
