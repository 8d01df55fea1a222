import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from triptych.clips.sample import (
    ClipSpec,
    Placement,
    centre,
    count_frames,
    crop_into,
    frame_times,
    random_placement,
    starts,
)

unit = st.floats(0, 1)


@given(st.floats(0, 1e4), st.floats(0.01, 500), st.floats(0.1, 20), unit)
def test_a_window_lies_in_its_span_or_begins_where_a_shorter_span_does(
    start: float, length: float, seconds: float, position: float
) -> None:
    (begin,) = starts(start, start + length, seconds, [position])
    if length <= seconds:
        assert begin == pytest.approx(start)
    else:
        assert start <= begin
        assert begin + seconds <= start + length + 1e-6


def test_positions_reach_both_ends_of_a_span() -> None:
    assert starts(10, 20, 4, [0]) == [10]
    assert starts(10, 20, 4, [0.5]) == [13]
    assert starts(10, 20, 4, [1]) == [16]


def test_segments_lie_in_equal_parts_of_a_span() -> None:
    assert starts(10, 90, 2, centre(4).positions) == [19, 39, 59, 79]
    assert starts(10, 90, 2, [0] * 4) == [10, 30, 50, 70]
    assert starts(10, 90, 2, [1] * 4) == [28, 48, 68, 88]
    assert starts(10, 90, 2, [0.5, 0, 1, 0.25]) == [19, 30, 68, 74.5]


def test_segments_that_do_not_fit_side_by_side_overlap() -> None:
    """Runs of 2 s on 4 s in quarters: each covers its second, the outer ones within the span."""
    assert starts(10, 14, 2, centre(4).positions) == [10, 10.5, 11.5, 12]
    assert starts(10, 14, 2, [0] * 4) == [10, 11, 12, 12]
    assert starts(10, 14, 2, [1] * 4) == [10, 10, 11, 12]
    assert starts(10, 11.5, 2, [0.1, 0.9, 0.3]) == [10, 10, 10]


@given(
    st.floats(0, 1e4),
    st.floats(0.01, 3600),
    st.floats(0.05, 20),
    st.lists(st.floats(0, 1), min_size=1, max_size=16),
)
def test_segments_ascend_within_the_span_in_their_parts_or_around_them(
    start: float, length: float, seconds: float, positions: list[float]
) -> None:
    begins = np.array(starts(start, start + length, seconds, positions))
    assert len(begins) == len(positions)
    assert (np.diff(begins) >= -1e-6).all()
    assert begins.min() >= start - 1e-6
    assert begins.max() <= max(start, start + length - seconds) + 1e-6
    edges = start + length * np.arange(len(positions) + 1) / len(positions)
    if length >= seconds * len(positions):
        assert (begins >= edges[:-1] - 1e-6).all()
        assert (begins + seconds <= edges[1:] + 1e-6).all()
    elif length >= seconds:
        assert (begins <= edges[:-1] + 1e-6).all()
        assert (begins + seconds >= edges[1:] - 1e-6).all()
    else:
        assert (begins == start).all()


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
    assert len({(p.positions, p.top, p.left) for p in draws}) == 8


@given(st.integers(0, 2**40), st.integers(0, 10**6), st.integers(0, 10**6), st.integers(1, 12))
def test_more_segments_change_nothing_else_about_a_draw(
    seed: int, draw: int, row: int, segments: int
) -> None:
    one, more = random_placement(seed, draw, row), random_placement(seed, draw, row, segments)
    assert more == random_placement(seed, draw, row, segments)
    assert more.positions[:1] == one.positions
    assert (more.top, more.left, more.flip) == (one.top, one.left, one.flip)
    assert len(set(more.positions)) == segments
    assert all(0 <= place <= 1 for place in more.positions)


def test_draws_are_uniform() -> None:
    draws = [random_placement(5, draw, draw % 7, 3) for draw in range(4000)]
    table = np.array([[*p.positions, p.top, p.left, p.flip] for p in draws])
    for values in table[:, :5].T:
        counts, _ = np.histogram(values, 10, (0, 1))
        assert counts.sum() == 4000
        assert abs(counts - 400).max() < 100  # five standard deviations
    assert 1800 < sum(p.flip for p in draws) < 2200
    joint = np.corrcoef(table, rowvar=False)
    assert abs(joint - np.eye(6)).max() < 0.08


@given(unit, unit, st.booleans(), st.integers(1, 12))
def test_a_crop_is_the_slice_at_its_place(top: float, left: float, flip: bool, size: int) -> None:
    frames = np.arange(3 * 12 * 15 * 3).reshape(3, 12, 15, 3).astype(np.uint8)
    out = np.empty((3, size, size, 3), np.uint8)
    crop_into(out, [frames], Placement((0,), top, left, flip))
    y, x = round(top * (12 - size)), round(left * (15 - size))
    want = frames[:, y : y + size, x : x + size]
    np.testing.assert_array_equal(out, want[:, :, ::-1] if flip else want)


def test_the_centre_is_the_middle() -> None:
    frames = np.arange(72 * 72).reshape(1, 72, 72, 1).repeat(3, 3).astype(np.uint8)
    out = np.empty((1, 64, 64, 3), np.uint8)
    crop_into(out, [frames], centre())
    np.testing.assert_array_equal(out, frames[:, 4:68, 4:68])


def test_a_scaled_crop_is_what_pillow_makes_of_its_share_of_the_frame() -> None:
    """Frames of 30 x 41: .5 of the shorter side is 15 pixels, 1 is 30; both become 20."""
    frames = np.random.default_rng(0).integers(0, 256, (2, 30, 41, 3), np.uint8)
    for share, side, flip in ((0.5, 15, False), (1.0, 30, True), (2 / 3, 20, False)):
        out = np.empty((2, 20, 20, 3), np.uint8)
        crop_into(out, [frames], Placement((0,), 0.25, 1.0, flip, share))
        top, left = round(0.25 * (30 - side)), 41 - side
        for made, frame in zip(out, frames, strict=True):
            cut = Image.fromarray(frame[top : top + side, left : left + side])
            want = np.asarray(cut.resize((20, 20), Image.Resampling.BILINEAR)).astype(int)
            assert abs(made.astype(int) - (want[:, ::-1] if flip else want)).max() <= 2


def test_every_share_is_drawn_alike_and_changes_nothing_else() -> None:
    shares = (1.0, 0.84, 0.71, 0.59, 0.5)
    drawn = [random_placement(3, draw, 7, shares=shares) for draw in range(2000)]
    for share in shares:
        assert abs(sum(place.share == share for place in drawn) - 400) < 90
    one = random_placement(3, 11, 7)
    assert drawn[11].top == one.top
    assert one.share is None


def test_the_centre_of_scaled_crops_is_the_largest_square() -> None:
    frames = np.zeros((1, 6, 10, 3), np.uint8)
    frames[:, :, 2:8] = 255
    out = np.empty((1, 3, 3, 3), np.uint8)
    crop_into(out, [frames], centre(scaled=True))
    assert (out == 255).all()


def test_all_segments_of_a_clip_are_cropped_and_mirrored_alike() -> None:
    runs = np.random.default_rng(0).integers(0, 256, (3, 2, 10, 14, 3), np.uint8)
    want = runs[:, :, 2:10, 3:11][:, :, :, ::-1]
    for shape in ((6, 8, 8, 3), (3, 2, 8, 8, 3)):
        out = np.empty(shape, np.uint8)
        crop_into(out, list(runs), Placement((0, 0, 0), 1.0, 0.5, True))
        np.testing.assert_array_equal(out, want.reshape(shape))


def test_a_whole_frame_is_a_square_an_eighth_larger_or_what_is_asked_for() -> None:
    assert ClipSpec(size=64).stored == (72, 72)
    assert ClipSpec(size=112, resize=(128, 171)).stored == (128, 171)
