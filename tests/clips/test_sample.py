import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from triptych.clips.sample import (
    CENTRE,
    ClipSpec,
    Placement,
    count_frames,
    crop_into,
    frame_times,
    random_placement,
    window,
)

unit = st.floats(0, 1)


@given(st.floats(0, 1e4), st.floats(0.01, 500), st.floats(0.1, 20), unit)
def test_a_window_lies_in_its_span_or_begins_where_a_shorter_span_does(
    start: float, length: float, seconds: float, position: float
) -> None:
    begin = window(start, start + length, seconds, position)
    if length <= seconds:
        assert begin == pytest.approx(start)
    else:
        assert start <= begin
        assert begin + seconds <= start + length + 1e-6


def test_positions_reach_both_ends_of_a_span() -> None:
    assert window(10, 20, 4, 0) == 10
    assert window(10, 20, 4, 0.5) == 13
    assert window(10, 20, 4, 1) == 16


def test_frames_are_spaced_by_time_and_the_last_repeats_where_the_clip_ends() -> None:
    spec = ClipSpec(frames=6, frame_rate=4)
    assert spec.seconds == 1.5
    np.testing.assert_allclose(frame_times(2, spec), [2, 2.25, 2.5, 2.75, 3, 3.25])
    np.testing.assert_allclose(frame_times(2, spec, 2.6), [2, 2.25, 2.5, 2.5, 2.5, 2.5])
    np.testing.assert_allclose(frame_times(2, spec, 2.5), [2, 2.25, 2.25, 2.25, 2.25, 2.25])


@given(st.floats(1e-3, 100), st.sampled_from([1.0, 4.0, 7.5, 8.0, 25.0]))
def test_as_many_frames_as_moments_before_the_end(seconds: float, rate: float) -> None:
    count = count_frames(seconds, rate)
    assert count >= 1
    assert (count - 1) / rate < seconds
    assert count / rate >= seconds - 1e-5


def test_a_draw_is_repeatable_and_differs_between_seeds_draws_and_rows() -> None:
    assert random_placement(1, 2, 3) == random_placement(1, 2, 3)
    draws = [
        random_placement(seed, draw, row) for seed in (0, 1) for draw in (0, 1) for row in (0, 1)
    ]
    assert len({(p.position, p.top, p.left) for p in draws}) == 8


def test_draws_are_uniform() -> None:
    draws = [random_placement(5, draw, draw % 7) for draw in range(4000)]
    for name in ("position", "top", "left"):
        values = np.array([getattr(p, name) for p in draws])
        counts, _ = np.histogram(values, 10, (0, 1))
        assert counts.sum() == 4000
        assert abs(counts - 400).max() < 100  # five standard deviations
    assert 1800 < sum(p.flip for p in draws) < 2200
    joint = np.corrcoef([[p.position, p.top, p.left, p.flip] for p in draws], rowvar=False)
    assert abs(joint - np.eye(4)).max() < 0.08


@given(unit, unit, st.booleans(), st.integers(1, 12))
def test_a_crop_is_the_slice_at_its_place(top: float, left: float, flip: bool, size: int) -> None:
    frames = np.arange(3 * 12 * 15 * 3).reshape(3, 12, 15, 3).astype(np.uint8)
    out = np.empty((3, size, size, 3), np.uint8)
    crop_into(out, frames, Placement(0, top, left, flip))
    y, x = round(top * (12 - size)), round(left * (15 - size))
    want = frames[:, y : y + size, x : x + size]
    np.testing.assert_array_equal(out, want[:, :, ::-1] if flip else want)


def test_the_centre_is_the_middle() -> None:
    frames = np.arange(72 * 72).reshape(1, 72, 72, 1).repeat(3, 3).astype(np.uint8)
    out = np.empty((1, 64, 64, 3), np.uint8)
    crop_into(out, frames, CENTRE)
    np.testing.assert_array_equal(out, frames[:, 4:68, 4:68])
