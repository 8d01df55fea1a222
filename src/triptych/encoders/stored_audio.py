"""Stored features of sound, as features.audio of a recipe names them."""

from __future__ import annotations

from triptych.encoders.encoder import FeatureInput
from triptych.encoders.stored import StoredAudio


def build(clip: FeatureInput | None = None) -> StoredAudio:
    """Features of as many numbers as the stores of the recipe have together."""
    return StoredAudio(clip or FeatureInput())
