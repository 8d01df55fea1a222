import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from triptych.seeds import derive

places = st.lists(st.one_of(st.integers(), st.text(max_size=20)), max_size=4)


def test_a_seed_never_changes_between_releases() -> None:
    """Written out by hand: a run that is resumed by a later release must draw the same."""
    digest = hashlib.blake2b(b"(7, 'crop', 3, 1200)", digest_size=8).digest()
    assert derive(7, "crop", 3, 1200) == int.from_bytes(digest, "little") // 2


@given(seed=st.integers(0), place=places)
def test_seeds_fit_every_generator(seed: int, place: list[str | int]) -> None:
    assert 0 <= derive(seed, *place) < 2**63


@given(seed=st.integers(0, 2**40), row=st.integers(0, 2**40))
def test_a_row_of_an_array_is_the_same_place(seed: int, row: int) -> None:
    assert derive(np.int64(seed), "row", np.int64(row)) == derive(seed, "row", row)


@given(one=places, other=places)
def test_two_places_have_two_seeds(one: list[str | int], other: list[str | int]) -> None:
    assert (derive(0, *one) == derive(0, *other)) == (one == other)


def test_a_place_is_words_and_whole_numbers() -> None:
    assert derive(0, "1") != derive(0, 1)
    with pytest.raises(TypeError):
        derive(0, 0.5)  # type: ignore[arg-type]
