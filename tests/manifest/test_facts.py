import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from triptych.manifest.facts import SILENCE, Sound, Video


def video(times, tick=1e-5, decoded=None, end=None) -> Video:  # type: ignore[no-untyped-def]
    times = np.asarray(times, float)
    last = float(np.median(np.diff(times))) if len(times) > 1 else 0.04
    shown = None if decoded is None else np.asarray(decoded, float)
    return Video(
        "h264",
        64,
        48,
        times,
        times[-1] + last if end is None else end,
        tick,
        len(times),
        0,
        0,
        shown,
    )


@pytest.mark.parametrize("rate", [10, 23.976, 24, 25, 29.97, 30, 50, 59.94, 120])
@pytest.mark.parametrize("tick", [1 / 90000, 1 / 1000])
def test_rounding_to_the_container_is_no_variable_rate(rate: float, tick: float) -> None:
    found = video(np.round(np.arange(500) / rate / tick) * tick, tick)
    assert not found.variable
    assert found.hole() is None
    assert found.fps == pytest.approx(rate, rel=1e-3)


def test_a_change_of_rate_dropped_frames_and_jitter_are_a_variable_rate() -> None:
    change = np.concatenate([np.arange(50) / 25, 2 + np.arange(50) / 30])
    dropped = np.delete(np.arange(100) / 25, np.arange(7, 99, 10))
    jitter = np.sort(np.arange(100) / 25 + np.random.default_rng(0).uniform(-0.01, 0.01, 100))
    assert all(video(times).variable for times in (change, dropped, jitter))


def test_one_odd_interval_is_no_variable_rate_but_a_long_one_is_told() -> None:
    pause = np.concatenate([np.arange(100) / 25, 10 + np.arange(100) / 25])
    assert not video(pause).variable
    assert video(pause).hole() == pytest.approx((3.96, 10.0))
    slides = np.array([0.0, 12, 24, 36])
    assert video(slides).hole() is None


def test_a_single_frame_has_a_rate() -> None:
    assert video([0.0], end=0.04).fps == pytest.approx(25)
    assert not video([0.0], end=0.04).variable


def test_a_clip_shows_pictures_where_half_of_its_frames_decode() -> None:
    times = np.arange(100) / 10
    good = np.concatenate([times[:45], times[45:60:2], times[60:80:4], times[90:]])
    found = video(times, decoded=good)
    spans = [(0, 4), (4, 6), (6, 8), (8, 9), (9, 10), (10, 12)]
    assert [found.shows(*span) for span in spans] == [True, True, False, False, True, False]


def test_a_frame_stays_on_screen_until_the_next() -> None:
    found = video([2.0, 12.0, 22.0], decoded=[2.0, 22.0], end=32.0)
    assert [found.shows(start, start + 2) for start in (0, 1, 4, 12, 16, 24, 32)] == [
        False,
        True,
        True,
        False,
        False,
        True,
        False,
    ]
    untried = video([2.0, 12.0], end=22.0)
    assert [untried.shows(start, start + 1) for start in (0, 5, 25)] == [False, True, False]


BLOCKS = st.lists(st.tuples(st.floats(0.01, 2), st.sampled_from([0, 1e-5, 2e-4, 0.5])), max_size=30)


@given(BLOCKS, st.floats(0, 30), st.floats(0.01, 10))
def test_sound_is_heard_if_any_block_of_the_span_is_louder_than_silence(
    blocks: list[tuple[float, float]], start: float, length: float
) -> None:
    edges = np.concatenate([[0.0], np.cumsum([block[0] for block in blocks])])
    peaks = np.array([block[1] for block in blocks], np.float32)
    sound = Sound("aac", edges[:-1], edges[1:], peaks, float(edges[-1]), 1, 0)
    inside = [
        peak
        for low, high, peak in zip(edges, edges[1:], peaks, strict=False)
        if low < start + length - 1e-6 and high >= start + 1e-6
    ]
    assert sound.heard(start, start + length) == any(peak >= SILENCE for peak in inside)
