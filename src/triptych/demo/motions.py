"""Gestures over time: where the tool is, and how hard it works (what the sound follows)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from triptych.demo.kitchen import Gesture

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Path:
    """Shape (times,) each: shift of the tool's tip in frame heights, turn in radians, size."""

    x: Floats
    y: Floats
    angle: Floats
    size: Floats


def path(gesture: Gesture, times: Floats) -> Path:
    """The tool at ``times``, seconds since the start of the step."""
    turns = 2 * np.pi * _cycles(gesture, times)
    still = np.zeros_like(turns)
    reach = gesture.reach
    if gesture.motion == "circle":
        x, y = reach * gesture.sense * np.cos(turns), 0.8 * reach * np.sin(turns)
        return Path(x, y, still, still + 1)
    if gesture.motion == "chop":
        lift = np.abs(np.sin(turns / 2)) ** 0.8  # quick at the board, slow at the top
        return Path(still, 0.35 * reach - reach * lift, still, still + 1)
    if gesture.motion == "sweep":
        return Path(gesture.sense * reach * np.sin(turns), still, still, still + 1)
    if gesture.motion == "turn":
        return Path(still, still, gesture.sense * reach * np.sin(turns), still + 1)
    return Path(still, still, still, 1 + reach * np.sin(turns))


def effort(gesture: Gesture, times: Floats) -> Floats:
    """How hard the tool works at ``times``, 0 to 1, shape (times,): each motion's rhythm."""
    cycles = _cycles(gesture, times)
    beat = cycles % 1.0
    if gesture.motion == "circle":
        return 0.6 + 0.4 * np.sin(2 * np.pi * cycles)
    if gesture.motion == "chop":
        return np.exp(-beat * 14)
    if gesture.motion == "sweep":
        return np.abs(np.cos(2 * np.pi * cycles)) ** 2
    if gesture.motion == "turn":  # a ratchet: ten clicks to the cycle, in two groups
        return np.exp(-((cycles * 10) % 1.0) * 5) * np.abs(np.cos(2 * np.pi * cycles)) ** 0.5
    return np.where(beat < 0.7, beat / 0.7, 1 - (beat - 0.7) / 0.3) ** 2


def _cycles(gesture: Gesture, times: Floats) -> Floats:
    """Cycles done; the pace wanders by some hundredths, as a hand's does."""
    wander = 0.05 * np.sin(2 * np.pi * (0.31 * times + gesture.phase))
    return gesture.phase + gesture.rate * times + wander
