import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from triptych.descriptors.sketch import CountSketch


def dense(sketch: CountSketch) -> np.ndarray:
    """The matrix [d, size] that the release would hold."""
    matrix = np.zeros((len(sketch.buckets), sketch.size))
    for row, (bucket, sign) in enumerate(zip(sketch.buckets, sketch.signs, strict=True)):
        matrix[row, bucket] = sign
    return matrix


@settings(max_examples=50, deadline=None)
@given(dim=st.integers(1, 90), size=st.integers(1, 40), seed=st.integers(0, 99))
def test_buckets_and_signs_are_balanced_and_the_sketch_is_a_matrix(
    dim: int, size: int, seed: int
) -> None:
    sketch = CountSketch.draw(dim, size, seed)
    filled = np.bincount(sketch.buckets, minlength=size)
    assert filled.min() == dim // size
    assert filled.max() == -(-dim // size)
    assert sorted(np.unique(sketch.signs)) in ([-1, 1], [1])
    assert sketch.signs.sum() == dim % 2
    vectors = np.random.default_rng(seed).normal(size=(2, 3, dim)).astype("f4")
    short = sketch.apply(vectors)
    assert short.dtype == np.float32
    np.testing.assert_allclose(short, vectors @ dense(sketch), atol=1e-5)
    assert sketch.apply(vectors[0, 0]).tobytes() == short[0, 0].tobytes()


def test_inner_products_are_unbiased_over_seeds_and_spread_as_they_should() -> None:
    dim, size, seeds = 300, 40, 3000
    random = np.random.default_rng(0)
    x, y = random.normal(size=(2, dim)).astype("f4") + 0.3
    x, y = x / np.linalg.norm(x), y / np.linalg.norm(y)
    sketches = (CountSketch.draw(dim, size, seed) for seed in range(seeds))
    pairs = [sketch.apply(np.stack([x, y])) for sketch in sketches]
    found = np.array([one @ other for one, other in pairs])
    spread = found.std(ddof=1)
    # Balanced signs: two of them agree a little less than half of the time.
    bias = (x @ y - x.sum() * y.sum()) / (dim - 1) * (dim / size - 1) / (dim - 1)
    assert abs(bias) < 1 / size
    assert abs(found.mean() - x @ y - bias) < 3.5 * spread / np.sqrt(seeds)
    assert spread == pytest.approx(np.sqrt((1 + (x @ y) ** 2) / size), rel=0.15)


def test_the_seed_decides_and_small_types_hold_it() -> None:
    first, again, other = (CountSketch.draw(71_168, 2000, seed) for seed in (0, 0, 1))
    assert (first.buckets == again.buckets).all()
    assert (first.signs == again.signs).all()
    assert (first.buckets != other.buckets).any()
    assert first.buckets.dtype == np.int16
    assert first.buckets.nbytes + first.signs.nbytes == 3 * 71_168  # for 1.14 GB as a matrix
    assert CountSketch.draw(10, 40_000, 0).buckets.dtype == np.int32


def test_a_sketch_has_about_the_length_of_its_vector_and_is_not_renormalised() -> None:
    random = np.random.default_rng(0)
    vectors = random.normal(size=(50, 20_000)).astype("f4")
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    lengths = np.linalg.norm(CountSketch.draw(20_000, 2000, 0).apply(vectors), axis=1)
    assert lengths.mean() == pytest.approx(1, abs=0.02)
    assert np.abs(lengths - 1).max() > 1e-3
