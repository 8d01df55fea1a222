"""The sound of a video: each action has its motion's rhythm and its tool's ring.

Noise and clicks take their loudness from the gesture, so that sound and picture keep time, and
their colour from the tool. Under it lie the room's hum and hiss, a murmured voice that says no
words, and now and then something else in the kitchen.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from triptych.demo.kitchen import Plan, Step
from triptych.demo.knobs import Knobs
from triptych.demo.motions import effort
from triptych.seeds import derive

Samples = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]

# Of each tool: the middle of each resonance in Hz, its width in octaves and its strength.
RINGS: dict[str, tuple[tuple[float, float, float], ...]] = {
    "spoon": ((420, 0.25, 1.0), (980, 0.25, 0.6)),
    "whisk": ((2900, 0.2, 0.7), (5200, 0.35, 1.0)),
    "knife": ((1500, 0.12, 0.7), (3700, 0.2, 1.0)),
    "spatula": ((190, 0.4, 1.0), (620, 0.3, 0.5)),
    "brush": ((1700, 0.9, 1.0),),
    "fork": ((2100, 0.06, 1.0), (3300, 0.06, 0.8), (6100, 0.1, 0.5)),
}
MATERIALS = {
    "spoon": "wooden",
    "whisk": "wiry",
    "knife": "steely",
    "spatula": "dull",
    "brush": "bristly",
    "fork": "ringing",
}
RHYTHMS = {
    "circle": "swirl",
    "chop": "knocks",
    "sweep": "strokes",
    "turn": "ratchet",
    "press": "squeeze",
}


def name(step: Step) -> str:
    """What the step sounds like, in words: the tool's ring and the motion's rhythm."""
    return f"{MATERIALS[step.action.tool]} {RHYTHMS[step.action.motion]}"


def soundtrack(plan: Plan, knobs: Knobs) -> Samples:
    """The sound of the video, float32 in [-1, 1], mono, shape (seconds * sample_rate,)."""
    draw = np.random.default_rng(derive(plan.seed, "sound"))
    rate = knobs.sample_rate
    mix = _room(round(plan.seconds * rate), rate, draw)
    pitch = float(draw.uniform(95, 230))
    for step in plan.steps:
        start, end = round(step.start * rate), round(step.end * rate)
        mix[start:end] += _work(step, end - start, rate, draw)
        if step.narrated:
            mix[start:end] += 0.03 * _voice(end - start, rate, pitch, draw)
        if step.distractor:
            loud = draw.uniform(0.06, 0.16)
            mix[start:end] += loud * _DISTRACTORS[step.distractor](end - start, rate, draw)
    return np.asarray(np.tanh(mix), np.float32)


def _work(step: Step, length: int, rate: int, draw: np.random.Generator) -> Floats:
    seconds = np.arange(length) / rate
    rough = effort(step.gesture, seconds) * draw.standard_normal(length)
    detune = float(draw.normal(0, 0.06))  # octaves: no two spoons ring alike
    heard = _coloured(rough, rate, RINGS[step.action.tool], detune)
    fade = np.minimum(1, np.minimum(seconds, seconds[::-1]) / 0.05)
    return heard * fade * draw.uniform(0.10, 0.22)


def _coloured(
    noise: Floats, rate: int, ring: tuple[tuple[float, float, float], ...], detune: float
) -> Floats:
    """``noise`` through resonances that are bell curves over log frequency, at unit power."""
    spectrum = np.fft.rfft(noise)
    octaves = np.log2(np.maximum(np.fft.rfftfreq(len(noise), 1 / rate), 1.0))
    gain = np.full(len(octaves), 0.02)
    for middle, width, strength in ring:
        gain += strength * np.exp(-0.5 * ((octaves - np.log2(middle) - detune) / width) ** 2)
    heard = np.fft.irfft(spectrum * gain, len(noise))
    return heard / max(float(np.sqrt(np.mean(heard**2))), 1e-9)


def _room(length: int, rate: int, draw: np.random.Generator) -> Floats:
    """Hiss of this room's own tilt, and mains hum."""
    spectrum = np.fft.rfft(draw.standard_normal(length))
    frequencies = np.maximum(np.fft.rfftfreq(length, 1 / rate), 20.0)
    hiss = np.fft.irfft(spectrum * (frequencies / 1000) ** -draw.uniform(0.2, 1.0), length)
    hiss *= draw.uniform(0.008, 0.03) / float(np.std(hiss))
    mains = float(draw.choice((50.0, 60.0)))
    seconds = np.arange(length) / rate
    hum = sum(np.sin(2 * np.pi * mains * k * seconds) / k for k in (1, 2, 3))
    return np.asarray(hiss + draw.uniform(0.0, 0.02) * hum)


def _voice(length: int, rate: int, pitch: float, draw: np.random.Generator) -> Floats:
    """Syllables of a buzz with moving vowels: a voice through a wall."""
    seconds = np.arange(length) / rate
    beats = np.floor(seconds * draw.uniform(3.5, 5.0)).astype(int)
    syllables = int(beats[-1]) + 1
    height = pitch * np.exp(draw.normal(0, 0.08, syllables))[beats]
    spoken = (draw.random(syllables) < 0.8)[beats]
    phase = 2 * np.pi * np.cumsum(height) / rate
    bright = draw.uniform(0.5, 0.85, syllables)[beats]
    buzz = sum(bright**k * np.sin(k * phase) for k in range(1, 9))
    return np.asarray(buzz * spoken)


def _timer(length: int, rate: int, draw: np.random.Generator) -> Floats:
    seconds = np.arange(length) / rate
    tone = np.sin(2 * np.pi * draw.uniform(1800, 2600) * seconds)
    return np.asarray(tone * ((seconds * 4) % 1.0 < 0.4) * ((seconds % 1.0) < 0.75))


def _tap(length: int, rate: int, draw: np.random.Generator) -> Floats:
    return _coloured(draw.standard_normal(length), rate, ((2400, 1.2, 1.0),), 0.0)


def _clatter(length: int, rate: int, draw: np.random.Generator) -> Floats:
    heard = np.zeros(length)
    for start in draw.integers(0, length, 5):
        seconds = np.arange(length - start) / rate
        ring = sum(np.sin(2 * np.pi * draw.uniform(900, 5000) * seconds) for _ in range(4))
        heard[start:] += ring * np.exp(-seconds * 14)
    return heard


def _radio(length: int, rate: int, draw: np.random.Generator) -> Floats:
    seconds = np.arange(length) / rate
    notes = 220 * 2 ** (draw.choice((0, 2, 4, 7, 9, 12), 40) / 12)
    pitch = notes[np.floor(seconds * 5).astype(int) % 40]
    phase = 2 * np.pi * np.cumsum(pitch) / rate
    return np.asarray((np.sin(phase) + 0.4 * np.sin(2 * phase)) * np.exp(-3 * ((seconds * 5) % 1)))


_DISTRACTORS: dict[str, Callable[[int, int, np.random.Generator], Floats]] = {
    "timer": _timer,
    "tap": _tap,
    "clatter": _clatter,
    "radio": _radio,
}
