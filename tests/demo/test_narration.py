import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from triptych.demo.kitchen import BY_NAME, plan_collection
from triptych.demo.knobs import Knobs
from triptych.demo.narration import PHRASES, captions, queries, webvtt

CLEAN = Knobs(
    videos=40, narration_offset=0.0, narration_missing=0.0, transcription_noise=0.0, seed=3
)


def words(text: str) -> set[str]:
    return set(text.lower().split())


def test_every_action_has_several_wordings_of_its_own() -> None:
    assert set(PHRASES) == set(BY_NAME)
    every = [phrase for ways in PHRASES.values() for way in ways for phrase in way]
    assert len(set(every)) == len(every)
    assert all(len(ways) >= 3 and ways[0][0] == action for action, ways in PHRASES.items())


def test_without_noise_each_step_is_said_while_it_is_done() -> None:
    for plan in plan_collection(CLEAN):
        cues = captions(plan, CLEAN)
        assert len(cues) == 1 + len(plan.steps)
        for cue, step in zip(cues[1:], plan.steps, strict=True):
            assert (cue.start, cue.end) == (step.start, step.end)
            said = words(cue.text)
            ways = PHRASES[step.action.name]
            assert any(words(phrase) <= said for way in ways for phrase in way)


@given(
    seed=st.integers(0, 50),
    offset=st.floats(0, 5),
    missing=st.floats(0, 1),
    noise=st.floats(0, 1),
)
def test_captions_come_in_turn_inside_the_video(
    seed: int, offset: float, missing: float, noise: float
) -> None:
    knobs = Knobs(
        videos=2,
        seed=seed,
        narration_offset=offset,
        narration_missing=missing,
        transcription_noise=noise,
    )
    for plan in plan_collection(knobs):
        cues = captions(plan, knobs)
        assert cues == captions(plan, knobs)
        edges = [edge for cue in cues for edge in (cue.start, cue.end)]
        assert edges == sorted(edges)
        assert all(cue.end - cue.start >= 0.29 and cue.text for cue in cues)
        assert not edges or (edges[0] >= 0 and edges[-1] <= plan.seconds)


def test_nothing_is_said_of_a_step_whose_narration_is_missing() -> None:
    knobs = replace(CLEAN, narration_missing=1.0)
    telling = {"pot", "batter", "rice", "berries", "eggs", "milk", "cream", "carrots", "garlic"}
    for plan in plan_collection(knobs):
        for cue in captions(plan, knobs)[1:]:
            assert not words(cue.text) & telling


def test_noise_changes_as_many_words_as_asked() -> None:
    noisy = replace(CLEAN, transcription_noise=0.3)
    kept = total = 0
    for plan in plan_collection(CLEAN):
        right = " ".join(cue.text for cue in captions(plan, CLEAN)).split()
        heard = " ".join(cue.text for cue in captions(plan, noisy)).split()
        kept += len(set(right) & set(heard))
        total += len(set(right))
    assert 0.6 < kept / total < 0.97


def test_offsets_spread_as_asked() -> None:
    knobs = replace(CLEAN, narration_offset=0.5, videos=100)
    shifts = []
    for plan in plan_collection(knobs):
        cues = captions(plan, knobs)[1:]
        if len(cues) == len(plan.steps):
            shifts += [c.start - s.start for c, s in zip(cues, plan.steps, strict=True)]
    spread = (sum(shift**2 for shift in shifts) / len(shifts)) ** 0.5
    assert 0.3 < spread < 0.6  # 0.5 before captions make way for each other


def test_webvtt_is_laid_out_as_the_format_asks() -> None:
    lines = webvtt(captions(plan_collection(CLEAN)[0], CLEAN)).split("\n")
    assert lines[:2] == ["WEBVTT", ""]
    clock = r"\d\d:[0-5]\d:[0-5]\d\.\d{3}"
    assert all(re.fullmatch(f"{clock} --> {clock}", line) for line in lines[2::3] if line)


@pytest.mark.parametrize(("text", "action"), queries())
def test_queries_are_among_the_words_said(text: str, action: str) -> None:
    assert text in {way[0] for way in PHRASES[action]}
