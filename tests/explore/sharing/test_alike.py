from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from triptych.explore.sharing.alike import Yardstick


def ruler(vectors: np.ndarray, films: list[int], drawn: list[int], centred: bool) -> Yardstick:
    rows = np.arange(len(vectors)) * 2  # every other clip of the collection has a vector
    values = vectors.astype(np.float32)
    return Yardstick(rows, values, np.array(films), [2 * at for at in drawn], centred=centred)


def by_hand(
    vectors: np.ndarray, films: list[int], drawn: list[int], members: list[int], centred: bool
) -> float:
    moved = vectors - vectors[drawn].mean(axis=0) if centred else vectors
    units = moved / np.linalg.norm(moved, axis=1, keepdims=True)

    def similar(some: list[int]) -> list[float]:
        pairs = [(i, j) for i, j in combinations(sorted(some), 2) if films[i] != films[j]]
        return [round(float(units[i] @ units[j]), 6) for i, j in pairs]

    inside, random = similar(members), similar(drawn)
    return float(roc_auc_score([1] * len(inside) + [0] * len(random), inside + random))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.booleans())
def test_it_is_the_area_under_the_curve_of_telling_the_pairs_apart(
    seed: int, centred: bool
) -> None:
    draw = np.random.default_rng(seed)
    vectors = draw.normal(size=(24, 3)).astype(np.float32).astype(np.float64)
    films = draw.integers(0, 8, 24).tolist()
    drawn = sorted(draw.choice(24, 14, replace=False).tolist())
    members = sorted(set(draw.choice(24, 7, replace=False).tolist()))
    if len({films[at] for at in members}) < 2:
        return
    found = ruler(vectors, films, drawn, centred).measure([2 * at for at in members], seed=0)
    assert found is not None
    assert found.value == pytest.approx(by_hand(vectors, films, drawn, members, centred), abs=2e-3)
    assert (found.clips, found.films) == (7, len({films[at] for at in members}))


def test_the_interval_is_a_bootstrap_over_films_pair_by_pair() -> None:
    """Films drawn with replacement; two draws of one film make no pair with each other."""
    draw = np.random.default_rng(4)
    films_differ = np.repeat(draw.normal(size=(8, 2)), 3, axis=0)
    vectors = films_differ + 0.1 * draw.normal(size=(24, 2))
    films = (np.arange(24) // 3).tolist()
    measured = ruler(vectors, films, list(range(24)), False)
    found = measured.measure(range(0, 36, 2), seed=5)
    assert found is not None
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    cosines = units @ units.T
    random = [cosines[i, j] for i, j in combinations(range(24), 2) if films[i] != films[j]]
    chosen = combinations(range(18), 2)
    pairs = [(films[i], films[j], cosines[i, j]) for i, j in chosen if films[i] != films[j]]
    shares = np.array([np.mean([value > other for other in random]) for _, _, value in pairs])
    one, other = (np.array([pair[side] for pair in pairs]) for side in (0, 1))
    values = []
    for _ in range(4000):
        times = np.bincount(draw.integers(0, 6, 6), minlength=6)
        weights = times[one] * times[other]
        if weights.sum():
            values.append(np.average(shares, weights=weights))
    assert found.value == pytest.approx(shares.mean(), abs=0.01)
    assert (found.low, found.high) == pytest.approx(np.percentile(values, (2.5, 97.5)), abs=0.03)


def grouped(seed: int = 0) -> tuple[np.ndarray, list[int]]:
    """Two directions, twenty clips of each, two of a film."""
    draw = np.random.default_rng(seed)
    vectors = np.repeat([[1.0, 0.0], [0.0, 1.0]], 20, axis=0) + 0.05 * draw.normal(size=(40, 2))
    return vectors, [at // 2 for at in range(40)]


def test_what_is_alike_is_told_from_chance_and_what_is_mixed_is_not() -> None:
    vectors, films = grouped()
    measured = ruler(vectors, films, list(range(40)), True)
    alike = measured.measure(range(0, 24, 2), seed=0)
    mixed = measured.measure([*range(0, 16, 2), *range(40, 56, 2)], seed=0)
    assert alike is not None
    assert mixed is not None
    assert alike.told
    assert alike.value > 0.7
    assert not mixed.told
    assert mixed.low is not None
    assert mixed.low < 0.5 < mixed.value + 0.1


def test_too_few_films_have_no_interval_or_no_measure() -> None:
    vectors, films = grouped()
    measured = ruler(vectors, films, list(range(40)), True)
    assert measured.measure([0, 2], seed=0) is None  # one film
    assert measured.measure([1, 3], seed=0) is None  # no vectors
    two = measured.measure([0, 2, 4, 6], seed=0)
    assert two is not None
    assert (two.low, two.high, two.told) == (None, None, False)
    assert ruler(vectors, [0] * 20 + [1] * 20, [0, 39], True).measure([0, 78], seed=0) is None


def test_the_best_by_chance_is_half_where_all_are_one_cluster_and_more_of_many() -> None:
    vectors, films = grouped()
    measured = ruler(vectors, films, list(range(40)), True)
    assert measured.best_by_chance([40], seed=0) == pytest.approx(0.5)
    assert measured.best_by_chance([1], seed=0) is None
    one, many = measured.best_by_chance([4], seed=0), measured.best_by_chance([4] * 20, seed=0)
    assert one == pytest.approx(0.5, abs=0.06)
    assert many is not None
    assert many > 0.7


def test_vectors_that_are_all_the_same_are_as_alike_as_chance() -> None:
    measured = ruler(np.ones((12, 4)), list(range(12)), list(range(12)), False)
    found = measured.measure([0, 2, 4, 6], seed=0)
    assert found is not None
    assert (found.value, found.low, found.high) == (0.5, 0.5, 0.5)
