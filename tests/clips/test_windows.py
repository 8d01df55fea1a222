from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from triptych.clips.windows import Form, begins, count_rows, form_of, frame_moments
from triptych.encoders.encoder import AudioInput, VideoInput

FRAME = VideoInput(frames=1, frame_rate=25.0, size=32)
CLIP = VideoInput(frames=8, frame_rate=8.0, size=32)


def form(rate: float, clip: VideoInput | AudioInput, keep: bool = False) -> Form:
    return form_of(rate, clip, keep)


@given(
    length=st.fractions(Fraction(1, 100), 90, max_denominator=997),
    rate=st.sampled_from([1, 2, Fraction(3, 2)]),
)
def test_a_file_has_a_row_for_every_begun_share_of_a_second(
    length: Fraction, rate: Fraction
) -> None:
    wanted = sum(1 for row in range(400) if Fraction(row) / rate < length)
    assert count_rows(float(length), float(rate)) == wanted


def test_a_file_of_no_known_length_has_a_row() -> None:
    assert count_rows(0.0, 1.5) == 1


def test_a_frame_is_in_the_middle_of_its_row_or_of_what_is_left_of_it() -> None:
    rows = np.arange(4)
    assert begins(rows, form(1.0, FRAME), 3.4).tolist() == pytest.approx([0.5, 1.5, 2.5, 3.2])
    assert frame_moments(rows, form(2.0, FRAME), 9.0).tolist() == [[0.25], [0.75], [1.25], [1.75]]


def test_a_window_is_centred_and_moved_into_the_file_at_its_ends() -> None:
    found = begins(np.arange(6), form(1.5, CLIP), 4.0)
    centres = (np.arange(6) + 0.5) / 1.5
    assert found[1:5].tolist() == pytest.approx((centres - 0.5)[1:5].tolist())
    assert (found[0], found[5]) == (0.0, pytest.approx(3.0))
    moments = frame_moments(np.arange(6), form(1.5, CLIP), 4.0)
    assert moments.shape == (6, 8)
    np.testing.assert_allclose(moments[2], found[2] + np.arange(8) / 8)
    assert moments.max() < 4.0


def test_a_file_shorter_than_a_window_is_seen_from_its_start() -> None:
    assert begins(np.arange(1), form(1.0, CLIP), 0.4).tolist() == [0.0]
    assert begins(np.arange(2), form(1.0, AudioInput(8000, 5.0)), 1.4).tolist() == [0.0, 0.0]


@given(duration=st.floats(0.05, 200), rate=st.floats(0.05, 8), frames=st.integers(1, 64))
def test_windows_lie_within_the_file_in_their_order(
    duration: float, rate: float, frames: int
) -> None:
    looks = form(rate, VideoInput(frames, 8.0, 32))
    moments = frame_moments(np.arange(count_rows(duration, rate)), looks, duration)
    assert (np.diff(moments[:, 0]) >= 0).all()
    assert moments.min() >= 0
    if looks.seconds <= duration:
        assert moments.max() <= duration


def test_pictures_keep_their_shape_or_are_squashed() -> None:
    assert form(1.0, FRAME, keep=True).picture(360, 640) == (36, 64)
    assert form(1.0, FRAME, keep=True).picture(640, 360) == (64, 36)
    assert form(1.0, FRAME).picture(360, 640) == (36, 36)
    resized = VideoInput(8, 8.0, 32, resize=(40, 60))
    assert form(1.0, resized, keep=True).picture(360, 640) == (40, 60)
    assert form(1.0, FRAME).crop.share is None
    assert form(1.0, VideoInput(1, 25.0, 32, crop="scaled")).crop.share == 1.0
