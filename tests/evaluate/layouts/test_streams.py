import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from triptych.evaluate.layouts import streams


def test_each_stream_is_at_unit_length_and_zeros_stay() -> None:
    made = streams.side_by_side([np.array([[3.0, 4], [0, 0]]), np.array([[2.0], [-5]])])
    np.testing.assert_allclose(made, [[0.6, 0.8, 1], [0, 0, -1]], rtol=1e-6)
    assert made.dtype == np.float32


def test_half_precision_does_not_overflow_when_its_length_is_taken() -> None:
    np.testing.assert_allclose(streams.unit(np.full((1, 4), 6e4, np.float16)), 0.5)


def test_the_maximum_over_time_of_rows_and_a_single_one_as_it_is() -> None:
    np.testing.assert_array_equal(streams.pooled(np.array([[1.0, 5], [2, -1]])), [2, 5])
    np.testing.assert_array_equal(streams.pooled(np.array([1.0, -2])), [1, -2])


@pytest.mark.parametrize(
    ("start", "end", "rate", "rows"),
    [(0, 1, 1, [0, 1]), (2.9, 3.1, 1, [2, 3]), (1, 2, 1.5, [1, 2, 3]), (9, 12, 1, [9])],
)
def test_a_clip_holds_both_of_its_ends(
    start: float, end: float, rate: float, rows: list[int]
) -> None:
    features = np.eye(10)
    expected = np.isin(np.arange(10), rows).astype(float)
    np.testing.assert_array_equal(streams.between(features, rate, start, end), expected)


def test_a_clip_behind_the_features_has_none() -> None:
    assert streams.between(np.eye(4), 1.0, 4, 9) is None


@given(st.integers(1, 30), st.integers(1, 30), st.integers(0, 2**32 - 1))
def test_spread_is_the_maximum_over_each_share(rows: int, count: int, seed: int) -> None:
    features = np.random.default_rng(seed).normal(size=(rows, 3)).astype(np.float32)
    expected = np.stack(
        [
            features[math.floor(i * rows / count) : math.ceil((i + 1) * rows / count)].max(0)
            for i in range(count)
        ]
    )
    np.testing.assert_array_equal(streams.spread(features, count), expected)


def test_spectrograms_are_padded_cut_and_counted() -> None:
    clips = tuple(np.full((2, n), float(n), np.float16) for n in (3, 0, 7))
    held = streams.Spectrograms(clips, most=5, bands=2)
    np.testing.assert_array_equal(held.frames, [3, 0, 5])
    np.testing.assert_array_equal(held.present, [True, False, True])
    made, valid = held.batch([2, 0], padding=-80)
    assert made.shape == (2, 2, 5)
    np.testing.assert_array_equal(valid, [5, 3])
    np.testing.assert_array_equal(made[0], np.full((2, 5), 7))
    np.testing.assert_array_equal(made[1, :, 3:], np.full((2, 2), -80))
    made, valid = held.batch([2], width=4)
    assert made.shape == (1, 2, 4)
    assert valid == [4]
    assert held.batch([1])[0].shape == (1, 2, 1)


def released(second: int, seconds: int) -> tuple[int, int]:
    """The window of MCN's loader, by its cases."""
    if second < 4:
        start, end = 0, 8
    elif second > seconds - 4:
        start, end = seconds - 8, seconds
    else:
        start, end = second - 4, second + 4
    return tuple(max(0, math.floor((t * 16000 - 200) / 160)) for t in (start, end))  # type: ignore[return-value]


@pytest.mark.parametrize("seconds", [1, 3, 8, 9, 20])
def test_the_sound_of_a_second_is_eight_seconds_around_it(seconds: int) -> None:
    whole = np.arange(seconds * 100, dtype=np.float32)[None]
    held = streams.windows(whole, seconds)
    assert len(held) == seconds
    for second, clip in enumerate(held.clips):
        first, last = released(second, seconds)
        np.testing.assert_array_equal(clip, whole[:, first:last])
    assert held.present.all()


def test_a_spectrogram_that_ends_early_leaves_seconds_without_sound() -> None:
    held = streams.windows(np.zeros((40, 900)), 30)
    assert held.present[:14].all()
    assert not held.present[14:].any()
